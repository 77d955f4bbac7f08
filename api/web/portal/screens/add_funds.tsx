/** Add Funds: the answer is an unpaid invoice, which is where it goes on. */

import { useEffect, useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { decimal, language, money, number, parts, symbol, t } from "../i18n.ts";
import { isZero, major, minor } from "../minor.ts";
import { useQuery } from "../query.ts";
import { go, Heading } from "../router.tsx";
import type { Account } from "../session.ts";
import { useStore } from "../store.ts";
import { Button, Field, Notice, Refused, Skeleton, Trouble, useFocusOnError } from "../ui.tsx";

const FORM = graphql(`
  query AddFundsForm($locale: String) {
    fundsLimits {
      minimumDeposit { amount currency }
      maximumDeposit { amount currency }
      maximumBalance { amount currency }
    }
    creditPolicy { version url summary(locale: $locale) }
  }
`);

const GATEWAYS = graphql(`
  query Gateways($amount: MoneyInput!, $locale: String) {
    gateways(amount: $amount) {
      id code name(locale: $locale) available
      fee(amount: $amount) { amount currency }
    }
  }
`);

const ADD_FUNDS = graphql(`
  mutation AddFunds($input: AddFundsInput!) {
    addFunds(input: $input) { invoice { id } userErrors { code message field } }
  }
`);

const STEPS = ["step-1", "step-2", "step-3"] as const;
/** Amounts to choose from: so many times the minimum. */
const QUICK = [1n, 5n, 10n, 20n];

export function AddFundsScreen({ account, policyUrl }: { account: Account; policyUrl: string }) {
  const locale = useStore(language);
  const form = useQuery(FORM, { locale });
  return (
    <div class="columns">
      <section class="card">
        <Heading title={t("tab.add-funds")}>{t("tab.add-funds")}</Heading>
        <p class="lead">{t("funds.what")}</p>
        {form.problem && !form.data && <Trouble problem={form.problem} again={form.again} />}
        {!form.data && !form.problem && <Skeleton lines={4} />}
        {form.data && (
          <Form
            currency={account.currency}
            limits={form.data.fundsLimits}
            policy={{ ...form.data.creditPolicy, url: policyUrl }}
          />
        )}
      </section>
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

interface Limits {
  minimumDeposit: { amount: string; currency: string };
  maximumDeposit: { amount: string; currency: string };
  maximumBalance: { amount: string; currency: string } | null;
}

function Form({ currency, limits, policy }: {
  currency: string;
  limits: Limits;
  policy: { version: string; url: string; summary: string };
}) {
  const [typed, setTyped] = useState(() => number(limits.minimumDeposit.amount));
  const [chosen, setChosen] = useState("");
  const [accepted, setAccepted] = useState(false);
  const [missing, setMissing] = useState<Record<string, string>>({});
  const amount = decimal(typed);
  const gateways = useGateways(amount, currency);
  const gateway = choice(gateways, chosen);
  const action = useAction(ADD_FUNDS);
  const errors = { ...action.errors, ...missing };
  const element = useFocusOnError(errors);

  const submit = async (event: Event) => {
    event.preventDefault();
    const lacking = {
      ...(amount === null && { amount: t("funds.amount.unreadable") }),
      ...(!accepted && { acceptedPolicyVersion: t("funds.policy.missing") }),
    };
    setMissing(lacking);
    if (action.busy || !gateways || Object.keys(lacking).length || amount === null) return;
    const done = await action.run({
      amount: { amount, currency },
      gateway: gateway?.code ?? chosen,
      acceptedPolicyVersion: policy.version,
    });
    if (done?.invoice) go(`/billing/invoices/${done.invoice.id}`);
  };

  const amountError = errors.amount ?? errors["amount.amount"] ?? errors["amount.currency"];
  return (
    <form ref={element} onSubmit={submit} novalidate>
      <Field
        id="amount"
        label={t("funds.amount")}
        hint={t("funds.limits", {
          least: money(limits.minimumDeposit),
          most: money(limits.maximumDeposit),
        }) + (limits.maximumBalance
          ? ` ${t("funds.limits.balance", { most: money(limits.maximumBalance) })}`
          : "")}
        error={amountError}
      >
        {(props) => (
          <span class="affix">
            <span aria-hidden="true">{symbol(currency)}</span>
            <input
              {...props}
              inputMode="decimal"
              autocomplete="off"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
            <span aria-hidden="true">{currency}</span>
          </span>
        )}
      </Field>
      <div class="quick" role="group" aria-label={t("funds.quick")}>
        {QUICK.map((times) => {
          const one = major(times * minor(limits.minimumDeposit), limits.minimumDeposit);
          const text = number(one.amount);
          return (
            <button
              key={text}
              type="button"
              aria-pressed={typed === text}
              onClick={() => setTyped(text)}
            >
              {money(one)}
            </button>
          );
        })}
      </div>
      <Field
        id="gateway"
        label={t("funds.gateway")}
        hint={gateways?.length === 0 ? t("funds.gateway.none") : gateway && feeOf(gateway)}
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
      <Notice tone="info" title={policy.summary} />
      <div class={`field consent${errors.acceptedPolicyVersion ? " wrong" : ""}`}>
        <label>
          <input
            type="checkbox"
            checked={accepted}
            aria-invalid={errors.acceptedPolicyVersion ? true : undefined}
            aria-describedby={errors.acceptedPolicyVersion ? "policy-error" : undefined}
            onChange={(event) => setAccepted(event.currentTarget.checked)}
          />
          <span>
            {parts("funds.policy.accept", {
              policy: (
                <a href={policy.url} target="_blank" rel="noopener">{t("funds.policy.name")}</a>
              ),
            })}
          </span>
        </label>
        {errors.acceptedPolicyVersion && (
          <p class="error" id="policy-error">{errors.acceptedPolicyVersion}</p>
        )}
      </div>
      <Refused
        errors={action.errors}
        problem={action.problem}
        fields={["amount", "amount.amount", "amount.currency", "gateway", "acceptedPolicyVersion"]}
      />
      <Button kind="primary" type="submit" icon="plus" busy={action.busy || !gateways}>
        {t("funds.add")}
      </Button>
    </form>
  );
}

function feeOf(gateway: { fee: { amount: string; currency: string } }): string {
  return isZero(gateway.fee) ? t("fee.none") : t("fee.some", { fee: money(gateway.fee) });
}

type Offer = { code: string; name: string; available: boolean } & Parameters<typeof feeOf>[0];

/** What was chosen, or else the first that answers; one that is out of order is no choice. */
export function choice<T extends Offer>(offers: readonly T[] | undefined, chosen: string) {
  const open = offers?.filter((one) => one.available);
  return open?.find((one) => one.code === chosen) ?? open?.[0];
}

export function labelOf({ name, available, fee }: Offer): string {
  if (!available) return t("gateway.down", { name });
  return isZero(fee) ? name : `${name} (+ ${money(fee)})`;
}

/** What can pay so much, a moment after the amount was typed; what could before until then. */
export function useGateways(amount: string | null, currency: string) {
  const locale = useStore(language);
  const [settled, setSettled] = useState(amount);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(amount), 250);
    return () => clearTimeout(timer);
  }, [amount]);
  const wanted = settled === null ? null : { amount: { amount: settled, currency }, locale };
  const { data, problem } = useQuery(GATEWAYS, wanted);
  const [shown, setShown] = useState<NonNullable<typeof data>["gateways"]>();
  useEffect(() => {
    if (data) setShown(data.gateways);
    else if (problem) setShown([]);
  }, [data, problem]);
  return shown;
}
