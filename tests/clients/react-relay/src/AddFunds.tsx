import type { SubmitEvent } from "react";
import { useRef, useState } from "react";
import { graphql, useFragment, useMutation } from "react-relay";
import type { Refusal } from "../../shared/refusals";
import { byField } from "../../shared/refusals";
import type { AddFunds$key } from "./__generated__/AddFunds.graphql";
import type { AddFundsMutation } from "./__generated__/AddFundsMutation.graphql";

interface Props {
  query: AddFunds$key;
  onInvoice: (id: string) => void;
}

export function AddFunds({ query, onInvoice }: Props) {
  const form = useFragment(
    graphql`
      fragment AddFunds on Query {
        creditPolicy {
          version
          summary
          url
        }
        fundsLimits {
          minimumDeposit {
            amount
            currency
            formatted
          }
          maximumDeposit {
            formatted
          }
        }
        gateways {
          code
          name
        }
      }
    `,
    query,
  );
  const [addFunds, loading] = useMutation<AddFundsMutation>(graphql`
    mutation AddFundsMutation($input: AddFundsInput!) {
      addFunds(input: $input) {
        invoice {
          id
          ...Invoice
        }
        userErrors {
          code
          message
          field
        }
      }
    }
  `);
  const [refusals, setRefusals] = useState<readonly Refusal[]>([]);
  const messages = byField(refusals, ["amount", "gateway"]);
  const { minimumDeposit, maximumDeposit } = form.fundsLimits;
  // One key a form: a retry of the same click does nothing twice. A refusal does not use it up.
  const key = useRef(crypto.randomUUID());

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const input = {
      amount: { amount: `${given.get("amount")}`, currency: minimumDeposit.currency },
      gateway: `${given.get("gateway")}`,
      acceptedPolicyVersion: form.creditPolicy.version,
      idempotencyKey: key.current,
    };
    addFunds({
      variables: { input },
      onCompleted(done) {
        setRefusals(done.addFunds.userErrors);
        if (done.addFunds.invoice) onInvoice(done.addFunds.invoice.id);
      },
      onError: ({ message }) => setRefusals([{ code: "INVALID", message }]),
    });
  }

  return (
    <form onSubmit={submit}>
      <h2>Add Funds</h2>
      <label>
        Amount
        <input
          name="amount"
          inputMode="decimal"
          defaultValue={minimumDeposit.amount}
          aria-invalid={"amount" in messages}
          aria-describedby="amount-help amount-error"
        />
      </label>
      {messages.amount && (
        <p id="amount-error" role="alert">
          {messages.amount}
        </p>
      )}
      <small id="amount-help">
        From {minimumDeposit.formatted} to {maximumDeposit.formatted}
      </small>
      <label>
        Gateway
        <select name="gateway">
          {form.gateways.map(({ code, name }) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {messages.gateway && <p role="alert">{messages.gateway}</p>}
      <label className="check">
        <input type="checkbox" required />
        <span>
          {form.creditPolicy.summary} <a href={form.creditPolicy.url}>Credit policy</a>
        </span>
      </label>
      {messages[""] && <p role="alert">{messages[""]}</p>}
      <button disabled={loading}>+ Add Funds</button>
    </form>
  );
}
