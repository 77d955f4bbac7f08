/** One invoice, live: what it says, how it stands, and how to pay it. */

import { graphql, type ResultOf } from "../graphql.ts";
import { date, money, number, percent, price, t } from "../i18n.ts";
import { isZero } from "../minor.ts";
import { go, Heading, Link } from "../router.tsx";
import { Amount, Button, Empty, InvoicePill, Pill, Skeleton, Trouble, When } from "../ui.tsx";
import { Icon } from "../icons.tsx";
import { Download } from "./download.tsx";
import { PAYABLE, useInvoice } from "./live_invoice.ts";
import { PayPanel } from "./pay.tsx";
import { Receipt } from "./receipt.tsx";
import { Returned } from "./returned.tsx";
import { Times } from "./times.tsx";
import { Together } from "./together.tsx";

const FIELDS = graphql(
  `
  fragment InvoiceFields on Invoice {
    ...Payable
    issuedAt dueOn paidAt reference
    lines { description quantity taxRate unitPriceExact unitPrice { amount currency } total { amount currency } }
    subtotal { amount currency }
    tax { amount currency }
    creditApplied { amount currency }
    amountPaid { amount currency }
    voidReason creditNoteNumber
    payments {
      createdAt completedAt
      gateway { kind }
      fee { amount currency }
      received { amount currency }
      refunded { amount currency }
    }
  }
`,
  [PAYABLE],
);

const INVOICE = graphql(
  `query Invoice($id: ID!, $locale: String) { invoice(id: $id) { ...InvoiceFields } }`,
  [FIELDS],
);

const LIVE = graphql(
  `subscription LiveInvoice($id: ID!, $locale: String) {
    invoiceUpdated(id: $id) { ...InvoiceFields }
  }`,
  [FIELDS],
);

type Invoice = ResultOf<typeof FIELDS>;

export function InvoiceScreen({ id, returned }: { id: string; returned: boolean }) {
  const { invoice, problem, look, again } = useInvoice(id, INVOICE, LIVE);
  if (problem?.kind === "not-found") return <Missing />;
  if (problem && !invoice) {
    return (
      <section class="card">
        <Trouble problem={problem} again={again} />
      </section>
    );
  }
  if (!invoice) {
    return (
      <section class="card">
        <Skeleton lines={7} />
      </section>
    );
  }
  return (
    <>
      <p class="crumb">
        <Link to="/billing/invoices">
          <Icon name="back" />
          {t("tab.invoices")}
        </Link>
      </p>
      <header class="title">
        <div>
          <p class="kind">{t(invoice.kind === "FUNDS" ? "kind.FUNDS" : "kind.ORDER")}</p>
          <Heading title={invoice.number}>{invoice.number}</Heading>
          <InvoicePill status={invoice.status} overdue={invoice.overdue} />
        </div>
        <Download id={invoice.id} number={invoice.number} />
      </header>
      {returned && (
        <Returned invoice={invoice}>
          <Button onClick={() => go("/billing/invoices")}>{t("tab.invoices")}</Button>
        </Returned>
      )}
      <div class="columns">
        <Paper invoice={invoice} />
        <aside class="stack" aria-label={t("pay.title")}>
          <PayPanel invoice={invoice} look={look}>
            <Times of={invoice.diagnosis} />
          </PayPanel>
          <Payments invoice={invoice} />
        </aside>
      </div>
    </>
  );
}

function Missing() {
  return (
    <section class="card">
      <Empty icon="invoice" title={t("invoice.missing")}>
        <Link class="button" to="/billing/invoices">{t("tab.invoices")}</Link>
      </Empty>
    </section>
  );
}

