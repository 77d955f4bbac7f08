/** What the server says of this provider: in `data-` attributes of the portal's <html>. */

export interface Language {
  name: string;
  file: string;
}

interface Demo {
  password: string;
  people: { name: string; email: string }[];
}

interface IdentityProvider {
  name: string;
  label: string;
}

export let seller = "";
/** The address of the seller's logo; empty where there is none. */
export let logo = "";
/** The zone that days are in: the one that the documents are dated in. */
export let zone = "UTC";
export let languages: Record<string, Language> = {};
/** The currencies to choose from where people may sign up; null where they may not. */
export let signUpCurrencies: string[] | null = null;
export let demo: Demo | null = null;
/** Who signs clients in besides us. */
export let identityProviders: IdentityProvider[] = [];

/** Take what the server said; until then nothing is known. */
export function tell(said: DOMStringMap) {
  seller = said.seller ?? "";
  logo = said.logo ?? "";
  zone = said.zone ?? "UTC";
  languages = JSON.parse(said.languages ?? "{}");
}

/** What is said to the portal alone. */
export function tellPortal(said: DOMStringMap) {
  tell(said);
  signUpCurrencies = JSON.parse(said.signUp ?? "null");
  demo = JSON.parse(said.demo ?? "null");
  identityProviders = JSON.parse(said.providers ?? "[]");
}
