/** Add Funds and the list of invoices: both lead to an invoice, within the element. */

import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Key } from "../generated.d.ts";
import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { Download } from "../screens/download.tsx";
import { AddFunds } from "../screens/funds_form.tsx";
import { InvoiceRows, useInvoices } from "../screens/invoice_list.tsx";
import { type Invoice, PAYABLE, useInvoice } from "../screens/live_invoice.ts";
import { PayPanel } from "../screens/pay.tsx";
import { Returned } from "../screens/returned.tsx";
import { Button, InvoicePill, Notice, Skeleton, Trouble } from "../ui.tsx";
import { type Embedded, returnedFor, shows, tellPaid } from "./page.ts";
import { Head, type View, type ViewProps } from "./shell.tsx";

const PAY = graphql(
  `query PayableInvoice($id: ID!, $locale: String) { invoice(id: $id) { ...Payable } }`,
  [PAYABLE],
);

const LIVE = graphql(
  `subscription LivePayable($id: ID!, $locale: String) { invoiceUpdated(id: $id) { ...Payable } }`,
  [PAYABLE],
);

export const FundsView = withInvoice(
  "tab.add-funds",
  ({ account, policyUrl, head, open }) => (
    <AddFunds account={account} policyUrl={policyUrl} done={open}>{head}</AddFunds>
  ),
);

export const InvoicesView = withInvoice(
  "tab.invoices",
  ({ head, open }) => (
    <section class="card list">
      <header>{head}</header>
      <InvoiceRows
        list={useInvoices()}
        none={t("invoices.none.all")}
        link={({ id, number }) => (
          <button type="button" class="cover" onClick={() => open(id)}>{number}</button>
        )}
        actions={({ id, number, status }) => (
          <>
            {status === "UNPAID" && (
              <Button kind="primary" onClick={() => open(id)}>{t("pay.now")}</Button>
            )}
            <Download id={id} number={number} />
          </>
        )}
      />
    </section>
  ),
);

/** A view, and in its place the invoice that it leads to. */
function withInvoice(
  name: Key,
  Start: ComponentType<ViewProps & { head: ComponentChildren; open: (id: string) => void }>,
): View {
  return (props) => {
    const { element } = props;
    // At first the one that the browser has come back for.
    const [returned] = useState(() => returnedFor(element));
    const [{ id, moved }, setAt] = useState({ id: returned, moved: false });
    const open = (id: string) => setAt({ id, moved: true });
    if (!id) return <Start {...props} head={<Head moved={moved}>{t(name)}</Head>} open={open} />;
    return (
      <Opened
        key={id}
        {...{ element, id, moved }}
        title={t(name)}
        returned={id === returned}
        close={() => open("")}
      />
    );
  };
}

function Opened({ element, id, moved, title, returned, close }: {
  element: Embedded;
  id: string;
  moved: boolean;
  /** What it goes back to. */
  title: string;
  returned: boolean;
  close: () => void;
}) {
  const { invoice, problem, look, again } = useInvoice(id, PAY, LIVE);
  usePaid(element, invoice, returned);
  useEffect(() => shows(element, id), [element, id]);
  return (
    <section class="card">
      <Button kind="quiet" icon="back" onClick={close}>{title}</Button>
      {!invoice && !problem && <Skeleton />}
      {!invoice && problem && (problem.kind === "not-found"
        ? <Notice tone="warn" title={t("invoice.missing")} />
        : <Trouble problem={problem} again={again} />)}
      {invoice && (
        <>
          <header class="title">
            <div>
              <p class="kind">{t(invoice.kind === "FUNDS" ? "kind.FUNDS" : "kind.ORDER")}</p>
              <Head moved={moved}>{invoice.number}</Head>
              <InvoicePill status={invoice.status} overdue={invoice.overdue} />
            </div>
            <Download id={id} number={invoice.number} />
          </header>
          {returned && <Returned invoice={invoice} />}
          <PayPanel invoice={invoice} look={look} />
        </>
      )}
    </section>
  );
}

/** Tells the page when it is paid: while it is shown, or while the browser was at the gateway. */
function usePaid(element: Embedded, invoice: Invoice | undefined, returned: boolean) {
  const was = useRef(returned ? "UNPAID" : "");
  const status = invoice?.status;
  useEffect(() => {
    if (!invoice) return;
    if (status === "PAID" && was.current && was.current !== "PAID") tellPaid(element, invoice);
    was.current = invoice.status;
  }, [status]);
}
