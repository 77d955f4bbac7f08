/** What is around each element's view: who asks decides first. */

import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { BalanceCard } from "../balance.tsx";
import { language, t } from "../i18n.ts";
import { seller } from "../page.ts";
import { type Account, session } from "../session.ts";
import { useStore } from "../store.ts";
import { Button, Notice, Skeleton, Trouble } from "../ui.tsx";
import { begin, type Embedded } from "./page.ts";
import { dressed } from "./style.ts";

export interface ViewProps {
  element: Embedded;
  account: Account;
  policyUrl: string;
}

export type View = ComponentType<ViewProps>;

export function Shell({ element, view: View }: { element: Embedded; view: View }) {
  const lang = useStore(language);
  const now = useStore(session);
  if (!useStore(dressed)) return null;
  return (
    <div lang={lang}>
      {now.state === "client"
        ? <View element={element} account={now.account} policyUrl={now.policyUrl} />
        : <section class="card">{lang ? <Nobody /> : <Skeleton />}</section>}
    </div>
  );
}

function Nobody() {
  const now = useStore(session);
  switch (now.state) {
    case "nobody":
      return <Expired />;
    case "not-a-client":
      return <Notice tone="warn" title={t("session.not-a-client", { seller })} />;
    case "unreachable":
      return now.problem.kind === "signed-out"
        ? <Expired />
        : <Trouble problem={now.problem} again={begin} />;
    default:
      return <Skeleton />;
  }
}

function Expired() {
  return (
    <Notice tone="warn" title={t("session.expired")} alert>
      <Button icon="refresh" onClick={begin}>{t("problem.again")}</Button>
    </Notice>
  );
}

export function BalanceView({ account }: ViewProps) {
  return <BalanceCard account={account} />;
}

/** A view's heading, where a screen reader goes on after a move within the element. */
export function Head({ moved, children }: { moved: boolean; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (moved) heading.current?.focus();
  }, []);
  return <h2 class="head" ref={heading} tabIndex={-1}>{children}</h2>;
}
