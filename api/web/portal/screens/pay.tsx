/** Pay Now!: credit first where it may be used, and a gateway for the rest. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { backend } from "../backend.ts";
import { graphql } from "../graphql.ts";
import { money, t } from "../i18n.ts";
import { isZero, major, minor } from "../minor.ts";
import { useMay } from "../rights.ts";
import { Amount, Button, Notice, Refused, useFocusOnError } from "../ui.tsx";
import { CreditField, useCredit } from "./credit_field.tsx";
import { choice, GatewayField, useGateways } from "./funds_form.tsx";
import type { Invoice } from "./live_invoice.ts";
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

export function PayPanel({ invoice, look, children }: {
  invoice: Invoice;
  look: () => void;
  /** What else there is to say while it is not paid. */
  children?: ComponentChildren;
}) {
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
      {payable && children}
      {may && open && <NextStep invoice={invoice} payment={open} look={look} />}
      {may && payable && !open && <PayForm invoice={invoice} look={look} />}
      {!may && payable && <Notice tone="info" title={t("role.viewer-only")} />}
    </section>
  );
}

function PayForm({ invoice, look }: { invoice: Invoice; look: () => void }) {
  const { amountDue, creditApplicable } = invoice;
  const use = useCredit(creditApplicable);
  const { most, chosen: credit } = use;
  const [chosen, setChosen] = useState(invoice.gateway?.code ?? "");
  const [leaving, setLeaving] = useState(false);
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
      returnUrl: backend.returnUrl(invoice.id),
    });
    const action = done?.payment?.nextAction;
    if (action?.__typename === "RedirectAction") {
      setLeaving(true);
      location.assign(action.url);
    } else look();
  };

  return (
    <form ref={form} onSubmit={pay} novalidate>
      <CreditField credit={use} />
      {!covered && (
        <GatewayField
          id="pay-gateway"
          label={t(credit > 0n ? "pay.rest" : "funds.gateway", { amount: money(rest) })}
          hint={gateway && !isZero(gateway.fee) && t("fee.some", { fee: money(gateway.fee) })}
          error={errors.gateway}
          gateways={gateways}
          gateway={gateway}
          choose={setChosen}
        />
      )}
      <Refused errors={errors} problem={problem} fields={["gateway"]} />
      <Button kind="primary" type="submit" busy={busy}>
        {t(leaving ? "pay.leaving" : "pay.now")}
      </Button>
    </form>
  );
}
