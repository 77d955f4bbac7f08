// The client of graphql-sse: the same over server-sent events.
import { createClient } from "graphql-sse";
import { WATCH, give, show, told, versionsDuring } from "./told.mjs";

function connect(token) {
  return createClient({
    url: told.url,
    headers: token ? { authorization: `Bearer ${token}` } : {},
    retryAttempts: 0,
  });
}

async function refused(token, query) {
  try {
    const { value } = await connect(token).iterate({ query }).next();
    return value.errors[0].extensions.code;
  } catch (error) {
    return error.response?.status ?? String(error);
  }
}

const client = connect(told.client);
const viewer = (await client.iterate({ query: "{ viewer { role } }" }).next()).value;
const updates = client.iterate({ query: WATCH });
const before = await versionsDuring(updates, 3);
await updates.return();

const missed = [await give(), await give()];
const resumed = [];
for await (const { data } of client.iterate({
  query: WATCH,
  variables: { afterVersion: before.at(-1) },
})) {
  resumed.push([data.creditUpdated.balance.version, data.creditUpdated.transaction?.version ?? null]);
  if (resumed.length === 3) break;
}
client.dispose();

show({
  viewer,
  before,
  missed,
  resumed,
  bad: await refused("nonsense", "{ viewer { role } }"),
  nobody: await refused("", WATCH),
  unknown: await refused(told.client, "{ nothing }"),
});
