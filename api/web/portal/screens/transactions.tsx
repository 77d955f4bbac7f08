/** The credit statement: every change, newest first. */

import { useState } from "preact/hooks";
import { graphql, type VariablesOf } from "../graphql.ts";
import { moment, t } from "../i18n.ts";
import { AddFundsButton } from "../layout.tsx";
import { Filters, More, NoRows, usePages } from "../pages.tsx";
import { Heading, Link } from "../router.tsx";
import { Amount } from "../ui.tsx";
import { ReservedList } from "./reserved.tsx";

const TRANSACTIONS = graphql(`
  query Transactions($filter: CreditTransactionFilter, $first: Int!, $after: String) {
    page: creditTransactions(filter: $filter, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges {
        node {
          id kind description createdAt refundable
          amount { amount currency }
          balanceAfter { amount currency }
          invoice { id number }
        }
      }
    }
  }
`);

type Kind = NonNullable<NonNullable<VariablesOf<typeof TRANSACTIONS>["filter"]>["kind"]>[number];

const KINDS: Record<string, Kind[]> = {
  all: [],
  added: ["DEPOSIT", "DEPOSIT_REINSTATED", "OVERPAYMENT", "VOUCHER", "REFUND"],
  spent: ["INVOICE_PAYMENT", "INVOICE_PAYMENT_RETURNED"],
  other: ["DEBT_REPAID", "ADJUSTMENT", "EXPIRY", "DEPOSIT_REVERSED"],
};
const FILTERS = ["all", "added", "spent", "other"] as const;

export function TransactionsScreen() {
  const [filter, setFilter] = useState<typeof FILTERS[number]>("all");
  const kind = KINDS[filter] ?? [];
  const list = usePages(TRANSACTIONS, { filter: kind.length ? { kind } : null });
  return (
    <>
      <ReservedList />
      <section class="card list">
        <header>
          <Heading title={t("tab.transactions")}>{t("tab.transactions")}</Heading>
          <Filters
            of={FILTERS}
            label={(one) => t(`filter.${one}`)}
            chosen={filter}
            choose={setFilter}
          />
        </header>
        <NoRows list={list} icon="swap" none={t("transactions.none")}>
          {filter === "all" && <AddFundsButton />}
        </NoRows>
        {list.rows && list.rows.length > 0 && (
          <table class="rows">
            <thead>
              <tr>
                <th scope="col">{t("transaction.what")}</th>
                <th scope="col">{t("transaction.when")}</th>
                <th scope="col">{t("transaction.invoice")}</th>
                <th scope="col" class="right">{t("transaction.amount")}</th>
                <th scope="col" class="right">{t("transaction.after")}</th>
              </tr>
            </thead>
            <tbody>
              {list.rows.map((one) => (
                <tr key={one.id}>
                  <th scope="row">
                    <span>{t(`kind.${one.kind}`)}</span>
                    <small>{one.description}</small>
                  </th>
                  <td data-label={t("transaction.when")}>{moment(one.createdAt)}</td>
                  <td
                    data-label={t("transaction.invoice")}
                    class={one.invoice ? undefined : "none"}
                  >
                    {one.invoice
                      ? <Link to={`/billing/invoices/${one.invoice.id}`}>{one.invoice.number}</Link>
                      : "–"}
                  </td>
                  <td class={`right ${one.amount.amount.startsWith("-") ? "" : "good"}`}>
                    <Amount of={one.amount} signed />
                  </td>
                  <td class="right soft" data-label={t("transaction.after")}>
                    <Amount of={one.balanceAfter} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        <More list={list} />
      </section>
    </>
  );
}
