// What each script is told on standard input: the server, the people, and the documents.
import { readFileSync } from "node:fs";

export const told = JSON.parse(readFileSync(0, "utf8"));

export const WATCH = `subscription ($afterVersion: Int) {
  creditUpdated(afterVersion: $afterVersion) {
    balance { version available { amount } } transaction { version }
  }
}`;
export const ADJUST = `mutation ($input: AdjustCreditInput!) {
  adjustCredit(input: $input) { balance { version } userErrors { code } }
}`;

let clicks = 0;

/** Staff give the client a unit of credit; the version that this makes. */
export async function give() {
  const input = {
    accountId: told.accountId,
    amount: { amount: "1.00", currency: "USD" },
    reason: "a gift",
    idempotencyKey: `${told.run}-${clicks++}`,
  };
  const response = await fetch(told.url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${told.staff}` },
    body: JSON.stringify({ query: ADJUST, variables: { input } }),
  });
  const { data } = await response.json();
  return data.adjustCredit.balance.version;
}

/** The versions that a subscription pushes while `count` gifts are made, from `afterVersion` on. */
export async function versionsDuring(updates, count) {
  const seen = [];
  for (let given = 0; ; given++) {
    const { value, done } = await updates.next();
    if (done) throw new Error("the stream has ended");
    if (value.errors) throw new Error(JSON.stringify(value.errors));
    seen.push(value.data.creditUpdated.balance.version);
    if (given === count) return seen;
    await give();
  }
}

export function show(answer) {
  console.log(JSON.stringify(answer));
}
