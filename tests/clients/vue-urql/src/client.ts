import type { CacheExchangeOpts } from "@urql/exchange-graphcache";
import { cacheExchange } from "@urql/exchange-graphcache";
import { persistedExchange } from "@urql/exchange-persisted";
import type { TypedDocumentNode } from "@urql/vue";
import { Client, fetchExchange, subscriptionExchange } from "@urql/vue";
import type { DocumentNode } from "graphql";
import { createClient } from "graphql-ws";
import { ref } from "vue";
import { api, liveApi } from "../../shared/api";
import { resuming } from "../../shared/live";
import { valueTypes } from "../../shared/types";

/** The schema in short; vite.config.ts puts it in. */
declare const SCHEMA: CacheExchangeOpts["schema"];

const KEPT = "account-credit-token";

/** This client keeps no cookies: its token lives as long as its tab. */
export const token = ref(sessionStorage.getItem(KEPT));

export function keepToken(now: string): void {
  sessionStorage.setItem(KEPT, now);
  token.value = now;
}

function credentials(): Record<string, string> {
  return token.value ? { authorization: `Bearer ${token.value}` } : {};
}

const cache = cacheExchange({
  keys: Object.fromEntries(valueTypes.map((name) => [name, () => null])),
  schema: SCHEMA,
  resolvers: { Query: { invoice: (_, { id }) => ({ __typename: "Invoice", id: `${id}` }) } },
});

const persisted = persistedExchange({
  generateHash: async (_, document) => hashOf(document),
  enforcePersistedQueries: true,
  enableForMutation: true,
  enableForSubscriptions: true,
  preferGetForPersistedQueries: false, // GraphQL is asked for with POST
});

/** The hash that codegen gave a document: what is sent instead of the document. */
function hashOf(document: DocumentNode | TypedDocumentNode): string {
  return (document as DocumentNode & { __meta__: { hash: string } }).__meta__.hash.slice(7);
}

// Its own retries would ask for the same version again; `resuming` asks for the next one.
const socket = createClient({
  url: liveApi.href,
  connectionParams: credentials,
  retryAttempts: 0,
  lazyCloseTimeout: 1_000,
});

const live = subscriptionExchange({
  forwardSubscription: ({ query, variables, extensions }) => ({
    subscribe: (sink) => ({
      unsubscribe: resuming(socket, { query: query ?? "", variables, extensions }, sink),
    }),
  }),
});

export const client = new Client({
  url: api.href,
  preferGetMethod: false,
  fetchOptions: () => ({
    credentials: "omit",
    headers: credentials(),
  }),
  exchanges: [cache, persisted, fetchExchange, live],
});
