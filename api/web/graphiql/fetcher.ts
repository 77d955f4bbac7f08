/** Asking the backend: over HTTP, and subscriptions over a websocket. */

import type { GraphiQLProps } from "graphiql";
import { Kind, type OperationDefinitionNode, OperationTypeNode, parse } from "graphql";
import { type Client, createClient } from "graphql-ws";

type Fetcher = GraphiQLProps["fetcher"];

interface Operation {
  query: string;
  variables?: Record<string, unknown>;
  operationName?: string;
}

export interface Problem {
  message: string;
  extensions?: { code?: string };
}

export interface Answer {
  data?: Record<string, unknown> | null;
  errors?: Problem[];
}

/** The answer to one operation, with a key or token, or else by the browser's cookie. */
export async function ask(
  operation: Operation,
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
  return async ({ query, variables, operationName }, options) => {
    const chosen = chosenOf(query, operationName);
    const operation = { query, variables, operationName: chosen?.name?.value };
    if (chosen?.operation === OperationTypeNode.SUBSCRIPTION) return watched(socket, operation);
    const answer = await ask(operation, credential, options?.headers);
    if (chosen?.operation === OperationTypeNode.MUTATION) answered();
    return answer as never;
  };
}

/** The operation to run. GraphiQL's name for it lags behind when a document has just been opened. */
function chosenOf(query: string, name?: string | null): OperationDefinitionNode | undefined {
  const all = definitionsOf(query).filter((one) => one.kind === Kind.OPERATION_DEFINITION);
  return all.find((one) => one.name?.value === name) ?? all[0];
}

function definitionsOf(query: string) {
  try {
    return parse(query).definitions;
  } catch {
    return []; // the backend says what is wrong with it
  }
}

function authorization(credential: string): Record<string, string> {
  return credential ? { authorization: `Bearer ${credential}` } : {};
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
