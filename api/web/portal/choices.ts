/** What a client chooses at the portal: the language, the account, and to leave. */

import { ask } from "./client.ts";
import { graphql } from "./graphql.ts";
import { language, remember, speak } from "./i18n.ts";
import { refresh } from "./query.ts";
import { go } from "./router.tsx";
import { end, leave, open, session, speaking } from "./session.ts";

const SET_LOCALE = graphql(`
  mutation SetLocale($input: UpdateAccountInput!) {
    updateAccount(input: $input) { account { id locale } userErrors { code message field } }
  }
`);

const SWITCH = graphql(`
  mutation SwitchAccount($input: SwitchAccountInput!) {
    switchAccount(input: $input) { userErrors { code message field } }
  }
`);

const SIGN_OUT = graphql(`mutation SignOut { signOut { userErrors { code } } }`);

let asked = false;

speaking.begin = async (locale) => {
  if (asked) await keepLanguage();
  else await speak(locale);
  remember(language.get());
};

// Whoever signs in next has not asked for anything.
session.watch(() => {
  if (session.get().state === "nobody") asked = false;
});

/** Another of the person's accounts; a tab that shows the old one follows by itself. */
export async function switchAccount(accountId: string) {
  end();
  await ask(SWITCH, { input: { accountId } }).catch(() => {});
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
