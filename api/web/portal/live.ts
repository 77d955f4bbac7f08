/** Subscriptions over one websocket that comes back by itself. */

import { type Client, createClient } from "graphql-ws";
import { Problem, type ProblemKind, problemOf, signedOut } from "./client.ts";
import type { Document } from "./graphql.ts";
import { store } from "./store.ts";

const PING_MS = 15_000;
const PONG_MS = 6_000;
const WAIT_MS_MAX = 20_000;
const AGAIN_MS = 5_000;
/** Listening again would not help. */
const FINAL: ProblemKind[] = ["signed-out", "not-found"];

export type Connection = "connecting" | "live" | "reconnecting" | "offline";

/** How the connection is, for people. */
export const connection = store<Connection>("connecting");

let client: Client | undefined;
let pongDue = 0;

/**
 * Listen until what is returned is called. `variables` is asked before every connection, so that a
 * subscription can go on from what it has seen. What fails on the server's side is tried again;
 * `failed` hears of it.
 */
export function listen<D, V extends object>(
  document: Document<D, V>,
  variables: () => V,
  heard: (data: D) => void,
  failed: (problem: Problem) => void,
): () => void {
  const payload = {
    query: document as unknown as string,
    get variables() {
      return variables() as Record<string, unknown>;
    },
  };
  let timer: number | undefined;
  let end = () => {};
  const fail = (problem: Problem) => {
    failed(problem);
    if (!FINAL.includes(problem.kind)) timer = setTimeout(start, AGAIN_MS);
  };
  function start() {
    client ??= connect();
    end = client.subscribe<D>(payload, {
      next: ({ data, errors }) => errors ? failed(problemOf(errors as never)) : data && heard(data),
      error: (error) =>
        fail(Array.isArray(error) ? problemOf(error as never) : new Problem("unreachable")),
      complete: () => {},
    });
  }
  start();
  return () => {
    clearTimeout(timer);
    end();
  };
}

/** End the socket: the next subscription opens one as whoever is signed in then. */
export function hangUp() {
  client?.dispose();
  client = undefined;
  connection.set("connecting");
}

function connect(): Client {
  const made = createClient({
    url: `${location.origin.replace("http", "ws")}/graphql`,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: (tries) => soon(Math.min(400 * 2 ** tries, WAIT_MS_MAX) * (0.7 + Math.random())),
    keepAlive: PING_MS,
    on: {
      connected: () => connection.set("live"),
      // 4403: the session that opened it is over.
      closed: (event) => client === made && lost((event as CloseEvent).code === 4403),
      ping: (received) => {
        if (!received) pongDue = setTimeout(() => made.terminate(), PONG_MS);
      },
      pong: (received) => received && clearTimeout(pongDue),
    },
  });
  return made;
}

function lost(ended: boolean) {
  clearTimeout(pongDue);
  connection.set(navigator.onLine ? "reconnecting" : "offline");
  if (ended) signedOut.set(signedOut.get() + 1);
}

/** After so long, or when the network is back. */
function soon(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    }
  });
}

addEventListener("offline", () => {
  connection.set("offline");
  client?.terminate();
});
addEventListener("online", () => {
  if (connection.get() === "offline") connection.set("reconnecting");
});
