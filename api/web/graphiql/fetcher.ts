/** Asking the backend: over HTTP, and subscriptions over a websocket. */

import type { GraphiQLProps } from "graphiql";
import { OperationTypeNode } from "graphql";
import { type Client, createClient } from "graphql-ws";

type Fetcher = GraphiQLProps["fetcher"];
type Operation = Parameters<Fetcher>[0];

export interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { message: string }[];
}

/** The answer to one operation, with a key or token, or else by the browser's cookie. */
export async function ask(
  operation: { query: string; variables?: unknown },
  credential: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      // Then refusals of GraphQL are answers like others, and nothing is logged as an error.
      accept: "application/json",
      ...authorization(credential),
      ...headers,
    },
    body: JSON.stringify(operation),
  });
  return await response.json();
}

/** What GraphiQL asks with. `answered` is called after each mutation: it may have signed in. */
export function fetcherAs(credential: string, answered: () => void): Fetcher {
  const socket = createClient({
    url: `${location.origin.replace("http", "ws")}/graphql`,
    connectionParams: authorization(credential),
    retryAttempts: 0,
  });
  return async (operation, options) => {
    const type = typeOf(operation, options);
    if (type === OperationTypeNode.SUBSCRIPTION) return watched(socket, operation);
    const answer = await ask(operation, credential, options?.headers);
    if (type === OperationTypeNode.MUTATION) answered();
    return answer as never;
  };
}

function authorization(credential: string): Record<string, string> {
  return credential ? { authorization: `Bearer ${credential}` } : {};
}

function typeOf(operation: Operation, options: Parameters<Fetcher>[1]) {
  const operations = options?.documentAST?.definitions.filter((one) =>
    one.kind === "OperationDefinition"
  );
  const name = operation.operationName;
  return operations?.find((one) => !name || one.name?.value === name)?.operation;
}

function watched(socket: Client, operation: Operation) {
  return {
    subscribe(sink: { next(value: never): void; error(error: Error): void; complete(): void }) {
      const unsubscribe = socket.subscribe(operation, {
        next: (answer) => sink.next(answer as never),
        error: (error) => sink.error(problemOf(error)),
        complete: () => sink.complete(),
      });
      return { unsubscribe };
    },
  } as never;
}

function problemOf(error: unknown): Error {
  if (error instanceof CloseEvent) {
    return new Error(`The connection was closed: ${error.code} ${error.reason}`.trim());
  }
  if (Array.isArray(error)) return new Error(error.map((one) => one.message).join("\n"));
  return error instanceof Error ? error : new Error("The connection was lost.");
}
