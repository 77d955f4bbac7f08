/** What an open payment waits for, and what can be done meanwhile. */

import { useEffect, useRef, useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { confirmCard } from "../card.ts";
import { graphql } from "../graphql.ts";
import { money, t } from "../i18n.ts";
import { Button, Copy, Notice, Refused, When } from "../ui.tsx";
import type { Action, Invoice, Payment } from "./invoice.tsx";

export const RECHECK = graphql(`
  mutation Recheck($input: RecheckPaymentInput!) {
    recheckPayment(input: $input) { payment { id status } userErrors { code message field } }
  }
`);

const CANCEL = graphql(`
  mutation CancelPayment($input: CancelPaymentInput!) {
    cancelPayment(input: $input) { payment { id status } userErrors { code message field } }
  }
`);

export function NextStep({ invoice, payment, look }: {
  invoice: Invoice;
  payment: Payment;
  look: () => void;
}) {
  const recheck = useAction(RECHECK, { keyed: false });
  const cancel = useAction(CANCEL);
  const [checked, setChecked] = useState(false);
  const check = async () => {
    setChecked(false);
    if (!await recheck.run({ paymentId: payment.id })) return;
    setChecked(true);
    look();
  };
  const give = async () => {
    if (await cancel.run({ paymentId: payment.id })) look();
  };
  return (
    <div class="next">
      {payment.nextAction && <Step action={payment.nextAction} invoice={invoice} />}
      <Refused
        errors={{ ...recheck.errors, ...cancel.errors }}
        problem={recheck.problem ?? cancel.problem}
      />
      <div class="buttons">
        <Button icon="refresh" busy={recheck.busy} onClick={check}>{t("next.check")}</Button>
        {payment.status !== "PROCESSING" && (
          <Button kind="quiet" busy={cancel.busy} onClick={give}>{t("next.cancel")}</Button>
        )}
      </div>
      <p class="hint" role="status">{checked && t("next.checked")}</p>
      {payment.expiresAt && (
        <p class="hint">
          {t("next.until")} <When at={payment.expiresAt} />
        </p>
      )}
    </div>
  );
}

function Step({ action, invoice }: { action: Action; invoice: Invoice }) {
  switch (action.__typename) {
    case "RedirectAction":
      return <a class="button primary" href={action.url}>{t("next.go-on")}</a>;
    case "BankTransferAction":
      return <Transfer action={action} />;
    case "ConfirmCardAction":
      return <Card key={action.clientSecret} action={action} invoice={invoice} />;
  }
}

type Bank = Extract<Action, { __typename: "BankTransferAction" }>;

function Transfer({ action }: { action: Bank }) {
  const rows = [
    ["bank.amount", money(action.amount), action.amount.amount],
    ["bank.reference", action.reference, action.reference],
    ["bank.beneficiary", action.beneficiary, action.beneficiary],
    ["bank.account", action.accountNumber, action.accountNumber.replaceAll(" ", "")],
    ["bank.bic", action.bic, action.bic],
    ["bank.bank", action.bankName, action.bankName],
    ["bank.branch", branchOf(action), action.branchCode ?? action.branchName],
    ["bank.type", action.accountType && t(`bank.type.${action.accountType}`), null],
  ] as const;
  return (
    <div class="transfer">
      <dl>
        {rows.map(([label, shown, copied]) =>
          shown && (
            <div key={label}>
              <dt>{t(label)}</dt>
              <dd>
                <span>{shown}</span>
                {copied && <Copy text={copied} label={t(label)} />}
              </dd>
            </div>
          )
        )}
      </dl>
      <p class="hint">{action.instructions}</p>
      {action.qrCode && (
        <figure>
          <img src={action.qrCode} alt={t("bank.qr")} width="148" height="148" />
          <figcaption class="hint">{t("bank.qr")}</figcaption>
        </figure>
      )}
    </div>
  );
}

function branchOf({ branchName, branchCode }: Bank): string | null {
  return branchCode ? `${branchName ?? ""} (${branchCode})`.trim() : branchName;
}

function Card({ action, invoice }: {
  action: Extract<Action, { __typename: "ConfirmCardAction" }>;
  invoice: Invoice;
}) {
  const place = useRef<HTMLDivElement>(null);
  const [confirm, setConfirm] = useState<(() => Promise<string>) | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  useEffect(() => {
    const returnUrl = `${location.origin}/billing/invoices/${invoice.id}/return`;
    confirmCard(place.current as HTMLElement, action, returnUrl).then(
      (ready) => setConfirm(() => ready),
      () => setError(t("card.unreachable")),
    );
  }, []);
  const pay = async () => {
    if (!confirm) return;
    setBusy(true);
    setError(await confirm());
    setBusy(false);
  };
  return (
    <div class="card-form">
      <div ref={place} />
      {error && <Notice tone="bad" title={error} alert />}
      <Button kind="primary" busy={busy || (!confirm && !error)} onClick={pay}>
        {t("pay.now")}
      </Button>
    </div>
  );
}
