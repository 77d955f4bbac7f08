/** Available Credit, live. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { date, type Money, money, t } from "./i18n.ts";
import { connection } from "./live.ts";
import { isZero } from "./minor.ts";
import { type Account, balance, change } from "./session.ts";
import { useStore } from "./store.ts";
import { Amount, Notice, Skeleton } from "./ui.tsx";

export function BalanceCard({ account, children }: {
  account: Account;
  /** What can be done about it. */
  children?: ComponentChildren;
}) {
  const now = useStore(balance);
  if (!now) {
    return (
      <section class="credit">
        <Skeleton lines={2} />
      </section>
    );
  }
  const others = account.balances.filter((one) => one.currency !== now.currency);
  const debts = [now, ...others].filter((one) => !isZero(one.debt));
  return (
    <section class="credit" aria-labelledby="credit">
      <div class="figure">
        <h2 id="credit">
          {t("credit.available")}
          <Connection />
        </h2>
        <p class="available">
          <Amount of={now.available} />
          <LastChange />
        </p>
        <Announce text={t("credit.now", { amount: money(now.available) })} />
      </div>
      {children && <div class="actions">{children}</div>}
      <dl class="details">
        <Part name={t("credit.promotional")} of={now.promotional}>
          {!isZero(now.promotional) && (
            <small>
              {now.nextExpiry
                ? t("credit.expires", {
                  amount: money(now.nextExpiry.amount),
                  date: date(now.nextExpiry.expiresAt),
                })
                : t("credit.promotional.what")}
            </small>
          )}
        </Part>
        <Part name={t("credit.reserved")} of={now.reserved} />
        <Part name={t("credit.pending")} of={now.pending} />
        {others.filter((one) => !isZero(one.available)).map((one) => (
          <Part key={one.id} name={t("credit.also")} of={one.available} />
        ))}
      </dl>
      {debts.map(({ id, debt }) => (
        <Notice key={id} tone="bad" title={t("credit.debt", { amount: money(debt) })}>
          <p>{t("credit.debt.what", { currency: debt.currency })}</p>
        </Notice>
      ))}
      {now.spendingFrozen && isZero(now.debt) && <Notice tone="warn" title={t("credit.frozen")} />}
    </section>
  );
}

function Part({ name, of, children }: {
  name: string;
  of: Money;
  children?: ComponentChildren;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Amount of={of} />
        {children}
      </dd>
    </div>
  );
}

function Connection() {
  const now = useStore(connection);
  return (
    <span class={`link ${now}`} role="status">
      <span class="dot" aria-hidden="true" />
      {t(`connection.${now}`)}
    </span>
  );
}

/** What came or went while somebody watched, for a moment. */
function LastChange() {
  const last = useStore(change);
  if (!last) return null;
  const down = last.amount.amount.startsWith("-");
  return (
    <span key={last.id} class={`delta ${down ? "down" : "up"}`} aria-hidden="true">
      <Amount of={last.amount} signed />
    </span>
  );
}

/** Tells a screen reader of a change, and never of the first value. */
function Announce({ text }: { text: string }) {
  const first = useRef(text);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (text !== first.current) setSaid(text);
  }, [text]);
  return <p class="unseen" aria-live="polite">{said}</p>;
}
