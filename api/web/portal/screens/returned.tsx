/** Back from the gateway: says what is being waited for, and changes by itself. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ask } from "../client.ts";
import { money, t } from "../i18n.ts";
import { balance } from "../session.ts";
import { useStore } from "../store.ts";
import { Notice } from "../ui.tsx";
import type { Invoice } from "./live_invoice.ts";
import { RECHECK } from "./next_step.tsx";

export function Returned({ invoice, children }: {
  invoice: Invoice;
  /** Where to go on when it is paid. */
  children?: ComponentChildren;
}) {
  const credit = useStore(balance);
  const latest = invoice.payments.at(-1);
  const waits = invoice.status !== "PAID" && latest !== undefined && isOpen(latest.status);
  useEffect(() => {
    // The gateway's message may be slower than the browser.
    if (waits) ask(RECHECK, { input: { paymentId: latest.id } }).catch(() => {});
  }, [latest?.id]);
  if (invoice.status === "PAID") {
    return (
      <Notice
        tone="good"
        title={t(latest && latest.invoiceCount > 1 ? "returned.paid.several" : "returned.paid", {
          number: invoice.number,
        })}
        alert
      >
        {credit && <p>{t("credit.now", { amount: money(credit.available) })}</p>}
        {children}
      </Notice>
    );
  }
  if (!waits) {
    return (
      <Notice tone="bad" title={t("returned.failed")} alert>
        <p>{latest?.failureMessage ?? invoice.diagnosis.explanation}</p>
      </Notice>
    );
  }
  return (
    <div class="notice info" role="status">
      <span class="spinner" />
      <div>
        <p class="title">{t("returned.waiting", { gateway: latest.gateway?.name ?? "" })}</p>
        <p>{t("returned.stay")}</p>
      </div>
    </div>
  );
}

export const isOpen = (status: string) =>
  ["CREATED", "REQUIRES_ACTION", "PROCESSING"].includes(status);
