// The client of graphql-ws: queries, subscriptions, resuming, and being refused.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { ADJUST, WATCH, give, show, told, versionsDuring } from "./told.mjs";

const url = told.url.replace(/^http/, "ws");

function connect(connectionParams, more = {}) {
  const closed = [];
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
    on: { closed: (event) => closed.push(event.code) },
    ...more,
  });
  return { client, closed };
}

async function one(client, query, variables) {
  const results = client.iterate({ query, variables });
  return (await results.next()).value;
}

/** What a refused connection is closed with. */
async function refused(connectionParams) {
  const { client, closed } = connect(connectionParams);
  try {
    await one(client, "{ viewer { role } }");
  } catch (event) {
    return event.code ?? String(event);
  }
  return closed;
}

const { client, closed } = connect({ authorization: `Bearer ${told.client}` });
const viewer = await one(client, "{ viewer { role } }");
const wrong = await one(client, ADJUST, {
  input: { accountId: told.accountId, amount: { amount: "1", currency: "USD" }, reason: "x", idempotencyKey: "mine" },
}).catch((errors) => errors);
const before = await versionsDuring(client.iterate({ query: WATCH }), 3);
client.terminate();

const missed = [await give(), await give()];
const again = connect({ apiKey: told.client });
const resumed = [];
for await (const { data } of again.client.iterate({
  query: WATCH,
  variables: { afterVersion: before.at(-1) },
})) {
  resumed.push([data.creditUpdated.balance.version, data.creditUpdated.transaction?.version ?? null]);
  if (resumed.length === 3) break;
}
await again.client.dispose();

let drops = 0;
const retried = connect({ authorization: told.client }, { retryAttempts: 3, retryWait: async () => {} });
const unlucky = retried.client.iterate({ query: WATCH });
const first = (await unlucky.next()).value.data.creditUpdated.balance.version;
drops += 1;
retried.client.terminate();
const second = (await unlucky.next()).value.data.creditUpdated.balance.version;
await unlucky.return();
await retried.client.dispose();

show({
  viewer,
  wrong,
  before,
  missed,
  resumed,
  reconnected: [first, second, drops],
  closed,
  bad: await refused({ authorization: "Bearer nonsense" }),
  odd: await refused({ authorization: 5 }),
});