function Paper({ invoice }: { invoice: Invoice }) {
  return (
    <article class="card paper">
      <dl class="facts">
        <div>
          <dt>{t("invoice.issued")}</dt>
          <dd>{date(invoice.issuedAt)}</dd>
        </div>
        <div>
          <dt>{t(invoice.paidAt ? "invoice.paid" : "invoice.due")}</dt>
          <dd>{date(invoice.paidAt ?? invoice.dueOn)}</dd>
        </div>
        {invoice.reference && (
          <div>
            <dt>{t("invoice.reference")}</dt>
            <dd>{invoice.reference}</dd>
          </div>
        )}
        {invoice.creditNoteNumber && (
          <div>
            <dt>{t("invoice.credit-note")}</dt>
            <dd>{invoice.creditNoteNumber}</dd>
          </div>
        )}
      </dl>
      <table class="lines">
        <thead>
          <tr>
            <th scope="col">{t("line.description")}</th>
            <th scope="col" class="right">{t("line.quantity")}</th>
            <th scope="col" class="right">{t("line.price")}</th>
            <th scope="col" class="right">{t("line.total")}</th>
          </tr>
        </thead>
        <tbody>
          {invoice.lines.map((line, index) => (
            <tr key={index}>
              <th scope="row">
                {line.description}
                {Number(line.taxRate) > 0 && (
                  <small>{t("line.tax", { rate: percent(line.taxRate) })}</small>
                )}
              </th>
              <td class="right">{number(line.quantity)}</td>
              <td class="right">
                <span class="amount">{price(line.unitPriceExact, line.unitPrice.currency)}</span>
              </td>
              <td class="right">
                <Amount of={line.total} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl class="sums">
        {!isZero(invoice.tax) && (
          <>
            <div>
              <dt>{t("sum.subtotal")}</dt>
              <dd>
                <Amount of={invoice.subtotal} />
              </dd>
            </div>
            <div>
              <dt>{t("sum.tax")}</dt>
              <dd>
                <Amount of={invoice.tax} />
              </dd>
            </div>
          </>
        )}
        <div class="strong">
          <dt>{t("sum.total")}</dt>
          <dd>
            <Amount of={invoice.total} />
          </dd>
        </div>
        {!isZero(invoice.creditApplied) && (
          <div>
            <dt>{t("sum.credit")}</dt>
            <dd>
              <Amount of={invoice.creditApplied} />
            </dd>
          </div>
        )}
        {!isZero(invoice.amountPaid) && (
          <div>
            <dt>{t("sum.paid")}</dt>
            <dd>
              <Amount of={invoice.amountPaid} />
            </dd>
          </div>
        )}
        {invoice.status !== "VOID" && (
          <div class="strong">
            <dt>{t("sum.due")}</dt>
            <dd>
              <Amount of={invoice.amountDue} />
            </dd>
          </div>
        )}
      </dl>
    </article>
  );
}

const PAYMENT_TONES = {
  CREATED: "info",
  REQUIRES_ACTION: "warn",
  PROCESSING: "info",
  SUCCEEDED: "good",
  FAILED: "bad",
  CANCELED: "calm",
  EXPIRED: "calm",
} as const;

function Payments({ invoice: { id, number, payments } }: { invoice: Invoice }) {
  if (!payments.length) return null;
  return (
    <section class="card" aria-labelledby="payments">
      <h2 id="payments">{t("payments")}</h2>
      <ol class="payments">
        {[...payments].reverse().map((one) => (
          <li key={one.id}>
            <p>
              <strong>{one.gateway?.name ?? t("payment")}</strong>
              <Amount of={one.amount} />
            </p>
            <p class="soft">
              <When at={one.completedAt ?? one.createdAt} />
              <Pill tone={PAYMENT_TONES[one.status]}>{t(`payment.${one.status}`)}</Pill>
            </p>
            {one.invoiceCount > 1 && <Together payment={one.id} invoice={id} />}
            {!isZero(one.fee) && <p class="soft">{t("payment.fee", { fee: money(one.fee) })}</p>}
            {!isZero(one.refunded) && (
              <p class="soft">{t("payment.refunded", { amount: money(one.refunded) })}</p>
            )}
            {one.failureMessage && <p class="bad">{one.failureMessage}</p>}
            {!isZero(one.received) && <Receipt id={one.id} number={`${number}-receipt`} />}
          </li>
        ))}
      </ol>
    </section>
  );
}
