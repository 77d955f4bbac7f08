/** Available Credit, live. */

import { useEffect, useRef, useState } from "preact/hooks";
import { date, money, t } from "./i18n.ts";
import { connection } from "./live.ts";
import { isZero } from "./minor.ts";
import { useMay } from "./rights.ts";
import { go } from "./router.tsx";
import { type Account, balance, change } from "./session.ts";
import { useStore } from "./store.ts";
import { Amount, Button, Notice, Skeleton } from "./ui.tsx";

export function BalanceCard({ account }: { account: Account }) {
  const now = useStore(balance);
  const may = useMay("BILLING");
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
      {may && (
        <div class="actions">
          <Button kind="primary" icon="plus" onClick={() => go("/billing/add-funds")}>
            {t("tab.add-funds")}
          </Button>
          <Button icon="gift" onClick={() => go("/billing/voucher")}>{t("tab.voucher")}</Button>
        </div>
      )}
      <dl class="details">
        <div>
          <dt>{t("credit.promotional")}</dt>
          <dd>
            <Amount of={now.promotional} />
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
          </dd>
        </div>
        <div>
          <dt>{t("credit.reserved")}</dt>
          <dd>
            <Amount of={now.reserved} />
          </dd>
        </div>
        <div>
          <dt>{t("credit.pending")}</dt>
          <dd>
            <Amount of={now.pending} />
          </dd>
        </div>
        {others.filter((one) => !isZero(one.available)).map((one) => (
          <div key={one.id}>
            <dt>{t("credit.also")}</dt>
            <dd>
              <Amount of={one.available} />
            </dd>
          </div>
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
