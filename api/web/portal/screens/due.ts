/** The orders that are due, by currency: what can be paid together. */

import { graphql, type ResultOf } from "../graphql.ts";
import { type Money } from "../i18n.ts";
import { major, minor } from "../minor.ts";
import { useQuery } from "../query.ts";
import { isOpen } from "./returned.tsx";

// As many as one payment may be for; the last of a list that begins with the newest.
const DUE = graphql(`
  query DueInvoices {
    page: invoices(filter: { status: [UNPAID], kind: ORDER }, last: 50) {
      totalCount
      edges {
        node {
          id number dueOn overdue reference
          amountDue { amount currency }
          gateway { id code }
          payments { id status }
        }
      }
    }
    viewer {
      account {
        id
        balances { id currency spendingFrozen available { amount currency } }
      }
    }
  }
`);

type Answer = ResultOf<typeof DUE>;

export type DueInvoice = Answer["page"]["edges"][number]["node"];

/** What is due in one currency; not empty. */
export interface Due {
  currency: string;
  /** Due first at first. A payment has begun for those that are `waiting`. */
  open: DueInvoice[];
  waiting: DueInvoice[];
  /** The credit that may be spent. */
  credit: Money;
}

export function useDue() {
  const asked = useQuery(DUE, {});
  const { data } = asked;
  return {
    ...asked,
    due: data && byCurrency(data),
    /** How many more there are than can be shown. */
    more: data ? data.page.totalCount - data.page.edges.length : 0,
  };
}

function byCurrency({ page, viewer }: Answer): Due[] {
  const all = page.edges.map((edge) => edge.node).filter((one) => minor(one.amountDue) > 0n);
  // ISO days are in order as text; of one day the older comes first.
  const rows = all.reverse().sort((a, b) => a.dueOn < b.dueOn ? -1 : a.dueOn > b.dueOn ? 1 : 0);
  return [...new Set(rows.map((one) => one.amountDue.currency))].map((currency) => {
    const mine = rows.filter((one) => one.amountDue.currency === currency);
    const waits = (one: DueInvoice) => one.payments.some((payment) => isOpen(payment.status));
    const balance = viewer?.account?.balances.find((one) => one.currency === currency);
    const usable = balance && !balance.spendingFrozen && minor(balance.available) > 0n;
    return {
      currency,
      open: mine.filter((one) => !waits(one)),
      waiting: mine.filter(waits),
      credit: usable ? balance.available : major(0n, sum(mine)),
    };
  });
}

/** What is due of one or more invoices of one currency. */
export function sum(invoices: DueInvoice[]): Money {
  const like = invoices[0]?.amountDue ?? { amount: "0", currency: "" };
  return major(invoices.reduce((total, one) => total + minor(one.amountDue), 0n), like);
}
