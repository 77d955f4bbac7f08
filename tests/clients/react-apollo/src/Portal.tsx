import { useQuery, useSubscription } from "@apollo/client/react";
import { useState, useSyncExternalStore } from "react";
import { invoiceOfPage } from "../../shared/api";
import { connection } from "../../shared/live";
import { AddFunds } from "./AddFunds";
import { AddFundsQuery, CreditSubscription, ViewerQuery } from "./documents";
import { Invoice } from "./Invoice";
import { SignIn } from "./SignIn";

export function Portal() {
  const { data } = useQuery(ViewerQuery);
  if (!data) return <p>Loading…</p>;
  return data.viewer ? <Credit /> : <SignIn />;
}

function Credit() {
  const { data, error } = useQuery(AddFundsQuery);
  // What it pushes lands in the normalised cache, and with it in every query that shows it.
  useSubscription(CreditSubscription);
  const live = useSyncExternalStore(connection.watch, () => connection.live);
  const [invoice, setInvoice] = useState(invoiceOfPage);
  if (error) return <p role="alert">{error.message}</p>;
  if (!data) return <p>Loading…</p>;
  return (
    <>
      <header>
        <h1>Available Credit</h1>
        <output aria-live="polite">{data.balance.available.formatted}</output>
        <small role="status">{live ? "Live" : "Reconnecting…"}</small>
      </header>
      {invoice ? <Invoice id={invoice} /> : <AddFunds form={data} onInvoice={setInvoice} />}
    </>
  );
}
