import { useMemo, useState, useSyncExternalStore } from "react";
import { graphql, useFragment, useLazyLoadQuery, useSubscription } from "react-relay";
import { invoiceOfPage } from "../../shared/api";
import { connection } from "../../shared/live";
import type { PortalCredit$key } from "./__generated__/PortalCredit.graphql";
import type { PortalCreditQuery } from "./__generated__/PortalCreditQuery.graphql";
import type { PortalCreditSubscription } from "./__generated__/PortalCreditSubscription.graphql";
import type { PortalViewerQuery } from "./__generated__/PortalViewerQuery.graphql";
import { AddFunds } from "./AddFunds";
import { Invoice } from "./Invoice";
import { SignIn } from "./SignIn";

export function Portal() {
  const { viewer } = useLazyLoadQuery<PortalViewerQuery>(
    graphql`
      query PortalViewerQuery {
        viewer {
          role
        }
      }
    `,
    {},
  );
  return viewer ? <Credit /> : <SignIn />;
}

function Credit() {
  const data = useLazyLoadQuery<PortalCreditQuery>(
    graphql`
      query PortalCreditQuery {
        balance {
          ...PortalCredit
        }
        ...AddFunds
      }
    `,
    {},
  );
  // What it pushes lands in the store, and with it in every fragment that shows it.
  useSubscription<PortalCreditSubscription>(
    useMemo(
      () => ({
        subscription: graphql`
          subscription PortalCreditSubscription($afterVersion: Int) {
            creditUpdated(afterVersion: $afterVersion) {
              balance {
                version
                ...PortalCredit
              }
            }
          }
        `,
        variables: {},
      }),
      [],
    ),
  );
  const live = useSyncExternalStore(connection.watch, () => connection.live);
  const [invoice, setInvoice] = useState(invoiceOfPage);
  return (
    <>
      <header>
        <h1>Available Credit</h1>
        <Available balance={data.balance} />
        <small role="status">{live ? "Live" : "Reconnecting…"}</small>
      </header>
      {invoice ? <Invoice id={invoice} /> : <AddFunds query={data} onInvoice={setInvoice} />}
    </>
  );
}

function Available({ balance }: { balance: PortalCredit$key }) {
  const { available } = useFragment(
    graphql`
      fragment PortalCredit on Balance {
        available {
          formatted
        }
        version
      }
    `,
    balance,
  );
  return <output aria-live="polite">{available.formatted}</output>;
}
