/** Who is signed in, and their credit as it stands. */

import { backend } from "./backend.ts";
import { ask, type Problem, signedOut } from "./client.ts";
import { graphql, type ResultOf } from "./graphql.ts";
import { speak } from "./i18n.ts";
import { hangUp, listen } from "./live.ts";
import { forget, refresh } from "./query.ts";
import { store } from "./store.ts";

const BALANCE = graphql(`
  fragment BalanceFields on Balance {
    id currency version updatedAt spendingFrozen
    available { amount currency }
    reserved { amount currency }
    pending { amount currency }
    promotional { amount currency }
    debt { amount currency }
    nextExpiry { expiresAt amount { amount currency } }
  }
`);

const VIEWER = graphql(
  `
  query Viewer {
    viewer {
      role memberRole email
      accounts { id name }
      account {
        id name email locale currency
        balance { ...BalanceFields }
        balances { id currency available { amount currency } debt { amount currency } }
      }
    }
    creditPolicy { url }
  }
`,
  [BALANCE],
);

const CREDIT = graphql(
  `
  subscription Credit($after: Int) {
    creditUpdated(afterVersion: $after) {
      balance { ...BalanceFields }
      transaction { id kind amount { amount currency } }
    }
  }
`,
  [BALANCE],
);

export type Viewer = NonNullable<ResultOf<typeof VIEWER>["viewer"]>;
export type Account = NonNullable<Viewer["account"]>;
export type Balance = Account["balance"];

export type Session =
  | { state: "loading" }
  | { state: "unreachable"; problem: Problem }
  | { state: "nobody"; expired: boolean }
  | { state: "not-a-client"; role: string }
  | { state: "client"; account: Account; viewer: Viewer; policyUrl: string };

export const session = store<Session>({ state: "loading" });

/** Available Credit: what the subscription said last. Never a guess. */
export const balance = store<Balance | null>(null);

/** The last change that came while somebody watched. */
export const change = store<{ id: string; amount: { amount: string; currency: string } } | null>(
  null,
);

/** The language of a client who has just been recognised. */
export const speaking = { begin: (locale: string) => speak(backend.locale || locale) };

let stop = () => {};

/** Find out who is signed in, and begin to listen. */
export async function open() {
  try {
    const { viewer, creditPolicy } = await ask(VIEWER, {});
    const was = session.get();
    // Who has been told that their session ended goes on being told, when that is found out twice.
    if (!viewer) return was.state === "nobody" || leave(was.state === "client");
    if (!viewer.account) return session.set({ state: "not-a-client", role: viewer.role });
    const { account } = viewer;
    await speaking.begin(account.locale);
    balance.set(account.balance);
    if (was.state === "client" && was.account.id !== account.id) forget();
    session.set({ state: "client", account, viewer, policyUrl: creditPolicy.url });
    follow();
  } catch (problem) {
    session.set({ state: "unreachable", problem: problem as Problem });
  }
}

/** Each change once: after a lost connection it goes on from the version that was seen last. */
function follow() {
  stop();
  let first = true;
  let goesOn = true;
  stop = listen(
    CREDIT,
    () => ({ after: goesOn ? balance.get()?.version : null }),
    ({ creditUpdated: { balance: now, transaction } }) => {
      goesOn = true;
      balance.set(now);
      if (transaction) change.set(transaction);
      // The first message is what the screens have just asked for themselves.
      if (!first) refresh();
      first = false;
    },
    // A database that was restored from a copy has not come to that version yet.
    () => goesOn = false,
  );
}

/** Stop listening, and forget what was shown. */
export function end() {
  stop();
  hangUp();
  forget();
  balance.set(null);
  change.set(null);
  session.set({ state: "loading" });
}

export function leave(expired: boolean) {
  end();
  session.set({ state: "nobody", expired });
}

// What was open is closed as well where the account or the person's role has changed.
signedOut.watch(() => {
  if (session.get().state !== "client") return;
  stop();
  hangUp();
  open();
});
