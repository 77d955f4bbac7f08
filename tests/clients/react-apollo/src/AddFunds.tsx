import { useMutation } from "@apollo/client/react";
import type { SubmitEvent } from "react";
import { useRef } from "react";
import { byField } from "../../shared/refusals";
import { AddFundsMutation } from "./documents";
import type { AddFundsFormQuery } from "./gql/graphql";

interface Props {
  form: AddFundsFormQuery;
  onInvoice: (id: string) => void;
}

export function AddFunds({ form, onInvoice }: Props) {
  const [addFunds, { data, loading, error }] = useMutation(AddFundsMutation);
  const messages = byField(data?.addFunds.userErrors ?? [], ["amount", "gateway"]);
  const { minimumDeposit, maximumDeposit } = form.fundsLimits;
  // One key a form: a retry of the same click does nothing twice. A refusal does not use it up.
  const key = useRef(crypto.randomUUID());

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const input = {
      amount: { amount: `${given.get("amount")}`, currency: minimumDeposit.currency },
      gateway: `${given.get("gateway")}`,
      acceptedPolicyVersion: form.creditPolicy.version,
      idempotencyKey: key.current,
    };
    const done = await addFunds({ variables: { input } });
    const invoice = done.data?.addFunds.invoice;
    if (invoice) onInvoice(invoice.id);
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
      {(messages[""] || error) && <p role="alert">{messages[""] ?? error?.message}</p>}
      <button disabled={loading}>+ Add Funds</button>
    </form>
  );
}
