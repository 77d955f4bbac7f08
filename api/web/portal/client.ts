/** Asking the backend over HTTP. */

import { backend, renewed } from "./backend.ts";
import type { Document } from "./graphql.ts";
import { store } from "./store.ts";

const PATIENCE_MS = 45_000;

export type ProblemKind = "unreachable" | "busy" | "signed-out" | "not-found" | "failed";

/** Why there is no answer. What is `unreachable` or `busy` may be tried again as it is. */
export class Problem extends Error {
  constructor(readonly kind: ProblemKind, message = "", readonly id = "") {
    super(message);
  }
}

/** Grows whenever the backend says that nobody is signed in. */
export const signedOut = store(0);

const KINDS: Record<string, ProblemKind> = {
  NOT_FOUND: "not-found",
  RATE_LIMITED: "busy",
  TRY_AGAIN: "busy",
};

interface GraphQLProblem {
  message: string;
  extensions?: { code?: string; id?: string };
}

interface Answer {
  status: number;
  // deno-lint-ignore no-explicit-any -- what is in it follows from the document
  data?: any;
  errors?: GraphQLProblem[];
}

/** The data of an operation. Throws Problem. */
export async function ask<D, V>(document: Document<D, V>, variables: V): Promise<D> {
  const body = JSON.stringify({ query: document, variables });
  const { token } = backend;
  let answer = await send(body);
  // It was refused before anything was done: with another token it may be sent again.
  if (token && isRefused(answer.errors) && await renewed(token)) answer = await send(body);
  if (answer.errors) throw problemOf(answer.errors);
  if (!answer.data) throw new Problem(answer.status >= 500 ? "unreachable" : "failed");
  return answer.data;
}

async function send(body: string): Promise<Answer> {
  try {
    const response = await fetch(`${backend.origin}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", ...authorized() },
      body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    // A proxy in between may answer in the backend's place, and not in JSON.
    return { ...await response.json().catch(() => ({})), status: response.status };
  } catch {
    throw new Problem("unreachable");
  }
}

/** What says who asks, where the browser's cookie does not. */
export const authorized = () => backend.token && { authorization: `Bearer ${backend.token}` };

export const isRefused = (errors?: readonly GraphQLProblem[]) =>
  errors?.[0]?.extensions?.code === "UNAUTHENTICATED";

/** What the errors of an answer come to, over HTTP or from a subscription. */
export function problemOf(errors: readonly GraphQLProblem[]): Problem {
  const { message, extensions } = errors[0] ?? { message: "" };
  if (isRefused(errors)) {
    signedOut.set(signedOut.get() + 1);
    return new Problem("signed-out", message);
  }
  return new Problem(KINDS[extensions?.code ?? ""] ?? "failed", message, extensions?.id);
}
