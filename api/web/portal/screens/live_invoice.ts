/** One invoice with all that is known of it, as it is now. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, Problem } from "../client.ts";
import { type Document, graphql, type ResultOf } from "../graphql.ts";
import { language } from "../i18n.ts";
import { listen } from "../live.ts";
import { useStore } from "../store.ts";

/** What paying takes. */
export const PAYABLE = graphql(`
  fragment Payable on Invoice {
    id number kind status overdue
    total { amount currency }
    creditApplicable { amount currency }
    amountDue { amount currency }
    gateway { id code }
    payments {
      id status expiresAt invoiceCount
      amount { amount currency }
      failureMessage(locale: $locale)
      gateway { id name(locale: $locale) }
      nextAction {
        __typename
        ... on RedirectAction { url }
        ... on ConfirmCardAction { clientSecret publishableKey }
        ... on BankTransferAction {
          amount { amount currency }
          reference beneficiary bankName accountNumber bic qrCode
          branchName branchCode accountType
          instructions(locale: $locale)
        }
      }
    }
    diagnosis { stage explanation(locale: $locale) lastHeardAt nextCheckAt supportUrl }
  }
`);

export type Invoice = ResultOf<typeof PAYABLE>;
export type Payment = Invoice["payments"][number];
export type Action = NonNullable<Payment["nextAction"]>;

interface Asked {
  id: string;
  locale: string;
}

/** The invoice as it is now, by query first and then by subscription. */
export function useInvoice<I extends Invoice>(
  id: string,
  query: Document<{ invoice: I | null }, Asked>,
  live: Document<{ invoiceUpdated: I }, Asked>,
) {
  const locale = useStore(language);
  const [invoice, setInvoice] = useState<I>();
  const [problem, setProblem] = useState<Problem>();
  const [tries, setTries] = useState(0);
  const pushes = useRef(0);
  const look = async () => {
    const seen = pushes.current;
    try {
      const found = (await ask(query, { id, locale })).invoice;
      if (!found) return setProblem(new Problem("not-found"));
      // What was pushed since it was asked for is at least as new.
      if (seen === pushes.current) setInvoice(found);
      setProblem(undefined);
    } catch (met) {
      setProblem(met as Problem);
    }
  };
  useEffect(() => {
    look();
    return listen(live, () => ({ id, locale }), ({ invoiceUpdated }) => {
      pushes.current++;
      setInvoice(invoiceUpdated);
      setProblem(undefined);
    }, (met) => met.kind === "not-found" && setProblem(met));
  }, [id, locale, tries]);
  return { invoice, problem, look, again: () => setTries(tries + 1) };
}
