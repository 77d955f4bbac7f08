// A partner's receiver, with npm's standardwebhooks.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";
import { give, show, told } from "./told.mjs";

const FIELDS = {
  createWebhookEndpoint: "secret endpoint { id }",
  rotateWebhookSecret: "secret",
};

async function ask(query, variables) {
  const response = await fetch(told.url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${told.partner}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

async function mutate(name, input) {
  const type = `${name[0].toUpperCase()}${name.slice(1)}Input!`;
  const query = `mutation ($input: ${type}) {
    ${name}(input: $input) { ${FIELDS[name]} userErrors { code message field } }
  }`;
  const idempotencyKey = `${told.run}-${name}-${Date.now()}`;
  const payload = (await ask(query, { input: { ...input, idempotencyKey } }))[name];
  if (payload.userErrors.length) throw new Error(JSON.stringify(payload.userErrors));
  return payload;
}

// What has been posted, and who waits for the next of it; the first is answered with 500.
const messages = [];
let arrived = () => {};
const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  messages.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
  response.writeHead(messages.length === 1 ? 500 : 204).end();
  arrived();
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

async function message(number) {
  while (messages.length <= number) {
    await new Promise((next) => (arrived = next));
  }
  const { headers, body } = messages[number];
  return { headers, body, id: headers["webhook-id"], timestamp: headers["webhook-timestamp"] };
}

function verifies(secret, { headers, body }) {
  return Boolean(new Webhook(secret).verify(body, headers));
}

const created = await mutate("createWebhookEndpoint", {
  url: `http://127.0.0.1:${server.address().port}/in?a=b`,
  events: ["credit.*"],
});
await give();
const first = await message(0);
const event = new Webhook(created.secret).verify(first.body, first.headers);
const refused = [];
for (const [what, secret, body] of [
  ["another secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", first.body],
  ["another body", created.secret, `${first.body} `],
]) {
  try {
    new Webhook(secret).verify(body, first.headers);
  } catch {
    refused.push(what);
  }
}
const again = await message(1);
verifies(created.secret, again);

const rotated = await mutate("rotateWebhookSecret", { endpointId: created.endpoint.id });
await give();
const later = await message(2);
const look = `query ($id: ID!) {
  node(id: $id) {
    ... on WebhookEndpoint { deliveries { edges { node { state event { id } } } } }
  }
}`;
let states = [];
while (states.length < 2 || states.includes("PENDING")) {
  const { node } = await ask(look, { id: created.endpoint.id });
  states = node.deliveries.edges.map((edge) => edge.node.state);
}
show({
  first: { id: first.id, body: first.body, timestamp: first.timestamp, event },
  again: { id: again.id, body: again.body, timestamp: again.timestamp },
  refused,
  secrets: [verifies(created.secret, later), verifies(rotated.secret, later)],
  signatures: [first, later].map((one) => one.headers["webhook-signature"].split(" ").length),
  states,
});
server.close();
server.closeAllConnections();
