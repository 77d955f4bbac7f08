/** Doing something once, however often its request must be sent. */

import { useRef, useState } from "preact/hooks";
import { ask, Problem } from "./client.ts";
import type { Document } from "./graphql.ts";

const WAITS_MS = [400, 1200, 3000];

export interface UserError {
  code: string;
  message: string;
  field: string[] | null;
}

export interface Payload {
  userErrors: UserError[];
}

export interface Action<P, I> {
  busy: boolean;
  /** Refusals by the field that they are about; `""` has those about none. */
  errors: Record<string, string>;
  problem?: Problem;
  /** The payload where it was done; undefined where it was refused or nobody answered. */
  run(input: Omit<I, "idempotencyKey">): Promise<P | undefined>;
}

/** What stands between a mutation and its answer; undefined where the person wants neither. */
export type Through = <P extends Payload>(send: () => Promise<P>) => Promise<P | undefined>;

interface State {
  busy: boolean;
  errors: Record<string, string>;
  problem?: Problem;
}

/**
 * A mutation behind a button. A click has one idempotency key, and keeps it until an answer came:
 * who presses again after a lost connection repeats the same request and does nothing twice.
 * A mutation that is not `keyed` may be repeated as it is; one that may ask for a proof of who it is
 * goes `through` that of `useProof`.
 */
export function useAction<P extends Payload, I extends object>(
  document: Document<{ [name: string]: P }, { input: I }>,
  { keyed = true, through = plainly as Through } = {},
): Action<P, I> {
  const click = useRef({ input: "", key: "" });
  const [state, setState] = useState<State>({ busy: false, errors: {} });

  const send = async (given: Omit<I, "idempotencyKey">) => {
    const asked = JSON.stringify(given);
    if (click.current.input !== asked || !click.current.key) {
      click.current = { input: asked, key: newKey() };
    }
    const key = keyed && { idempotencyKey: click.current.key };
    const payload = await persist(document, { ...given, ...key } as never);
    click.current.key = "";
    return payload;
  };
  const run = async (given: Omit<I, "idempotencyKey">) => {
    setState({ busy: true, errors: {} });
    try {
      const payload = await through(() => send(given));
      const refused = payload?.userErrors ?? [];
      setState({ busy: false, errors: byField(refused) });
      return refused.length ? undefined : payload;
    } catch (problem) {
      setState({ busy: false, errors: {}, problem: problem as Problem });
    }
  };
  return { ...state, run };
}

const plainly = <P>(send: () => Promise<P>) => send();

/** Send it again with the same key while nobody can answer, or another copy is being worked on. */
async function persist<P extends Payload, I>(
  document: Document<{ [name: string]: P }, { input: I }>,
  input: I,
): Promise<P> {
  for (let tried = 0;; tried++) {
    const last = tried === WAITS_MS.length;
    try {
      const payload = Object.values(await ask(document, { input }))[0] as P;
      const busy = payload.userErrors.some((error) => error.code === "IDEMPOTENCY_IN_FLIGHT");
      if (!busy || last) return payload;
    } catch (problem) {
      if (last || !["unreachable", "busy"].includes((problem as Problem).kind)) throw problem;
    }
    await new Promise((resolve) => setTimeout(resolve, WAITS_MS[tried]));
  }
}

export function byField(errors: UserError[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { field, message } of errors) {
    const at = field?.join(".") ?? "";
    found[at] = [found[at], message].filter(Boolean).join(" ");
  }
  return found;
}

/** `crypto.randomUUID` is not there on a page without TLS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
