import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, Observable } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import type { DocumentNode } from "graphql";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import { api, liveApi } from "../../shared/api";
import { persisted, resuming } from "../../shared/live";
import { possibleTypes } from "../../shared/types";

const cache = new InMemoryCache({
  possibleTypes,
  typePolicies: {
    // Values without an id, kept inside of what they belong to.
    Money: { keyFields: false },
    Viewer: { merge: true },
    Query: {
      fields: {
        invoice: (known, { args, toReference }) =>
          known ?? (args?.id && toReference({ __typename: "Invoice", id: args.id })),
      },
    },
  },
});

/** The hash that codegen gave a document: what is sent instead of the document. */
function hashOf(document: DocumentNode): string {
  return (document as DocumentNode & { __meta__: { hash: string } }).__meta__.hash;
}

const http = new PersistedQueryLink({
  generateHash: (document) => hashOf(document).replace(/^sha256:/, ""),
}).concat(new HttpLink({ uri: api.href, credentials: "include" }));

// Its own retries would ask for the same version again; `resuming` asks for the next one.
const socket = createClient({ url: liveApi.href, retryAttempts: 0, lazyCloseTimeout: 1_000 });

const live = new ApolloLink(({ query, variables }) =>
  new Observable((observer) =>
    resuming<ApolloLink.Result>(socket, { ...persisted(hashOf(query)), variables }, observer)
  )
);

export const client = new ApolloClient({
  cache,
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    live,
    http,
  ),
});
