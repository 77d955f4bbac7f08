/** Which screen is shown: who is signed in decides first, then the address. */

import { useEffect, useErrorBoundary } from "preact/hooks";
import { signOut } from "./choices.ts";
import { Problem } from "./client.ts";
import { language, t } from "./i18n.ts";
import { Layout } from "./layout.tsx";
import { seller } from "./page.ts";
import { go, Heading, path } from "./router.tsx";
import { useMay } from "./rights.ts";
import { doorAt } from "./screens/doors.tsx";
import { AddFundsScreen } from "./screens/add_funds.tsx";
import { InvoiceScreen } from "./screens/invoice.tsx";
import { InvoicesScreen } from "./screens/invoices.tsx";
import { PayDueScreen } from "./screens/pay_due.tsx";
import { challenge, SecondStep } from "./screens/second_step.tsx";
import { SettingsScreen } from "./screens/settings.tsx";
import { SignIn } from "./screens/sign_in.tsx";
import { StaffPage } from "./screens/staff.tsx";
import { TransactionsScreen } from "./screens/transactions.tsx";
import { VoucherScreen } from "./screens/voucher.tsx";
import { type Account, open, session } from "./session.ts";
import { useStore } from "./store.ts";
import { Button, Empty, Notice, Trouble } from "./ui.tsx";

export function App() {
  useStore(language);
  const now = useStore(session);
  const Door = doorAt(useStore(path));
  const asked = useStore(challenge);
  const [broken] = useErrorBoundary();
  if (broken) {
    return (
      <main class="waiting">
        <Trouble problem={new Problem("failed")} again={() => location.reload()} />
      </main>
    );
  }
  if (asked && now.state !== "loading") return <SecondStep key={asked.token} challenge={asked} />;
  if (Door && now.state !== "loading" && now.state !== "unreachable") return <Door />;
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
      if (now.role === "STAFF") return <StaffPage />;
      return (
        <main class="waiting">
          <Empty icon="info" title={t("session.not-a-client", { seller })}>
            <Button onClick={signOut}>{t("session.sign-out")}</Button>
          </Empty>
        </main>
      );
    case "client":
      return (
        <Layout account={now.account} viewer={now.viewer} policyUrl={now.policyUrl}>
          <Screen key={now.account.id} account={now.account} policyUrl={now.policyUrl} />
        </Layout>
      );
  }
}

function Screen({ account, policyUrl }: { account: Account; policyUrl: string }) {
  const at = useStore(path);
  const may = useMay("BILLING");
  const [, area, place, id, back] = at.split("/");
  useEffect(() => {
    if (at === "/" || at === "/billing") go("/billing/invoices", true);
  }, [at]);
  if (area === "settings") return <SettingsScreen />;
  if (area === "" || (area === "billing" && !place)) return null;
  if (area === "billing") {
    if (place === "invoices" && id) {
      return <InvoiceScreen key={id} id={id} returned={back === "return"} />;
    }
    if (place === "invoices") return <InvoicesScreen />;
    if (place === "pay" && id) {
      return may ? <PayDueScreen currency={id} /> : <Reserved title="due.title" />;
    }
    if (place === "add-funds" && !may) return <Reserved title="tab.add-funds" />;
    if (place === "voucher" && !may) return <Reserved title="tab.voucher" />;
    if (place === "add-funds") return <AddFundsScreen account={account} policyUrl={policyUrl} />;
    if (place === "transactions") return <TransactionsScreen />;
    if (place === "voucher") return <VoucherScreen />;
  }
  if (area === "settings" && !place) return <SettingsScreen />;
  return <Lost />;
}

/** In the place of what the person's role does not allow: why. */
function Reserved({ title }: { title: "tab.add-funds" | "tab.voucher" | "due.title" }) {
  return (
    <section class="card narrow">
      <Heading title={t(title)}>{t(title)}</Heading>
      <Notice tone="info" title={t("role.viewer-only")} />
    </section>
  );
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
