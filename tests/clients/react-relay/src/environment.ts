import { createClient } from "graphql-sse";
import type {
  FetchFunction,
  GraphQLResponse,
  RequestParameters,
  SubscribeFunction,
} from "relay-runtime";
import { Environment, Network, Observable, RecordSource, Store } from "relay-runtime";
import { api } from "../../shared/api";
import { resuming } from "../../shared/live";

/** The identifier that the compiler gave a document: what is sent instead of the document. */
function identifierOf({ id, name }: RequestParameters): string {
  if (!id) throw new Error(`${name} is not persisted: run relay-compiler`);
  return id;
}

const fetchGraphQL: FetchFunction = async (request, variables) => {
  const response = await fetch(api, {
    method: "POST",
    credentials: "include",
    headers: {
      accept: "application/graphql-response+json",
      "content-type": "application/json",
    },
    body: JSON.stringify({ documentId: identifierOf(request), variables }),
  });
  return (await response.json()) as GraphQLResponse;
};

// Its own retries would ask for the same version again; `resuming` asks for the next one.
const events = createClient({ url: api.href, credentials: "include", retryAttempts: 0 });

const subscribe: SubscribeFunction = (request, variables) =>
  Observable.create((sink) =>
    resuming<GraphQLResponse & { data?: unknown }>(
      events,
      { query: "", documentId: identifierOf(request), variables },
      { next: (result) => sink.next(result), error: (problem) => sink.error(problem as Error) },
    )
  );

export const environment = new Environment({
  network: Network.create(fetchGraphQL, subscribe),
  store: new Store(new RecordSource()),
  missingFieldHandlers: [
    {
      kind: "linked",
      // An invoice that is known is not asked for again.
      handle: (field, record, { id }) =>
        record?.getType() === "__Root" && field.name === "invoice" ? id : undefined,
    },
  ],
});
