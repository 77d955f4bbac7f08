/** Pay several invoices at once: which, with how much credit, and through which gateway. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { backend } from "../backend.ts";
import { graphql, type ResultOf } from "../graphql.ts";
import { date, type Money, money, plural, t } from "../i18n.ts";
import { Icon } from "../icons.tsx";
import { isZero, major, minor } from "../minor.ts";
import { refresh, useQuery } from "../query.ts";
import { useMay } from "../rights.ts";
import { go, Heading, Link } from "../router.tsx";
import { Amount, Button, Notice, Pill, Refused, Skeleton, Trouble } from "../ui.tsx";
import { useFocusOnError } from "../ui.tsx";
import { CreditField, useCredit } from "./credit_field.tsx";
import { type Due, type DueInvoice, sum, useDue } from "./due.ts";
import { choice, GatewayField, useGateways } from "./funds_form.tsx";

const PREVIEW = graphql(`
  query PreviewPayment(
    $invoiceIds: [ID!]!, $useCredit: Boolean!, $creditLimit: Decimal, $gateway: String
  ) {
    previewPayment(
      invoiceIds: $invoiceIds, useCredit: $useCredit, creditLimit: $creditLimit, gateway: $gateway
    ) {
      credit { amount currency }
      throughGateway { amount currency }
      fee { amount currency }
      feeSaved { amount currency }
      charged { amount currency }
      quote
      userErrors { code message field }
    }
  }
`);

const PAY = graphql(`
  mutation PayInvoices($input: PayInvoicesInput!) {
    payInvoices(input: $input) {
      payment { id nextAction { __typename ... on RedirectAction { url } } }
      userErrors { code message field }
    }
  }
`);

type Preview = ResultOf<typeof PREVIEW>["previewPayment"];

/** Leads to paying all that is due, where that is more than one invoice. */
export function PayDueLinks() {
  const { due, more } = useDue();
  if (!useMay("BILLING")) return null;
  const several = due?.filter((one) => one.open.length > 1);
  if (!several?.length) return null;
  return (
    <p class="buttons">
      {several.map((one) => (
        <Link key={one.currency} class="button primary" to={`/billing/pay/${one.currency}`}>
          <span>{label(one.open, more > 0 ? null : one)}</span>
        </Link>
      ))}
    </p>
  );
}

/** What pressing it pays; `due` is all that there is. */
function label(invoices: DueInvoice[], due: Due | null): string {
  const amount = money(sum(invoices));
  return due && invoices.length === due.open.length && !due.waiting.length
    ? t("due.all", { amount })
    : plural("due.some", invoices.length, { amount });
}

export function PayDueScreen({ currency }: { currency: string }) {
  const { due, more, problem, again } = useDue();
  const [paid, setPaid] = useState(0);
  const mine = due?.find((one) => one.currency === currency);
  return (
    <>
      <p class="crumb">
        <Link to="/billing/invoices">
          <Icon name="back" />
          {t("tab.invoices")}
        </Link>
      </p>
      <header class="title">
        <Heading title={t("due.title")}>{t("due.title")}</Heading>
      </header>
      {paid > 0 && <Notice tone="good" title={plural("due.paid", paid)} alert />}
      {!due && (
        <section class="card">
          {problem ? <Trouble problem={problem} again={again} /> : <Skeleton lines={5} />}
        </section>
      )}
      {due && !mine && (
        <section class="card">
          <p>{t("invoices.none.open")}</p>
          <Link class="button" to="/billing/invoices">{t("tab.invoices")}</Link>
        </section>
      )}
      {mine && <Choice key={currency} due={mine} more={more} done={setPaid} />}
    </>
  );
}

function Choice({ due, more, done }: { due: Due; more: number; done: (paid: number) => void }) {
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const chosen = due.open.filter((one) => !left.has(one.id));
  const toggle = (id: string, wanted: boolean) => {
    const next = new Set(left);
    if (wanted) next.delete(id);
    else next.add(id);
    setLeft(next);
  };
  return (
    <div class="columns">
      <section class="card choose" aria-labelledby="choose">
        <h2 id="choose">{t("due.choose")}</h2>
        {more > 0 && <Notice tone="info" title={plural("due.more", more)} />}
        <ul>
          {due.open.map((one) => (
            <li key={one.id}>
              <label class="check">
                <input
                  type="checkbox"
                  checked={!left.has(one.id)}
                  onChange={(event) => toggle(one.id, event.currentTarget.checked)}
                />
                <Row invoice={one} />
              </label>
            </li>
          ))}
          {due.waiting.map((one) => (
            <li key={one.id} class="check">
              <Row invoice={one} waits />
            </li>
          ))}
        </ul>
      </section>
      <aside class="stack" aria-label={t("pay.title")}>
        <section class="card pay" aria-labelledby="pay">
          <h2 id="pay">{t("sum.due")}</h2>
          <p class="due">
            <Amount of={chosen.length ? sum(chosen) : major(0n, due.credit)} />
          </p>
          {chosen.length === 0 && <p role="status">{t("due.none")}</p>}
          {chosen.length > 0 && (
            <PayForm
              chosen={chosen}
              credit={due.credit}
              said={label(chosen, more > 0 ? null : due)}
              done={done}
            />
          )}
        </section>
      </aside>
    </div>
  );
}

