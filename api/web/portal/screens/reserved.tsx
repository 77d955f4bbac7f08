/** What of the credit is reserved for orders, and what for. */

import { graphql } from "../graphql.ts";
import { moment, money, plural, t } from "../i18n.ts";
import { isZero, major, minor } from "../minor.ts";
import { useQuery } from "../query.ts";
import { Amount } from "../ui.tsx";

const RESERVED = graphql(`
  query Reserved {
    viewer {
      account {
        id
        holds(state: [OPEN], first: 100) {
          totalCount
          edges {
            node {
              id description reference expiresAt
              amount { amount currency }
              captured { amount currency }
            }
          }
        }
      }
    }
  }
`);

/** Nothing, where nothing is reserved for an order. */
export function ReservedList() {
  const holds = useQuery(RESERVED, {}).data?.viewer?.account?.holds;
  if (!holds?.edges.length) return null;
  return (
    <section class="card list" aria-labelledby="reserved">
      <header>
        <h2 id="reserved">{t("credit.reserved")}</h2>
        <p class="summary">
          {plural("reserved.orders", holds.totalCount)}
          {holds.totalCount > holds.edges.length && (
            <span>{plural("reserved.newest", holds.edges.length)}</span>
          )}
        </p>
      </header>
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">{t("reserved.what")}</th>
            <th scope="col">{t("reserved.until")}</th>
            <th scope="col" class="right">{t("transaction.amount")}</th>
          </tr>
        </thead>
        <tbody>
          {holds.edges.map(({ node }) => (
            <tr key={node.id}>
              <th scope="row">
                <span>{node.description}</span>
                <small>{node.reference}</small>
                {!isZero(node.captured) && (
                  <small>{t("reserved.billed", { amount: money(node.captured) })}</small>
                )}
              </th>
              <td data-label={t("reserved.until")}>{moment(node.expiresAt)}</td>
              <td class="right">
                <Amount of={major(minor(node.amount) - minor(node.captured), node.amount)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
