/** What the elements of a page say together, and what the page is told. */

import { backend, renewed } from "../backend.ts";
import { firstLanguage, language, speak } from "../i18n.ts";
import { dress, dressed } from "./style.ts";
import { type Balance, balance, change, end, open, session } from "../session.ts";

const AGAIN_MS = 5_000;

/** An element of ours. */
export interface Embedded extends HTMLElement {
  getToken?: () => Promise<string>;
}

const elements = new Set<Embedded>();
/** Which element shows an invoice: where a gateway sends the browser back to, it is shown again. */
const shown = new Map<string, Embedded>();
let said = "";
let considering = false;

export function join(element: Embedded) {
  elements.add(element);
  consider();
}

export function part(element: Embedded) {
  elements.delete(element);
  consider();
}

/** Look again at what the elements say, once those that are being added or changed are done. */
export function consider() {
  if (considering) return;
  considering = true;
  queueMicrotask(() => {
    considering = false;
    listen();
  });
}

/** The first that any of the elements says. */
function attribute(name: string): string {
  return [...elements].map((element) => element.getAttribute(name)).find(Boolean) ?? "";
}

function listen() {
  backend.getToken = [...elements].find((element) => element.getToken)?.getToken;
  backend.origin = new URL(attribute("endpoint") || import.meta.url, location.href).origin;
  const locale = attribute("locale");
  const token = attribute("token");
  if (locale !== backend.locale) {
    backend.locale = locale;
    if (language.get()) speak(locale);
  }
  // Whether there is anybody, and who: what is asked for begins anew with somebody else.
  const now = elements.size && (token || backend.getToken) ? `${backend.origin} ${token}` : "";
  if (now === said) return;
  if (said) end();
  said = now;
  backend.token = token;
  if (now) begin();
}

/** Find the texts and who asks. Where a token was refused before, a fresh one is asked for. */
export async function begin() {
  const began = said;
  session.set({ state: "loading" });
  await Promise.all([dress(), speak(firstLanguage(backend.locale))]);
  if (!language.get() || !dressed.get()) {
    return setTimeout(() => began === said && begin(), AGAIN_MS);
  }
  const known = backend.token || await renewed("");
  if (began !== said) return;
  if (known) await open();
  else session.set({ state: "nobody", expired: true });
}

// ------------------------------------------------------------------------- what the page is told

function tell(element: Embedded | undefined, type: string, detail: unknown) {
  element?.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
}

let told: { balance: Balance; change: unknown } | undefined;

// The transaction is known a moment after the balance.
balance.watch(() => queueMicrotask(tellCredit));

function tellCredit() {
  const [now, transaction] = [balance.get(), change.get()];
  const was = told;
  told = now ? { balance: now, change: transaction } : undefined;
  if (!was || !now || JSON.stringify(was.balance) === JSON.stringify(now)) return;
  const speaker = [...elements].find((one) => one.localName === "account-credit-balance");
  tell(speaker ?? [...elements][0], "credit-changed", {
    balance: now,
    transaction: transaction === was.change ? null : transaction,
  });
}

const paid = new Set<string>();

/** Once for each invoice, however many elements show it. */
export function tellPaid(element: Embedded, invoice: { id: string }) {
  if (paid.has(invoice.id)) return;
  paid.add(invoice.id);
  tell(element, "invoice-paid", { invoice });
}

// ------------------------------------------------------------------------- there and back again

/** The invoice that the browser has come back to this element for. */
export const returnedFor = (element: Embedded) =>
  new URLSearchParams(location.search).get(element.localName) ?? "";

export function shows(element: Embedded, invoice: string) {
  shown.set(invoice, element);
}

backend.embedded = true;
backend.returnUrl = (invoice) => {
  const element = shown.get(invoice);
  const url = new URL(element?.getAttribute("return-url") || location.href, location.href);
  if (element) url.searchParams.set(element.localName, invoice);
  return url.href;
};
