/** What a payment for several invoices is for. */

import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { isZero } from "../minor.ts";
import { useQuery } from "../query.ts";
import { Link } from "../router.tsx";
import { Amount } from "../ui.tsx";

const ALLOCATIONS = graphql(`
  query Allocations($id: ID!) {
    node(id: $id) {
      __typename
      ... on Payment {
        id
        allocations { amount { amount currency } invoice { id number } }
      }
    }
  }
`);

export function Together({ payment, invoice }: {
  payment: string;
  /** The one that is open. */
  invoice: string;
}) {
  const found = useQuery(ALLOCATIONS, { id: payment }).data?.node;
  if (found?.__typename !== "Payment") return null;
  return (
    <details class="soft">
      <summary>{t("payment.together")}</summary>
      <ul class="together">
        {found.allocations.map(({ amount, invoice: one }) => (
          <li key={one.id}>
            {one.id === invoice
              ? <span>{one.number}</span>
              : <Link to={`/billing/invoices/${one.id}`}>{one.number}</Link>}
            {isZero(amount) ? <span>{t("payment.by-credit")}</span> : <Amount of={amount} />}
          </li>
        ))}
      </ul>
    </details>
  );
}
