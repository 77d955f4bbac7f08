import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/screens.css";
import "./styles/settings.css";
import "./styles/factors.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { firstLanguage, language, speak } from "./i18n.ts";
import { open } from "./session.ts";
import "./theme.ts";

await speak(firstLanguage());
if (language.get()) {
  render(<App />, document.body);
  await open();
} else {
  // There is no catalogue to say it from.
  document.body.textContent = "The portal could not be loaded. Reload the page to try again.";
}