function Row({ invoice, waits }: { invoice: DueInvoice; waits?: boolean }) {
  return (
    <>
      <span>
        {waits
          ? <Link to={`/billing/invoices/${invoice.id}`}>{invoice.number}</Link>
          : <strong>{invoice.number}</strong>}
        <small>
          {[invoice.reference, `${t("invoice.due")} ${date(invoice.dueOn)}`]
            .filter(Boolean).join(" · ")}
        </small>
        {waits && <small>{t("due.begun")}</small>}
      </span>
      {invoice.overdue && <Pill tone="bad">{t("status.OVERDUE")}</Pill>}
      <Amount of={invoice.amountDue} />
    </>
  );
}

function PayForm({ chosen, credit: available, said, done }: {
  chosen: DueInvoice[];
  credit: Money;
  /** What the button says. */
  said: string;
  done: (paid: number) => void;
}) {
  const total = sum(chosen);
  const credit = useCredit(minor(available) < minor(total) ? available : total);
  const rest = major(minor(total) - credit.chosen, total);
  const covered = isZero(rest);
  const [wanted, setWanted] = useState(chosen[0]?.gateway?.code ?? "");
  const { gateways, of } = useGateways(covered ? null : rest.amount, rest.currency);
  const gateway = covered ? undefined : choice(gateways, wanted);
  const how = {
    invoiceIds: chosen.map((one) => one.id),
    useCredit: credit.chosen > 0n,
    ...(credit.chosen > 0n && { creditLimit: major(credit.chosen, total).amount }),
    ...(gateway && { gateway: gateway.code }),
  };
  const isKnown = covered || (gateway !== undefined && of === rest.amount);
  const asked = useQuery(PREVIEW, isKnown ? how : null);
  const preview = asked.data?.previewPayment;
  const [leaving, setLeaving] = useState(false);
  const { busy: paying, errors, problem, run } = useAction(PAY);
  const busy = paying || leaving || !preview?.quote;
  const form = useFocusOnError(errors);

  const pay = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const returnUrl = backend.returnUrl(chosen[0]?.id ?? "");
    const paid = await run({ ...how, returnUrl, quote: preview.quote });
    const payment = paid?.payment;
    if (payment?.nextAction?.__typename === "RedirectAction") {
      setLeaving(true);
      location.assign(payment.nextAction.url);
    } else if (payment) go(`/billing/invoices/${chosen[0]?.id}`);
    else {
      if (paid) done(chosen.length);
      // What was shown is not what there is any more, also where it was refused.
      refresh();
    }
  };

  return (
    <form ref={form} onSubmit={pay} novalidate>
      <CreditField credit={credit} />
      {!covered && (
        <GatewayField
          id="pay-gateway"
          label={t(credit.chosen > 0n ? "pay.rest" : "funds.gateway", { amount: money(rest) })}
          hint={null}
          error={errors.gateway}
          gateways={gateways}
          gateway={gateway}
          choose={setWanted}
        />
      )}
      {preview?.quote && <Sums of={preview} />}
      <Refused
        errors={{ ...byMessage(preview), ...errors }}
        problem={problem ?? (preview ? undefined : asked.problem)}
        fields={["gateway"]}
      />
      <Button kind="primary" type="submit" busy={busy && !preview?.userErrors.length}>
        {leaving ? t("pay.leaving") : said}
      </Button>
    </form>
  );
}

/** Why it could not be paid like this, before anybody has tried. */
const byMessage = (preview?: Preview) =>
  Object.fromEntries((preview?.userErrors ?? []).map(({ message }) => [message, message]));

/** What it comes to, and what of the fees is saved. */
function Sums({ of }: { of: Preview }) {
  const { credit, fee, feeSaved, charged } = of;
  if (!credit || !fee || !feeSaved || !charged) return null;
  const rows = [["sum.credit", credit], ["sum.fee", fee], ["due.charged", charged]] as const;
  return (
    <>
      <dl class="sums">
        {rows.map(([name, amount]) => (
          !isZero(amount) && (
            <div key={name} class={name === "due.charged" ? "strong" : undefined}>
              <dt>{t(name)}</dt>
              <dd>
                <Amount of={amount} />
              </dd>
            </div>
          )
        ))}
      </dl>
      {!isZero(feeSaved) && <p class="hint">{t("due.saved", { amount: money(feeSaved) })}</p>}
    </>
  );
}
