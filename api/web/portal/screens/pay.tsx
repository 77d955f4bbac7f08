/** Pay Now!: credit first where it may be used, and a gateway for the rest. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { money, t } from "../i18n.ts";
import { isZero, major, minor } from "../minor.ts";
import { useMay } from "../rights.ts";
import { Amount, Button, Field, Notice, Refused, useFocusOnError, useNow, When } from "../ui.tsx";
import { choice, labelOf, useGateways } from "./add_funds.tsx";
import type { Invoice } from "./invoice.tsx";
import { NextStep } from "./next_step.tsx";
import { isOpen } from "./returned.tsx";

const PAY = graphql(`
  mutation PayInvoice($input: PayInvoiceInput!) {
    payInvoice(input: $input) {
      payment { id nextAction { __typename ... on RedirectAction { url } } }
      userErrors { code message field }
    }
  }
`);

export function PayPanel({ invoice, look }: { invoice: Invoice; look: () => void }) {
  const now = useNow();
  const may = useMay("BILLING");
  const { diagnosis } = invoice;
  const open = invoice.payments.findLast((payment) => isOpen(payment.status));
  const payable = invoice.status === "UNPAID" || invoice.status === "PROCESSING";
  return (
    <section class="card pay" aria-labelledby="pay">
      <h2 id="pay">{t(payable ? "sum.due" : "pay.title")}</h2>
      {payable && (
        <p class="due">
          <Amount of={invoice.amountDue} />
        </p>
      )}
      <p class="diagnosis" role="status">{diagnosis.explanation}</p>
      {(diagnosis.lastHeardAt || diagnosis.nextCheckAt || diagnosis.supportUrl) && payable && (
        <ul class="times">
          {diagnosis.lastHeardAt && (
            <li>
              {t("diagnosis.heard")} <When at={diagnosis.lastHeardAt} now={now} />
            </li>
          )}
          {diagnosis.nextCheckAt && (
            <li>
              {t("diagnosis.next")} <When at={diagnosis.nextCheckAt} now={now} />
            </li>
          )}
          {diagnosis.supportUrl && (
            <li>
              <a href={diagnosis.supportUrl} target="_blank" rel="noopener">
                {t("diagnosis.support")}
              </a>
            </li>
          )}
        </ul>
      )}
      {may && open && <NextStep invoice={invoice} payment={open} look={look} />}
      {may && payable && !open && <PayForm invoice={invoice} look={look} />}
      {!may && payable && <Notice tone="info" title={t("role.viewer-only")} />}
    </section>
  );
}

function PayForm({ invoice, look }: { invoice: Invoice; look: () => void }) {
  const { amountDue, creditApplicable } = invoice;
  const most = minor(creditApplicable);
  const [useCredit, setUseCredit] = useState(true);
  const [limit, setLimit] = useState<bigint | null>(null);
  const [chosen, setChosen] = useState(invoice.gateway?.code ?? "");
  const [leaving, setLeaving] = useState(false);
  const credit = useCredit ? (limit !== null && limit < most ? limit : most) : 0n;
  const rest = major(minor(amountDue) - credit, amountDue);
  const covered = isZero(rest);
  const { gateways } = useGateways(covered ? null : rest.amount, rest.currency);
  const gateway = choice(gateways, chosen);
  const { busy: paying, errors, problem, run } = useAction(PAY);
  const busy = paying || leaving || !(covered || gateways);
  const form = useFocusOnError(errors);

  const pay = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const done = await run({
      invoiceId: invoice.id,
      useCredit: credit > 0n,
      ...(credit > 0n && credit < most && { creditLimit: major(credit, creditApplicable).amount }),
      ...(!covered && gateway && { gateway: gateway.code }),
      returnUrl: `${location.origin}/billing/invoices/${invoice.id}/return`,
    });
    const action = done?.payment?.nextAction;
    if (action?.__typename === "RedirectAction") {
      setLeaving(true);
      location.assign(action.url);
    } else look();
  };

  return (
    <form ref={form} onSubmit={pay} novalidate>
      {most > 0n && (
        <fieldset class="use">
          <label class="check">
            <input
              type="checkbox"
              checked={useCredit}
              onChange={(event) => setUseCredit(event.currentTarget.checked)}
            />
            <span>{t("pay.credit", { amount: money(creditApplicable) })}</span>
          </label>
          {useCredit && (
            <label class="slide">
              <span>{t("pay.credit.part")}</span>
              <input
                type="range"
                min="1"
                max={most.toString()}
                value={credit.toString()}
                aria-valuetext={money(major(credit, creditApplicable))}
                onInput={(event) => setLimit(BigInt(event.currentTarget.value))}
              />
              <output>
                <Amount of={major(credit, creditApplicable)} />
              </output>
            </label>
          )}
        </fieldset>
      )}
      {!covered && (
        <Field
          id="pay-gateway"
          label={t(credit > 0n ? "pay.rest" : "funds.gateway", { amount: money(rest) })}
          hint={gateways?.length === 0
            ? t("funds.gateway.none")
            : gateway && !isZero(gateway.fee) && t("fee.some", { fee: money(gateway.fee) })}
          error={errors.gateway}
        >
          {(props) => (
            <select
              {...props}
              value={gateway?.code}
              disabled={!gateways?.length}
              onChange={(event) => setChosen(event.currentTarget.value)}
            >
              {gateways?.map((one) => (
                <option key={one.id} value={one.code} disabled={!one.available}>
                  {labelOf(one)}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      <Refused errors={errors} problem={problem} fields={["gateway"]} />
      <Button kind="primary" type="submit" busy={busy}>
        {t(leaving ? "pay.leaving" : "pay.now")}
      </Button>
    </form>
  );
}
