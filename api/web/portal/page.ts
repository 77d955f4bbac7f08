/** What the server wrote into the page: `data-` attributes of <html>. */

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

const said = document.documentElement.dataset;

export const seller = said.seller ?? "";
/** The address of the seller's logo; empty where there is none. */
export const logo = said.logo ?? "";
/** The zone that days are in: the one that the documents are dated in. */
export const zone = said.zone ?? "UTC";
export const languages: Record<string, Language> = JSON.parse(said.languages ?? "{}");
/** The currencies to choose from where people may sign up; null where they may not. */
export const signUpCurrencies: string[] | null = JSON.parse(said.signUp ?? "null");
export const demo: Demo | null = JSON.parse(said.demo ?? "null");
/** Who signs clients in besides us. */
export const identityProviders: IdentityProvider[] = JSON.parse(said.providers ?? "[]");
