/** What is around every screen: menu, Available Credit, tabs. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { BalanceCard } from "./balance.tsx";
import { chooseLanguage, signOut, switchAccount } from "./choices.ts";
import { languages, logo, seller } from "./page.ts";
import { language, t } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { useMay } from "./rights.ts";
import { go, Link, path } from "./router.tsx";
import type { Account, Viewer } from "./session.ts";
import { useStore } from "./store.ts";
import { type Theme, theme, THEMES } from "./theme.ts";
import { Button } from "./ui.tsx";

/** Each with the least that somebody must be for it. */
const TABS = [
  ["invoices", "tab.invoices", "VIEWER"],
  ["add-funds", "tab.add-funds", "BILLING"],
  ["transactions", "tab.transactions", "VIEWER"],
  ["voucher", "tab.voucher", "BILLING"],
] as const;

export function Layout({ account, viewer, policyUrl, children }: {
  account: Account;
  viewer: Viewer;
  policyUrl: string;
  children: ComponentChildren;
}) {
  const drawer = useRef<HTMLDialogElement>(null);
  // Where there is something to do, a phone's screen belongs to that.
  const at = useStore(path);
  const compact = !/^\/billing\/(invoices|transactions)?$/.test(at);
  const isBilling = at.startsWith("/billing");
  const may = useMay("BILLING");
  const menu = (
    <Menu
      account={account}
      viewer={viewer}
      policyUrl={policyUrl}
      onGo={() => drawer.current?.close()}
    />
  );
  return (
    <div class="frame">
      <a class="skip" href="#main">{t("skip")}</a>
      <header class="bar">
        <button
          type="button"
          class="bare"
          aria-label={t("menu.open")}
          onClick={() => drawer.current?.showModal()}
        >
          <Icon name="menu" />
        </button>
        <Brand />
      </header>
      <dialog
        class="drawer"
        ref={drawer}
        aria-label={t("menu")}
        onClick={(event) => event.target === drawer.current && drawer.current?.close()}
      >
        <button
          type="button"
          class="bare close"
          aria-label={t("menu.close")}
          onClick={() => drawer.current?.close()}
        >
          <Icon name="close" />
        </button>
        {menu}
      </dialog>
      <aside class="side">{menu}</aside>
      <main id="main" tabIndex={-1} class={compact ? "compact" : undefined}>
        {isBilling && (
          <BalanceCard account={account}>
            {may && (
              <>
                <AddFundsButton />
                <Button icon="gift" onClick={() => go("/billing/voucher")}>
                  {t("tab.voucher")}
                </Button>
              </>
            )}
          </BalanceCard>
        )}
        {isBilling && <Tabs />}
        {children}
      </main>
    </div>
  );
}

export function AddFundsButton() {
  return (
    <Button kind="primary" icon="plus" onClick={() => go("/billing/add-funds")}>
      {t("tab.add-funds")}
    </Button>
  );
}

export function Brand() {
  return (
    <span class="brand">
      {logo ? <img src={logo} alt={seller} /> : (
        <>
          <span class="mark" aria-hidden="true">{seller.slice(0, 1)}</span>
          {seller}
        </>
      )}
    </span>
  );
}

function Menu(
  { account, viewer, policyUrl, onGo }: {
    account: Account;
    viewer: Viewer;
    policyUrl: string;
    onGo: () => void;
  },
) {
  const isSettings = useStore(path).startsWith("/settings");
  return (
    <>
      <Brand />
      <nav aria-label={t("menu")}>
        <Link to="/billing/invoices" current={!isSettings} onGo={onGo}>
          <Icon name="wallet" />
          {t("menu.billing")}
        </Link>
        <Link to="/settings" current={isSettings} onGo={onGo}>
          <Icon name="settings" />
          {t("menu.settings")}
        </Link>
        <a href={policyUrl} target="_blank" rel="noopener">
          <Icon name="info" />
          {t("menu.policy")}
        </a>
      </nav>
      <div class="foot">
        <p class="who">
          <span class="mark round" aria-hidden="true">{account.name.slice(0, 1)}</span>
          <span>
            <strong>{account.name}</strong>
            <small>{viewer.email ?? account.email}</small>
          </span>
        </p>
        <Accounts account={account} viewer={viewer} onGo={onGo} />
        <Preferences />
        <button type="button" class="button quiet wide" onClick={signOut}>
          <Icon name="out" />
          <span>{t("session.sign-out")}</span>
        </button>
      </div>
    </>
  );
}

/** Another account, for whoever has several. */
function Accounts(
  { account, viewer, onGo }: { account: Account; viewer: Viewer; onGo: () => void },
) {
  if (viewer.accounts.length < 2) return null;
  const change = (accountId: string) => {
    onGo();
    switchAccount(accountId);
  };
  return (
    <label class="accounts">
      <span>{t("menu.account")}</span>
      <select value={account.id} onChange={(event) => change(event.currentTarget.value)}>
        {viewer.accounts.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
      </select>
    </label>
  );
}

export function Preferences() {
  const shown = useStore(theme);
  const spoken = useStore(language);
  return (
    <div class="preferences">
      <label>
        <span>{t("language")}</span>
        <select value={spoken} onChange={(event) => chooseLanguage(event.currentTarget.value)}>
          {Object.entries(languages).map(([tag, { name }]) => (
            <option key={tag} value={tag} lang={tag}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        <span>{t("theme")}</span>
        <select value={shown} onChange={(event) => theme.set(event.currentTarget.value as Theme)}>
          {THEMES.map((one) => <option key={one} value={one}>{t(`theme.${one}`)}</option>)}
        </select>
      </label>
    </div>
  );
}

function Tabs() {
  const at = useStore(path);
  const may = { VIEWER: true, BILLING: useMay("BILLING") };
  const tabs = useRef<HTMLElement>(null);
  const [, , here] = at.split("/");
  const tab = here === "pay" ? "invoices" : here;
  useEffect(() => {
    // A phone shows two or three of them.
    const current = tabs.current?.querySelector<HTMLElement>("[aria-current]");
    tabs.current?.scrollTo({ left: (current?.offsetLeft ?? 0) - 48 });
  }, [at]);
  return (
    <nav ref={tabs} class="tabs" aria-label={t("menu.billing")}>
      {TABS.filter(([, , least]) => may[least]).map(([place, name]) => (
        <Link key={place} to={`/billing/${place}`} current={tab === place}>
          {t(name)}
        </Link>
      ))}
    </nav>
  );
}
