/** Who is signed in, and their credit as it stands. */

import { ask, type Problem, signedOut } from "./client.ts";
import { graphql, type ResultOf } from "./graphql.ts";
import { language, remember, speak } from "./i18n.ts";
import { hangUp, listen } from "./live.ts";
import { forget, refresh } from "./query.ts";
import { go } from "./router.tsx";
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

const SET_LOCALE = graphql(`
  mutation SetLocale($input: UpdateAccountInput!) {
    updateAccount(input: $input) { account { id locale } userErrors { code message field } }
  }
`);

const SIGN_OUT = graphql(`mutation SignOut { signOut { userErrors { code } } }`);

const SWITCH = graphql(`
  mutation SwitchAccount($input: SwitchAccountInput!) {
    switchAccount(input: $input) { userErrors { code message field } }
  }
`);

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

let stop = () => {};
let asked = false;

/** Find out who is signed in, and begin to listen. */
export async function open() {
  try {
    const { viewer, creditPolicy } = await ask(VIEWER, {});
    if (!viewer) return leave(session.get().state === "client");
    if (!viewer.account) return session.set({ state: "not-a-client", role: viewer.role });
    const { account } = viewer;
    if (asked) await keepLanguage();
    else await speak(account.locale);
    remember(language.get());
    balance.set(account.balance);
    const was = session.get();
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

function leave(expired: boolean) {
  stop();
  hangUp();
  forget();
  balance.set(null);
  change.set(null);
  asked = false;
  session.set({ state: "nobody", expired });
}

// What was open is closed as well where the account or the person's role has changed.
signedOut.watch(() => {
  if (session.get().state !== "client") return;
  stop();
  hangUp();
  open();
});

/** Another of the person's accounts; a tab that shows the old one follows by itself. */
export async function switchAccount(accountId: string) {
  stop();
  hangUp();
  await ask(SWITCH, { input: { accountId } }).catch(() => {});
  forget();
  balance.set(null);
  change.set(null);
  asked = false;
  go("/billing/invoices");
  await open();
}

export async function signOut() {
  await ask(SIGN_OUT, {}).catch(() => {});
  leave(false);
}

/** The person has chosen a language: from now on invoices and messages speak it as well. */
export async function chooseLanguage(tag: string) {
  await speak(tag);
  remember(tag);
  asked = true;
  if (session.get().state === "client") await keepLanguage();
}

async function keepLanguage() {
  const now = session.get();
  if (now.state === "client" && now.viewer.memberRole !== "OWNER") return;
  const input = { locale: language.get(), idempotencyKey: `locale-${Date.now()}` };
  await ask(SET_LOCALE, { input }).then(refresh, () => {});
}
