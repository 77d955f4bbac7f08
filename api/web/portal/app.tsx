/** Which screen is shown: who is signed in decides first, then the address. */

import { useEffect, useErrorBoundary } from "preact/hooks";
import { signOut } from "./choices.ts";
import { Problem } from "./client.ts";
import { language, t } from "./i18n.ts";
import { Layout } from "./layout.tsx";
import { seller } from "./page.ts";
import { go, Heading, path } from "./router.tsx";
import { AddFundsScreen } from "./screens/add_funds.tsx";
import { InvoiceScreen } from "./screens/invoice.tsx";
import { InvoicesScreen } from "./screens/invoices.tsx";
import { SignIn } from "./screens/sign_in.tsx";
import { TransactionsScreen } from "./screens/transactions.tsx";
import { VoucherScreen } from "./screens/voucher.tsx";
import { type Account, open, session } from "./session.ts";
import { useStore } from "./store.ts";
import { Button, Empty, Trouble } from "./ui.tsx";

export function App() {
  useStore(language);
  const now = useStore(session);
  const [broken] = useErrorBoundary();
  if (broken) {
    return (
      <main class="waiting">
        <Trouble problem={new Problem("failed")} again={() => location.reload()} />
      </main>
    );
  }
  switch (now.state) {
    case "loading":
      return (
        <main class="waiting" aria-busy="true">
          <span class="spinner" />
          <span class="unseen">{t("loading")}</span>
        </main>
      );
    case "unreachable":
      return (
        <main class="waiting">
          <Trouble problem={now.problem} again={open} />
        </main>
      );
    case "nobody":
      return <SignIn expired={now.expired} />;
    case "not-a-client":
      return (
        <main class="waiting">
          <Empty icon="info" title={t("session.not-a-client", { seller })}>
            <Button onClick={signOut}>{t("session.sign-out")}</Button>
          </Empty>
        </main>
      );
    case "client":
      return (
        <Layout account={now.account} policyUrl={now.policyUrl}>
          <Screen account={now.account} policyUrl={now.policyUrl} />
        </Layout>
      );
  }
}

function Screen({ account, policyUrl }: { account: Account; policyUrl: string }) {
  const at = useStore(path);
  const [, area, place, id, back] = at.split("/");
  useEffect(() => {
    if (at === "/" || at === "/billing") go("/billing/invoices", true);
  }, [at]);
  if (area === "" || (area === "billing" && !place)) return null;
  if (area === "billing") {
    if (place === "invoices" && id) {
      return <InvoiceScreen key={id} id={id} returned={back === "return"} />;
    }
    if (place === "invoices") return <InvoicesScreen />;
    if (place === "add-funds") return <AddFundsScreen account={account} policyUrl={policyUrl} />;
    if (place === "transactions") return <TransactionsScreen />;
    if (place === "voucher") return <VoucherScreen />;
  }
  return <Lost />;
}

function Lost() {
  return (
    <section class="card">
      <Heading title={t("lost.title")}>{t("lost.title")}</Heading>
      <p>{t("lost.text")}</p>
      <Button icon="back" onClick={() => go("/billing/invoices")}>{t("tab.invoices")}</Button>
    </section>
  );
}
