/** The list of invoices. */

import { useState } from "preact/hooks";
import { graphql } from "../graphql.ts";
import { date, plural, t } from "../i18n.ts";
import { Filters, More, NoRows, usePages } from "../pages.tsx";
import { useQuery } from "../query.ts";
import { Heading, Link } from "../router.tsx";
import { Amount, InvoicePill } from "../ui.tsx";

const INVOICES = graphql(`
  query Invoices($filter: InvoiceFilter, $first: Int!, $after: String) {
    page: invoices(filter: $filter, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges {
        node {
          id number kind status overdue issuedAt dueOn reference
          total { amount currency }
          amountDue { amount currency }
        }
      }
    }
  }
`);

const COUNTS = graphql(`
  query InvoiceCounts {
    open: invoices(filter: { status: [UNPAID, PROCESSING] }, first: 0) { totalCount }
    overdue: invoices(filter: { overdue: true }, first: 0) { totalCount }
  }
`);

const FILTERS = {
  all: null,
  open: { status: ["UNPAID", "PROCESSING"] },
  paid: { status: ["PAID"] },
} as const;

type Filter = keyof typeof FILTERS;

export function InvoicesScreen() {
  const [filter, setFilter] = useState<Filter>("all");
  const wanted = FILTERS[filter];
  const list = usePages(INVOICES, { filter: wanted && { status: [...wanted.status] } });
  const counts = useQuery(COUNTS, {}).data;
  return (
    <section class="card list">
      <header>
        <Heading title={t("tab.invoices")}>{t("tab.invoices")}</Heading>
        <p class="summary">
          {counts && counts.open.totalCount > 0 && plural("invoices.open", counts.open.totalCount)}
          {counts && counts.overdue.totalCount > 0 && (
            <span class="bad">{plural("invoices.overdue", counts.overdue.totalCount)}</span>
          )}
        </p>
        <Filters
          of={Object.keys(FILTERS) as Filter[]}
          label={(one) => t(`filter.${one}`)}
          chosen={filter}
          choose={setFilter}
        />
      </header>
      <NoRows
        list={list}
        icon="invoice"
        none={t(`invoices.none.${filter}`)}
        first={filter === "all"}
      />
      {list.rows && list.rows.length > 0 && (
        <table class="rows">
          <thead>
            <tr>
              <th scope="col">{t("invoice.number")}</th>
              <th scope="col">{t("invoice.status")}</th>
              <th scope="col">{t("invoice.issued")}</th>
              <th scope="col">{t("invoice.due")}</th>
              <th scope="col" class="right">{t("invoice.total")}</th>
            </tr>
          </thead>
          <tbody>
            {list.rows.map((one) => (
              <tr key={one.id}>
                <th scope="row">
                  <Link to={`/billing/invoices/${one.id}`} class="cover">{one.number}</Link>
                  <small>
                    {one.kind === "FUNDS" ? t("kind.FUNDS") : one.reference ?? t("kind.ORDER")}
                  </small>
                </th>
                <td>
                  <InvoicePill status={one.status} overdue={one.overdue} />
                </td>
                <td data-label={t("invoice.issued")}>{date(one.issuedAt)}</td>
                <td
                  data-label={t("invoice.due")}
                  class={one.status === "UNPAID" ? undefined : "none"}
                >
                  {one.status === "UNPAID" ? date(one.dueOn) : "–"}
                </td>
                <td class="right">
                  <Amount of={one.total} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More list={list} />
    </section>
  );
}
