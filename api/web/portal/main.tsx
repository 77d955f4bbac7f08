import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/screens.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { firstLanguage, speak } from "./i18n.ts";
import { open } from "./session.ts";
import "./theme.ts";

await speak(firstLanguage());
render(<App />, document.body);
await open();
