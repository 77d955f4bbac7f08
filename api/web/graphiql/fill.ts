/** Fills in what a ready document needs, from what its caller may read. */

import { graphql } from "../portal/graphql.ts";
import { ask } from "./fetcher.ts";

const INVOICES = graphql("{ invoices(first: 1) { edges { node { id } } } }");

/** Where to look for each value: the first text in the first answer that has one. */
const LOOKUPS: Record<string, unknown[]> = {
  $account: [
    graphql("{ viewer { account { id } } }"),
    graphql("{ accounts(first: 1) { edges { node { id } } } }"),
  ],
  $currency: [
    graphql("{ viewer { account { currency } } }"),
    graphql("{ accounts(first: 1) { edges { node { currency } } } }"),
  ],
  $amount: [graphql("{ fundsLimits { minimumDeposit { amount } } }")],
  $gateway: [graphql("{ gateways { code } }")],
  $policy: [graphql("{ creditPolicy { version } }")],
  $invoice: [INVOICES],
  $unpaid: [
    graphql("{ invoices(first: 1, filter: { status: [UNPAID] }) { edges { node { id } } } }"),
    INVOICES,
  ],
};

/** The variables as JSON text. What cannot be found stays empty, for the caller to type. */
export async function filled(
  variables: Record<string, unknown>,
  credential: string,
): Promise<string> {
  const text = JSON.stringify(variables, null, 2);
  const wanted = [...new Set(text.match(/\$[a-z]+/g) ?? [])];
  const found = await Promise.all(wanted.map((name) => valueOf(name, credential)));
  const values = new Map(wanted.map((name, index) => [name, found[index] ?? ""]));
  return text.replace(/\$[a-z]+/g, (name) => values.get(name) ?? "");
}

async function valueOf(name: string, credential: string): Promise<string> {
  if (name === "$key") return crypto.randomUUID();
  for (const query of LOOKUPS[name] ?? []) {
    const { data } = await ask({ query: String(query) }, credential);
    const text = firstText(data);
    if (text) return text;
  }
  return "";
}

function firstText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object") return "";
  return Object.values(value).map(firstText).find(Boolean) ?? "";
}
