/** Documents whose types follow from the schema, and which are plain strings when they run. */

import type { initGraphQLTada } from "gql.tada";
import type { introspection } from "./generated.d.ts";

interface Introspection {
  introspection: introspection;
  disableMasking: true;
  scalars: { Decimal: string; CurrencyCode: string; Date: string; DateTime: string; URL: string };
}

type Tada = ReturnType<typeof initGraphQLTada<Introspection>>;

export type { ResultOf, TadaDocumentNode as Document, VariablesOf } from "gql.tada";

/** `graphql("query …", [fragments])`; a field that the schema lacks does not compile. */
/* @__NO_SIDE_EFFECTS__ */
export const graphql =
  ((text: string, fragments: string[] = []) => [text, ...fragments].join("\n")) as unknown as Tada;
