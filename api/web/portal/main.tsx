import "./styles/fonts.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/screens.css";
import "./styles/settings.css";
import "./styles/factors.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { backend } from "./backend.ts";
import { firstLanguage, language, remembered, speak } from "./i18n.ts";
import { tellPortal } from "./page.ts";
import { open } from "./session.ts";
import "./more_icons.ts";
import "./screens/card_form.tsx";
import "./screens/copy.tsx";
import "./screens/credit_slide.tsx";
import "./theme.ts";

backend.returnUrl = (invoice) => `${location.origin}/billing/invoices/${invoice}/return`;
tellPortal(document.documentElement.dataset);
await speak(firstLanguage(remembered()));
if (language.get()) {
  render(<App />, document.body);
  await open();
} else {
  // There is no catalogue to say it from.
  document.body.textContent = "The portal could not be loaded. Reload the page to try again.";
}
