/** Asking the backend over HTTP. The browser's cookie says who asks. */

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

/** The data of an operation. Throws Problem. */
export async function ask<D, V>(document: Document<D, V>, variables: V): Promise<D> {
  const response = await send(JSON.stringify({ query: document, variables }));
  // A proxy in between may answer in the backend's place, and not in JSON.
  const answer = await response.json().catch(() => ({}));
  if (answer.errors) throw problemOf(answer.errors);
  if (!answer.data) throw new Problem(response.status >= 500 ? "unreachable" : "failed");
  return answer.data;
}

async function send(body: string): Promise<Response> {
  try {
    return await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new Problem("unreachable");
  }
}

/** What the errors of an answer come to, over HTTP or from a subscription. */
export function problemOf(errors: readonly GraphQLProblem[]): Problem {
  const { message, extensions } = errors[0] ?? { message: "" };
  if (extensions?.code === "UNAUTHENTICATED") {
    signedOut.set(signedOut.get() + 1);
    return new Problem("signed-out", message);
  }
  return new Problem(KINDS[extensions?.code ?? ""] ?? "failed", message, extensions?.id);
}
