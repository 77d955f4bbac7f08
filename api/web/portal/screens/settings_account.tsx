/** The account's settings: to whom invoices go, and how they are paid. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { chooseLanguage } from "../choices.ts";
import { graphql, type ResultOf } from "../graphql.ts";
import { language, t } from "../i18n.ts";
import { languages } from "../page.ts";
import { useQuery } from "../query.ts";
import { useMay } from "../rights.ts";
import { open } from "../session.ts";
import { useStore } from "../store.ts";
import { Button, Field, Notice, Refused, Skeleton, Trouble, useFocusOnError } from "../ui.tsx";

const SETTINGS = graphql(`
  query AccountSettings {
    viewer {
      account {
        id name locale autoApplyCredit
        billing { company address postcode city country vatId }
      }
    }
  }
`);

const SAVE = graphql(`
  mutation SaveSettings($input: UpdateAccountInput!) {
    updateAccount(input: $input) {
      account { id name autoApplyCredit billing { address } }
      userErrors { code message field }
    }
  }
`);

const SHOWN = [
  ...["name", "address", "billing.postcode", "billing.city", "billing.country", "billing.vatId"],
];

type Settings = NonNullable<NonNullable<ResultOf<typeof SETTINGS>["viewer"]>["account"]>;

export function AccountSection() {
  const { data, problem, again } = useQuery(SETTINGS, {});
  const account = data?.viewer?.account;
  return (
    <section class="card" aria-labelledby="settings-account">
      <h2 id="settings-account">{t("settings.account")}</h2>
      {problem && !account && <Trouble problem={problem} again={again} />}
      {!account && !problem && <Skeleton lines={6} />}
      {account && <Form key={account.id} account={account} />}
    </section>
  );
}

function Form({ account }: { account: Settings }) {
  const may = useMay("OWNER");
  const spoken = useStore(language);
  const { billing } = account;
  const [typed, setTyped] = useState({
    name: account.name,
    company: billing.company,
    address: billing.address.join("\n"),
    postcode: billing.postcode ?? "",
    city: billing.city ?? "",
    country: billing.country ?? "",
    vatId: billing.vatId ?? "",
    autoApplyCredit: account.autoApplyCredit,
  });
  const [saved, setSaved] = useState(false);
  const action = useAction(SAVE);
  const errors = withAddress(action.errors);
  const form = useFocusOnError(action.errors);
  const put = (changed: Partial<typeof typed>) => {
    setSaved(false);
    setTyped({ ...typed, ...changed });
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (action.busy || !may) return;
    const { name, autoApplyCredit, address, ...rest } = typed;
    const lines = address.split("\n").map((line) => line.trim()).filter(Boolean);
    const done = await action.run({ name, autoApplyCredit, billing: { ...rest, address: lines } });
    setSaved(Boolean(done));
    if (done) open();
  };
  const text = (name: "name" | "postcode" | "city" | "vatId", label: string, at: string) => (
    <Field id={`account-${name}`} label={label} error={errors[at]}>
      {(props) => (
        <input
          {...props}
          value={typed[name]}
          onInput={(event) => put({ [name]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
  return (
    <form ref={form} onSubmit={submit} novalidate>
      {!may && <Notice tone="info" title={t("settings.owners-only")} />}
      <fieldset class="plain" disabled={!may}>
        {text("name", t("settings.name"), "name")}
        <label class="check">
          <input
            type="checkbox"
            checked={typed.company}
            onChange={(event) => put({ company: event.currentTarget.checked })}
          />
          <span>{t("settings.company")}</span>
        </label>
        <Field
          id="account-address"
          label={t("settings.address")}
          hint={t("settings.address.hint")}
          error={errors.address}
        >
          {(props) => (
            <textarea
              {...props}
              rows={3}
              value={typed.address}
              onInput={(event) => put({ address: event.currentTarget.value })}
            />
          )}
        </Field>
        <div class="pair">
          {text("postcode", t("settings.postcode"), "billing.postcode")}
          {text("city", t("settings.city"), "billing.city")}
        </div>
        <Field id="account-country" label={t("settings.country")} error={errors["billing.country"]}>
          {(props) => (
            <select
              {...props}
              value={typed.country}
              onChange={(event) => put({ country: event.currentTarget.value })}
            >
              <option value="">–</option>
              {countries(spoken).map(([code, name]) => (
                <option key={code} value={code}>{name}</option>
              ))}
            </select>
          )}
        </Field>
        {text("vatId", t("settings.vat-id"), "billing.vatId")}
        <label class="check">
          <input
            type="checkbox"
            checked={typed.autoApplyCredit}
            onChange={(event) => put({ autoApplyCredit: event.currentTarget.checked })}
          />
          <span>{t("settings.auto-apply")}</span>
        </label>
        <Field id="account-language" label={t("language")} hint={t("settings.language.hint")}>
          {(props) => (
            <select
              {...props}
              value={spoken}
              onChange={(event) => chooseLanguage(event.currentTarget.value)}
            >
              {Object.entries(languages).map(([tag, { name }]) => (
                <option key={tag} value={tag} lang={tag}>{name}</option>
              ))}
            </select>
          )}
        </Field>
      </fieldset>
      <Refused errors={errors} problem={action.problem} fields={SHOWN} />
      {saved && <Notice tone="good" title={t("settings.saved")} alert />}
      {may && <Button kind="primary" type="submit" busy={action.busy}>{t("settings.save")}</Button>}
    </form>
  );
}

/** Refusals of single lines are shown at the address. */
function withAddress(errors: Record<string, string>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [at, said] of Object.entries(errors)) {
    const place = at.startsWith("billing.address") ? "address" : at;
    found[place] = [found[place], said].filter(Boolean).join(" ");
  }
  return found;
}

/** No countries, although they have two letters: unions and tests. */
const NONE = ["EU", "EZ", "QO", "UN", "XA", "XB", "XK", "ZZ"];

/** Every country by its name in that language; the browser knows them. */
function countries(locale: string): [string, string][] {
  const names = new Intl.DisplayNames(locale, { type: "region", fallback: "none" });
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const found: [string, string][] = [];
  for (const code of letters.flatMap((one) => letters.map((two) => one + two))) {
    const name = names.of(code);
    // A name that has been given up stands for another.
    const lasting = new Intl.Locale(`und-${code}`).region === code;
    if (name && lasting && !NONE.includes(code)) found.push([code, name]);
  }
  return found.sort(([, one], [, two]) => one.localeCompare(two, locale));
}
