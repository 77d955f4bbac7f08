/** The receipt of a payment. */

import { ask } from "../client.ts";
import { graphql } from "../graphql.ts";
import { language, t } from "../i18n.ts";
import { Document } from "./download.tsx";

const RECEIPT = graphql(`
  query ReceiptLink($id: ID!, $locale: String) {
    node(id: $id) { __typename ... on Payment { id receiptUrl(locale: $locale) } }
  }
`);

export function Receipt({ id, number }: { id: string; number: string }) {
  return <Document kind="quiet" label={t("receipt")} name={number} link={() => receiptLink(id)} />;
}

async function receiptLink(id: string): Promise<string> {
  const { node } = await ask(RECEIPT, { id, locale: language.get() });
  return node?.__typename === "Payment" ? node.receiptUrl ?? "" : "";
}
