/** What an open payment waits for, and what can be done meanwhile. */

import type { ComponentType } from "preact";
import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { backend } from "../backend.ts";
import { graphql } from "../graphql.ts";
import { type Money, money, t } from "../i18n.ts";
import { Button, Refused, When } from "../ui.tsx";
import type { Action, Invoice, Payment } from "./live_invoice.ts";

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

export interface CardProps {
  action: Extract<Action, { __typename: "ConfirmCardAction" }>;
  invoice: Invoice;
}

export interface CopyProps {
  text: string;
  label: string;
}

export interface SlideProps {
  most: Money;
  /** In minor units. */
  chosen: bigint;
  choose: (units: bigint) => void;
}

/** What not every page has. One without the card form leads to the portal, which has it. */
export const here: {
  CardForm?: ComponentType<CardProps>;
  Copy?: ComponentType<CopyProps>;
  CreditSlide?: ComponentType<SlideProps>;
} = {};

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
      {payment.invoiceCount > 1 && <p>{t("next.together", { amount: money(payment.amount) })}</p>}
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
      return <Onward to={action.url} />;
    case "BankTransferAction":
      return <Transfer action={action} />;
    case "ConfirmCardAction":
      return here.CardForm
        ? <here.CardForm key={action.clientSecret} action={action} invoice={invoice} />
        : <Onward to={`${backend.origin}/billing/invoices/${invoice.id}`} />;
  }
}

function Onward({ to }: { to: string }) {
  return <a class="button primary" href={to}>{t("next.go-on")}</a>;
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
                {here.Copy && copied && <here.Copy text={copied} label={t(label)} />}
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
