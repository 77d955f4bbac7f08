import { useMutation, useQuery, useSubscription } from "@apollo/client/react";
import { useRef } from "react";
import { returnUrl } from "../../shared/api";
import { InvoiceQuery, InvoiceSubscription, PayInvoiceMutation } from "./documents";

export function Invoice({ id }: { id: string }) {
  const { data } = useQuery(InvoiceQuery, { variables: { id } });
  useSubscription(InvoiceSubscription, { variables: { id } });
  const [pay, paying] = useMutation(PayInvoiceMutation);
  const key = useRef(crypto.randomUUID());
  const invoice = data?.invoice;
  if (!invoice) return data ? <p role="alert">There is no such invoice.</p> : <p>Loading…</p>;

  async function payNow() {
    const input = { invoiceId: id, returnUrl: returnUrl(id), idempotencyKey: key.current };
    const done = await pay({ variables: { input } });
    const action = done.data?.payInvoice.payment?.nextAction;
    if (action?.__typename === "RedirectAction") location.assign(action.url);
  }

  const next = paying.data?.payInvoice.payment?.nextAction;
  const refusal = paying.data?.payInvoice.userErrors[0]?.message ?? paying.error?.message;
  return (
    <section aria-label="Invoice">
      <h2>Invoice {invoice.number}</h2>
      <p>
        {invoice.total.formatted}: <strong data-testid="status">{invoice.status}</strong>
      </p>
      {refusal && <p role="alert">{refusal}</p>}
      {next?.__typename === "BankTransferAction" && <p>{next.instructions}</p>}
      {invoice.status === "UNPAID" && (
        <button onClick={payNow} disabled={paying.loading}>
          Pay Now!
        </button>
      )}
    </section>
  );
}
