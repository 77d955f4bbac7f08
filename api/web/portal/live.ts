/**
 * Subscriptions over one websocket that comes back by itself.
 * After https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
 */

import { backend, renewed } from "./backend.ts";
import {
  authorized,
  isRefused,
  type Problem,
  type ProblemKind,
  problemOf,
  signedOut,
} from "./client.ts";
import type { Document } from "./graphql.ts";
import { store } from "./store.ts";

const PING_MS = 15_000;
const PONG_MS = 6_000;
const WAIT_MS_MAX = 20_000;
const AGAIN_MS = 5_000;
/** A close code: who opened it is not signed in, or not any more. */
const FORBIDDEN = 4403;
/** Listening again would not help. */
const FINAL: ProblemKind[] = ["signed-out", "not-found"];

export type Connection = "connecting" | "live" | "reconnecting" | "offline";

/** How the connection is, for people. */
export const connection = store<Connection>("connecting");

interface Subscription {
  subscribe(): void;
  // deno-lint-ignore no-explicit-any -- a message of the protocol
  hear(type: string, payload: any): void;
}

const subscriptions = new Map<string, Subscription>();
let count = 0;
let socket: WebSocket | undefined;
/** The token that the socket was opened with. */
let token = "";
let acknowledged = false;
let waiting = false;
let tries = 0;
let refusals = 0;
let pings: number | undefined;
let pongDue: number | undefined;

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
  let id = "";
  let timer: number | undefined;
  const fail = (problem: Problem) => {
    failed(problem);
    if (!FINAL.includes(problem.kind)) timer = setTimeout(start, AGAIN_MS);
  };
  const subscription: Subscription = {
    subscribe: () =>
      send("subscribe", { id, payload: { query: document, variables: variables() } }),
    hear(type, payload) {
      const errors = type === "error" ? payload : payload?.errors;
      // Another token may go on from here.
      if (token && isRefused(errors)) return lost(FORBIDDEN);
      if (type !== "next") subscriptions.delete(id);
      if (type === "error") fail(problemOf(errors));
      else if (errors) failed(problemOf(errors));
      else if (payload?.data) heard(payload.data);
    },
  };
  function start() {
    id = `${++count}`;
    subscriptions.set(id, subscription);
    if (acknowledged) subscription.subscribe();
    else open();
  }
  start();
  return () => {
    clearTimeout(timer);
    if (subscriptions.delete(id) && acknowledged) send("complete", { id });
  };
}

/** End the socket: the next subscription opens one as whoever is signed in then. */
export function hangUp() {
  subscriptions.clear();
  drop();
  waiting = false;
  connection.set("connecting");
}

function open() {
  if (socket || waiting || !subscriptions.size) return;
  const made = new WebSocket(`${backend.origin.replace("http", "ws")}/graphql`, [
    "graphql-transport-ws",
  ]);
  socket = made;
  token = backend.token;
  made.onopen = () => made === socket && send("connection_init", { payload: authorized() || {} });
  made.onmessage = ({ data }) => made === socket && receive(JSON.parse(data));
  made.onclose = ({ code }) => made === socket && lost(code);
}

function send(type: string, message: object = {}) {
  socket?.send(JSON.stringify({ type, ...message }));
}

function receive({ type, id, payload }: { type: string; id: string; payload: unknown }) {
  if (type === "connection_ack") acknowledged || begin();
  else if (type === "ping") send("pong");
  else if (type === "pong") clearTimeout(pongDue);
  else subscriptions.get(id)?.hear(type, payload);
}

function begin() {
  acknowledged = true;
  tries = refusals = 0;
  connection.set("live");
  pings = setInterval(() => {
    send("ping");
    pongDue = setTimeout(lost, PONG_MS);
  }, PING_MS);
  for (const one of subscriptions.values()) one.subscribe();
}

async function lost(code?: number) {
  drop();
  connection.set(navigator.onLine ? "reconnecting" : "offline");
  // One more token may be as bad as the first; a third is not asked for.
  if (code === FORBIDDEN && (refusals++ || !await renewed(token))) {
    refusals = 0;
    return signedOut.set(signedOut.get() + 1);
  }
  if (waiting) return;
  waiting = true;
  await soon(Math.min(400 * 2 ** tries++, WAIT_MS_MAX) * (0.7 + Math.random()));
  waiting = false;
  open();
}

function drop() {
  const dropped = socket;
  socket = undefined;
  acknowledged = false;
  clearInterval(pings);
  clearTimeout(pongDue);
  dropped?.close();
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
  if (socket) lost();
});
addEventListener("online", () => {
  if (connection.get() === "offline") connection.set("reconnecting");
});
