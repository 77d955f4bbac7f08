/** Add Funds, and how it works. */

import { t } from "../i18n.ts";
import { go, Heading } from "../router.tsx";
import type { Account } from "../session.ts";
import { AddFunds } from "./funds_form.tsx";

const STEPS = ["step-1", "step-2", "step-3"] as const;

export function AddFundsScreen({ account, policyUrl }: { account: Account; policyUrl: string }) {
  return (
    <div class="columns">
      <AddFunds
        account={account}
        policyUrl={policyUrl}
        done={(id) => go(`/billing/invoices/${id}`)}
      >
        <Heading title={t("tab.add-funds")}>{t("tab.add-funds")}</Heading>
      </AddFunds>
      <aside class="card steps" aria-labelledby="steps">
        <h2 id="steps">{t("funds.steps")}</h2>
        <ol>
          {STEPS.map((step) => (
            <li key={step}>
              <p class="title">{t(`funds.${step}`)}</p>
              <p class="soft">{t(`funds.${step}.what`)}</p>
            </li>
          ))}
        </ol>
      </aside>
    </div>
  );
}
