/** The portal's styles for a shadow root; a page's Content-Security-Policy does not concern them. */

import { backend } from "../backend.ts";
import { store } from "../store.ts";

export const sheet = new CSSStyleSheet();

/** Nothing is shown before. */
export const dressed = store(false);

let file = "";
let colours = "";

/** Which file it is, and what the provider's own colours add to it. */
export function tell(said: DOMStringMap) {
  file = said.style ?? "";
  colours = said.colours ?? "";
}

/** Get it, once; it is tried again where that fails. */
export async function dress() {
  if (dressed.get()) return;
  const answer = await fetch(`${backend.origin}/static/${file}`).catch(() => null);
  if (!answer?.ok) return;
  sheet.replaceSync(await answer.text() + colours);
  dressed.set(true);
}
