/** The list of invoices. */

import { useState } from "preact/hooks";
import { graphql } from "../graphql.ts";
import { plural, t } from "../i18n.ts";
import { AddFundsButton } from "../layout.tsx";
import { Filters } from "../pages.tsx";
import { useQuery } from "../query.ts";
import { Heading, Link } from "../router.tsx";
import { InvoiceRows, useInvoices } from "./invoice_list.tsx";
import { PayDueLinks } from "./pay_due.tsx";

const COUNTS = graphql(`
  query InvoiceCounts {
    open: invoices(filter: { status: [UNPAID, PROCESSING] }, first: 0) { totalCount }
    overdue: invoices(filter: { overdue: true }, first: 0) { totalCount }
  }
`);

const FILTERS = { all: undefined, open: ["UNPAID", "PROCESSING"], paid: ["PAID"] } as const;

type Filter = keyof typeof FILTERS;

export function InvoicesScreen() {
  const [filter, setFilter] = useState<Filter>("all");
  const list = useInvoices(FILTERS[filter]);
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
      <PayDueLinks />
      <InvoiceRows
        list={list}
        none={t(`invoices.none.${filter}`)}
        link={({ id, number }) => <Link to={`/billing/invoices/${id}`} class="cover">{number}
        </Link>}
      >
        {filter === "all" && <AddFundsButton />}
      </InvoiceRows>
    </section>
  );
}
