import { useMemo, useRef, useState } from "react";
import { graphql, useFragment, useLazyLoadQuery, useMutation, useSubscription } from "react-relay";
import { returnUrl } from "../../shared/api";
import type { Invoice$key } from "./__generated__/Invoice.graphql";
import type { InvoiceMutation } from "./__generated__/InvoiceMutation.graphql";
import type { InvoiceQuery } from "./__generated__/InvoiceQuery.graphql";
import type { InvoiceSubscription } from "./__generated__/InvoiceSubscription.graphql";

export function Invoice({ id }: { id: string }) {
  const { invoice } = useLazyLoadQuery<InvoiceQuery>(
    graphql`
      query InvoiceQuery($id: ID!) {
        invoice(id: $id) {
          ...Invoice
        }
      }
    `,
    { id },
  );
  useSubscription<InvoiceSubscription>(
    useMemo(
      () => ({
        subscription: graphql`
          subscription InvoiceSubscription($id: ID!) {
            invoiceUpdated(id: $id) {
              ...Invoice
            }
          }
        `,
        variables: { id },
      }),
      [id],
    ),
  );
  return invoice ? <Payable invoice={invoice} /> : <p role="alert">There is no such invoice.</p>;
}

function Payable({ invoice }: { invoice: Invoice$key }) {
  const { id, number, status, total } = useFragment(
    graphql`
      fragment Invoice on Invoice {
        id
        number
        status
        total {
          formatted
        }
      }
    `,
    invoice,
  );
  const [pay, paying] = useMutation<InvoiceMutation>(graphql`
    mutation InvoiceMutation($input: PayInvoiceInput!) {
      payInvoice(input: $input) {
        payment {
          nextAction {
            ... on RedirectAction {
              __typename
              url
            }
            ... on BankTransferAction {
              __typename
              instructions
            }
          }
        }
        invoice {
          ...Invoice
        }
        balance {
          ...PortalCredit
        }
        userErrors {
          message
        }
      }
    }
  `);
  const [refusal, setRefusal] = useState<string>();
  const [instructions, setInstructions] = useState<string>();
  const key = useRef(crypto.randomUUID());

  function payNow() {
    pay({
      variables: {
        input: { invoiceId: id, returnUrl: returnUrl(id), idempotencyKey: key.current },
      },
      onCompleted({ payInvoice }) {
        setRefusal(payInvoice.userErrors[0]?.message);
        const action = payInvoice.payment?.nextAction;
        if (action?.__typename === "RedirectAction") location.assign(action.url);
        if (action?.__typename === "BankTransferAction") setInstructions(action.instructions);
      },
      onError: ({ message }) => setRefusal(message),
    });
  }

  return (
    <section aria-label="Invoice">
      <h2>Invoice {number}</h2>
      <p>
        {total.formatted}: <strong data-testid="status">{status}</strong>
      </p>
      {refusal && <p role="alert">{refusal}</p>}
      {instructions && <p>{instructions}</p>}
      {status === "UNPAID" && (
        <button onClick={payNow} disabled={paying}>
          Pay Now!
        </button>
      )}
    </section>
  );
}
