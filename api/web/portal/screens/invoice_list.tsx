/** The invoices as a list. */

import type { ComponentChildren } from "preact";
import { graphql, type ResultOf } from "../graphql.ts";
import { date, t } from "../i18n.ts";
import { type List, More, NoRows, usePages } from "../pages.tsx";
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

export type Listed = ResultOf<typeof INVOICES>["page"]["edges"][number]["node"];

type Status = Listed["status"];

/** Those of a status, or all. */
export const useInvoices = (status?: readonly Status[]) =>
  usePages(INVOICES, { filter: status && { status: [...status] } });

export function InvoiceRows({ list, none, link, actions, children }: {
  list: List<Listed>;
  /** What is said in place of rows. */
  none: string;
  /** What leads to an invoice. */
  link: (invoice: Listed) => ComponentChildren;
  /** What can be done with one right here. */
  actions?: (invoice: Listed) => ComponentChildren;
  /** How the list begins. */
  children?: ComponentChildren;
}) {
  return (
    <>
      <NoRows list={list} icon="invoice" none={none}>{children}</NoRows>
      {list.rows && list.rows.length > 0 && (
        <table class="rows">
          <thead>
            <tr>
              <th scope="col">{t("invoice.number")}</th>
              <th scope="col">{t("invoice.status")}</th>
              <th scope="col">{t("invoice.issued")}</th>
              <th scope="col">{t("invoice.due")}</th>
              <th scope="col" class="right">{t("invoice.total")}</th>
              {actions && (
                <th scope="col">
                  <span class="unseen">{t("invoice.actions")}</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {list.rows.map((one) => (
              <tr key={one.id}>
                <th scope="row">
                  {link(one)}
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
                {actions && <td class="actions">{actions(one)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <More list={list} />
    </>
  );
}
