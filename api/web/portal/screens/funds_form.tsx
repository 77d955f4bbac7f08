/** Add Funds: the answer is an unpaid invoice, which is where it goes on. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { read } from "../amount.ts";
import { exact, language, type Money, money, number, parts, symbol, t, writing } from "../i18n.ts";
import { isZero, major, minor } from "../minor.ts";
import { useQuery } from "../query.ts";
import type { Account } from "../session.ts";
import { useStore } from "../store.ts";
import { Button, Field, Notice, Refused, Skeleton, Trouble, useFocusOnError } from "../ui.tsx";

const FORM = graphql(`
  query AddFundsForm($locale: String, $currency: CurrencyCode!) {
    fundsLimits(currency: $currency) {
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

/** Amounts to choose from: so many times the minimum. */
const QUICK = [1n, 5n, 10n, 20n];

/** The form; `done` hears of the invoice. */
export function AddFunds({ account, policyUrl, done, children }: {
  account: Account;
  policyUrl: string;
  done: (invoice: string) => void;
  children: ComponentChildren;
}) {
  const locale = useStore(language);
  const [currency, setCurrency] = useState(account.currency);
  const form = useQuery(FORM, { locale, currency });
  return (
    <section class="card">
      {children}
      <p class="lead">{t("funds.what")}</p>
      {account.balances.length > 1 && (
        <Field id="currency" label={t("funds.currency")}>
          {(props) => (
            <select
              {...props}
              value={currency}
              onChange={(event) => setCurrency(event.currentTarget.value)}
            >
              {account.balances.map((one) => (
                <option key={one.id} value={one.currency}>{one.currency}</option>
              ))}
            </select>
          )}
        </Field>
      )}
      {form.problem && !form.data && <Trouble problem={form.problem} again={form.again} />}
      {!form.data && !form.problem && <Skeleton lines={4} />}
      {form.data && (
        <Form
          key={form.data.fundsLimits.minimumDeposit.currency}
          limits={form.data.fundsLimits}
          policy={{ ...form.data.creditPolicy, url: policyUrl }}
          done={done}
        />
      )}
    </section>
  );
}

interface Limits {
  minimumDeposit: { amount: string; currency: string };
  maximumDeposit: { amount: string; currency: string };
  maximumBalance: { amount: string; currency: string } | null;
}

function Form({ limits, policy, done }: {
  limits: Limits;
  policy: { version: string; url: string; summary: string };
  done: (invoice: string) => void;
}) {
  const { currency } = limits.minimumDeposit;
  const [typed, setTyped] = useState(() => number(limits.minimumDeposit.amount));
  const [chosen, setChosen] = useState("");
  const [accepted, setAccepted] = useState(false);
  const [missing, setMissing] = useState<Record<string, string>>({});
  const reading = read(typed, writing(currency));
  const amount = reading && "amount" in reading ? reading.amount : null;
  const { gateways, of } = useGateways(amount, currency);
  const gateway = choice(gateways, chosen);
  const action = useAction(ADD_FUNDS);
  const errors = { ...action.errors, ...missing };
  const element = useFocusOnError(errors);

  const submit = async (event: Event) => {
    event.preventDefault();
    const lacking = {
      ...(amount === null && {
        amount: t(reading ? "funds.amount.either" : "funds.amount.unreadable", {
          example: number(limits.minimumDeposit.amount),
        }),
      }),
      ...(!accepted && { acceptedPolicyVersion: t("funds.policy.missing") }),
    };
    setMissing(lacking);
    if (action.busy || !gateways || Object.keys(lacking).length || amount === null) return;
    const made = await action.run({
      amount: { amount, currency },
      gateway: gateway?.code ?? chosen,
      acceptedPolicyVersion: policy.version,
    });
    if (made?.invoice) done(made.invoice.id);
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
      {reading && "either" in reading && (
        <div class="quick" role="group" aria-label={t("funds.amount.either")}>
          <span aria-hidden="true">{t("funds.amount.either")}</span>
          {reading.either.map((amount) =>
            exact({ amount, currency })
          ).filter((one) =>
            one !== null
          ).map((one) => (
            <button
              key={one.amount}
              type="button"
              onClick={() => setTyped(number(one.amount))}
            >
              {money(one)}
            </button>
          ))}
        </div>
      )}
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
      <GatewayField
        id="gateway"
        label={t("funds.gateway")}
        hint={gateway && feeOf(gateway)}
        error={errors.gateway}
        gateways={gateways}
        gateway={gateway}
        choose={setChosen}
      />
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
      <div class="submit">
        <Button kind="primary" type="submit" icon="plus" busy={action.busy || !gateways}>
          {t("funds.add")}
        </Button>
        <output for="amount gateway">
          {amount !== null && chargeOf({ amount, currency }, of === amount ? gateway : undefined)}
        </output>
      </div>
    </form>
  );
}

/** What will be charged, as it is written. The fee is known when the gateways have been asked. */
function chargeOf(typed: Money, gateway?: { fee: Money }): string {
  const credit = exact(typed);
  if (!credit) return "";
  if (!gateway || isZero(gateway.fee)) return t("funds.charge", { amount: money(credit) });
  const charged = major(minor(credit) + minor(gateway.fee), gateway.fee);
  return t("funds.charge.fee", { amount: money(charged), fee: money(gateway.fee) });
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

/** Which gateway; what it costs is its hint. */
export function GatewayField({ gateways, gateway, choose, hint, ...field }: {
  id: string;
  label: string;
  hint: ComponentChildren;
  error?: string;
  gateways?: readonly (Offer & { id: string })[];
  gateway?: Offer;
  choose: (code: string) => void;
}) {
  return (
    <Field {...field} hint={gateways?.length === 0 ? t("funds.gateway.none") : hint}>
      {(props) => (
        <select
          {...props}
          value={gateway?.code}
          disabled={!gateways?.length}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {gateways?.map((one) => (
            <option key={one.id} value={one.code} disabled={!one.available}>
              {labelOf(one)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function labelOf({ name, available, fee }: Offer): string {
  if (!available) return t("gateway.down", { name });
  return isZero(fee) ? name : `${name} (+ ${money(fee)})`;
}

/** What can pay so much, a moment after the amount was typed; until then what could pay `of`. */
export function useGateways(amount: string | null, currency: string) {
  const locale = useStore(language);
  const [settled, setSettled] = useState(amount);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(amount), 250);
    return () => clearTimeout(timer);
  }, [amount]);
  const wanted = settled === null ? null : { amount: { amount: settled, currency }, locale };
  const { data, problem } = useQuery(GATEWAYS, wanted);
  const [shown, setShown] = useState<
    { gateways?: NonNullable<typeof data>["gateways"]; of?: string | null }
  >({});
  useEffect(() => {
    if (data) setShown({ gateways: data.gateways, of: settled });
    else if (problem) setShown({ gateways: [], of: settled });
  }, [data, problem]);
  return shown;
}
