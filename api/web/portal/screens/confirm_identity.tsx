/** Asks who it is once more, before what matters is changed (`useProof`). */

import { useId, useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { ask, type Problem } from "../client.ts";
import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { answerWithPasskey, supported } from "../passkeys.ts";
import { useQuery } from "../query.ts";
import type { Proof } from "../step_up.ts";
import { Button, Field, Notice, Refused, Skeleton, Trouble, useFocusOnError } from "../ui.tsx";

export const FACTORS = graphql(`query SecondFactors { viewer { secondFactors } }`);

const BEGIN = graphql(`
  mutation BeginConfirmIdentity { beginConfirmIdentity { options userErrors { code message field } } }
`);

const CONFIRM = graphql(`
  mutation ConfirmIdentity($input: ConfirmIdentityInput!) {
    confirmIdentity(input: $input) { userErrors { code message field } }
  }
`);

const FACTOR_WAYS = ["TOTP", "PASSKEY", "RECOVERY_CODE"] as const;
type Way = "PASSWORD" | typeof FACTOR_WAYS[number];

/** The ways that count: of who has a second factor, no password. */
function waysWith(has: readonly Way[]): Way[] {
  const ways = FACTOR_WAYS.filter((one) => has.includes(one) && (one !== "PASSKEY" || supported()));
  return has.length ? ways : ["PASSWORD"];
}

export function ConfirmIdentity({ proof }: { proof: Proof }) {
  const { data, problem, again } = useQuery(FACTORS, {});
  if (data) {
    return <Question proof={proof} ways={waysWith(data.viewer?.secondFactors ?? [])} />;
  }
  return problem ? <Trouble problem={problem} again={again} /> : <Skeleton lines={3} />;
}

function Question({ proof, ways }: { proof: Proof; ways: Way[] }) {
  const [chosen, setWay] = useState<Way>();
  const way = chosen && ways.includes(chosen) ? chosen : ways[0] ?? "RECOVERY_CODE";
  const [typed, setTyped] = useState("");
  const [declined, setDeclined] = useState(false);
  const [unasked, setUnasked] = useState<Problem>();
  const { busy, errors, problem, run } = useAction(CONFIRM, { keyed: false });
  const form = useFocusOnError(errors);
  const id = useId();
  const field = way === "PASSWORD" ? "password" : "code";
  const withPasskey = async () => {
    setUnasked(undefined);
    try {
      const { options } = (await ask(BEGIN, {})).beginConfirmIdentity;
      const passkey = options ? await answerWithPasskey(options) : undefined;
      setDeclined(!passkey);
      return passkey;
    } catch (met) {
      setUnasked(met as Problem);
    }
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const passkey = way === "PASSKEY" ? await withPasskey() : undefined;
    if (way === "PASSKEY" && !passkey) return;
    if (await run(passkey ? { passkey } : { [field]: typed })) proof.end(true);
  };
  return (
    <form ref={form} onSubmit={submit} novalidate class="confirm">
      <Notice tone="info" title={t("factors.confirm")} alert />
      {way !== "PASSKEY" && (
        <Field
          key={way}
          id={id}
          label={way === "PASSWORD" ? t("session.password") : t(`factors.step.${way}`)}
          error={errors[field]}
        >
          {(props) => {
            const onInput = (event: InputEvent) =>
              setTyped((event.currentTarget as HTMLInputElement).value);
            const given = { ...props, value: typed, onInput };
            if (way === "PASSWORD") {
              return <input {...given} type="password" autocomplete="current-password" />;
            }
            return way === "TOTP"
              ? <input {...given} class="code" inputmode="numeric" autocomplete="one-time-code" />
              : <input {...given} class="code" autocomplete="off" spellcheck={false} />;
          }}
        </Field>
      )}
      {declined && <Notice tone="warn" title={t("factors.declined")} alert />}
      {unasked && <Trouble problem={unasked} />}
      <Refused errors={errors} problem={problem} fields={way === "PASSKEY" ? [] : [field]} />
      <Button kind="primary" type="submit" busy={busy}>
        {way === "PASSKEY" ? t("factors.use-passkey") : t("factors.continue")}
      </Button>
      <div class="ways">
        {ways.filter((one) => one !== way).map((one) => (
          <Button
            key={one}
            kind="quiet"
            onClick={() => {
              setWay(one);
              setTyped("");
              setDeclined(false);
            }}
          >
            {t(`factors.instead.${one}`)}
          </Button>
        ))}
        <Button kind="quiet" icon="back" onClick={() => proof.end(false)}>
          {t("factors.not-now")}
        </Button>
      </div>
    </form>
  );
}
