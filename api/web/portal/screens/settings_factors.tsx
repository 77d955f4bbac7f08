/** Two-step sign-in: an authenticator app, passkeys, and recovery codes. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { byField, type Payload } from "../action.ts";
import { ask, type Problem } from "../client.ts";
import { graphql, type ResultOf } from "../graphql.ts";
import { t } from "../i18n.ts";
import { makePasskey, supported } from "../passkeys.ts";
import { useQuery } from "../query.ts";
import { useProof } from "../step_up.ts";
import { Button, Field, Notice, Pill, Refused, Skeleton, Trouble } from "../ui.tsx";
import { Copy } from "./copy.tsx";
import { ConfirmIdentity, FACTORS } from "./confirm_identity.tsx";

const BEGIN_TOTP = graphql(`
  mutation BeginTotp { beginTotp { secret qrCode userErrors { code message field } } }
`);

const CONFIRM_TOTP = graphql(`
  mutation ConfirmTotp($input: ConfirmTotpInput!) {
    confirmTotp(input: $input) { recoveryCodes userErrors { code message field } }
  }
`);

const BEGIN_PASSKEY = graphql(`
  mutation BeginPasskey { beginPasskey { options userErrors { code message field } } }
`);

const CONFIRM_PASSKEY = graphql(`
  mutation ConfirmPasskey($input: ConfirmPasskeyInput!) {
    confirmPasskey(input: $input) { recoveryCodes userErrors { code message field } }
  }
`);

const RENEW = graphql(`
  mutation RenewRecoveryCodes {
    renewRecoveryCodes { recoveryCodes userErrors { code message field } }
  }
`);

const REMOVE = graphql(`
  mutation RemoveSecondFactor($input: RemoveSecondFactorInput!) {
    removeSecondFactor(input: $input) { userErrors { code message field } }
  }
`);

type Factor = "TOTP" | "PASSKEY" | "RECOVERY_CODE";
type NewApp = ResultOf<typeof BEGIN_TOTP>["beginTotp"];
type Open = { as: "nothing" } | { as: "app"; app: NewApp } | { as: "remove"; factor: Factor };

/** What is being sent, what it was refused for, and the proof of who it is that it may ask for. */
function useSteps() {
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState<Problem>();
  const proof = useProof();

  /** The payload where it was done. */
  const run = async <P extends Payload>(send: () => Promise<P>) => {
    setBusy(true);
    setErrors({});
    setProblem(undefined);
    try {
      const payload = await proof.through(send);
      const refused = payload?.userErrors ?? [];
      setErrors(byField(refused));
      return refused.length ? undefined : payload;
    } catch (met) {
      setProblem(met as Problem);
    } finally {
      setBusy(false);
    }
  };
  const forget = () => {
    setErrors({});
    setProblem(undefined);
    proof.end(false);
  };
  return { busy, errors, problem, proof, run, forget };
}

export function FactorsSection() {
  return <Factors />;
}

/** `changed` is told of what was set up and removed. */
export function Factors({ changed }: { changed?: () => void }) {
  const { data, problem, again: askAgain } = useQuery(FACTORS, {});
  const again = () => {
    askAgain();
    changed?.();
  };
  const [open, setOpen] = useState<Open>({ as: "nothing" });
  const [codes, setCodes] = useState<readonly string[]>([]);
  const [declined, setDeclined] = useState(false);
  const steps = useSteps();
  const has = (factor: Factor) => data?.viewer?.secondFactors.includes(factor) ?? false;

  const added = (payload?: { recoveryCodes: readonly string[] }) => {
    if (!payload) return;
    setOpen({ as: "nothing" });
    if (payload.recoveryCodes.length) setCodes(payload.recoveryCodes);
    again();
  };
  const show = (what: Open) => {
    setCodes([]);
    setDeclined(false);
    steps.forget();
    setOpen(what);
  };
  const beginApp = async () => {
    show({ as: "nothing" });
    const app = await steps.run(() => ask(BEGIN_TOTP, {}).then((d) => d.beginTotp));
    if (app) setOpen({ as: "app", app });
  };
  const confirmApp = async (code: string) => {
    const done = await steps.run(
      () => ask(CONFIRM_TOTP, { input: { code } }).then((d) => d.confirmTotp),
    );
    added(done);
  };
  const addPasskey = async () => {
    show({ as: "nothing" });
    const begun = await steps.run(() => ask(BEGIN_PASSKEY, {}).then((d) => d.beginPasskey));
    if (!begun?.options) return;
    const credential = await makePasskey(begun.options);
    setDeclined(!credential);
    if (!credential) return;
    const input = { credential, name: t("factors.PASSKEY") };
    const done = await steps.run(
      () => ask(CONFIRM_PASSKEY, { input }).then((d) => d.confirmPasskey),
    );
    added(done);
  };
  const renew = async () => {
    show({ as: "nothing" });
    const done = await steps.run(() => ask(RENEW, {}).then((d) => d.renewRecoveryCodes));
    added(done);
  };
  const remove = async (factor: Factor, password: string) => {
    const done = await steps.run(
      () => ask(REMOVE, { input: { factor, password } }).then((d) => d.removeSecondFactor),
    );
    if (!done) return;
    show({ as: "nothing" });
    again();
  };

  return (
    <section class="card" aria-labelledby="settings-factors">
      <h2 id="settings-factors">{t("factors")}</h2>
      <p class="lead">{t("factors.what")}</p>
      {problem && !data && <Trouble problem={problem} again={again} />}
      {!data && !problem && <Skeleton lines={3} />}
      {data && (
        <ul class="people">
          <Row factor="TOTP" on={has("TOTP")} remove={() => show({ as: "remove", factor: "TOTP" })}>
            {!has("TOTP") && <Button onClick={beginApp}>{t("factors.set-up")}</Button>}
          </Row>
          <Row
            factor="PASSKEY"
            on={has("PASSKEY")}
            remove={() => show({ as: "remove", factor: "PASSKEY" })}
          >
            {supported() && <Button onClick={addPasskey}>{t("factors.add-passkey")}</Button>}
          </Row>
          {(has("TOTP") || has("PASSKEY")) && (
            <Row factor="RECOVERY_CODE" on={has("RECOVERY_CODE")}>
              <Button onClick={renew}>{t("factors.renew")}</Button>
            </Row>
          )}
        </ul>
      )}
      {declined && <Notice tone="warn" title={t("factors.declined")} alert />}
      {open.as === "nothing" && <Refused errors={steps.errors} problem={steps.problem} />}
      {steps.proof.asked && <ConfirmIdentity proof={steps.proof} />}
      {open.as === "app" && !steps.proof.asked && (
        <AppForm app={open.app} steps={steps} confirm={confirmApp} />
      )}
      {open.as === "remove" && !steps.proof.asked && (
        <RemoveForm factor={open.factor} steps={steps} remove={remove} />
      )}
      {codes.length > 0 && <RecoveryCodes codes={codes} done={() => setCodes([])} />}
    </section>
  );
}

type Steps = ReturnType<typeof useSteps>;

function Row({ factor, on, remove, children }: {
  factor: Factor;
  on: boolean;
  remove?: () => void;
  children?: ComponentChildren;
}) {
  return (
    <li>
      <div>
        <strong>{t(`factors.${factor}`)}</strong>
        <small>{t(`factors.${factor}.what`)}</small>
      </div>
      <Pill tone={on ? "good" : "calm"}>{on ? t("factors.on") : t("factors.off")}</Pill>
      {children}
      {on && remove && <Button kind="quiet" onClick={remove}>{t("factors.remove")}</Button>}
    </li>
  );
}

function AppForm({ app, steps, confirm }: {
  app: NewApp;
  steps: Steps;
  confirm: (code: string) => void;
}) {
  const [code, setCode] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (!steps.busy) confirm(code);
  };
  return (
    <form onSubmit={submit} novalidate class="factor">
      <p>{t("factors.scan")}</p>
      {app.qrCode && <img src={app.qrCode} alt={t("factors.qr")} width="180" height="180" />}
      <p>
        {t("factors.secret")} <code class="secret">{app.secret}</code>
        <Copy text={app.secret ?? ""} label={t("factors.secret")} />
      </p>
      <Field id="totp" label={t("factors.step.TOTP")} error={steps.errors.code}>
        {(props) => (
          <input
            {...props}
            class="code"
            inputmode="numeric"
            autocomplete="one-time-code"
            value={code}
            onInput={(event) => setCode(event.currentTarget.value)}
          />
        )}
      </Field>
      <Refused errors={steps.errors} problem={steps.problem} fields={["code"]} />
      <Button kind="primary" type="submit" busy={steps.busy}>{t("factors.turn-on")}</Button>
    </form>
  );
}

function RemoveForm({ factor, steps, remove }: {
  factor: Factor;
  steps: Steps;
  remove: (factor: Factor, password: string) => void;
}) {
  const [password, setPassword] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (!steps.busy) remove(factor, password);
  };
  return (
    <form onSubmit={submit} novalidate class="factor">
      <p>{t(`factors.${factor}.remove`)}</p>
      <Field id="factor-password" label={t("session.password")} error={steps.errors.password}>
        {(props) => (
          <input
            {...props}
            type="password"
            autocomplete="current-password"
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        )}
      </Field>
      <Refused errors={steps.errors} problem={steps.problem} fields={["password"]} />
      <Button kind="danger" type="submit" busy={steps.busy}>{t("factors.remove")}</Button>
    </form>
  );
}

/** They are shown once, so the person says that they have them. */
function RecoveryCodes({ codes, done }: { codes: readonly string[]; done: () => void }) {
  return (
    <div class="factor" role="status">
      <Notice tone="warn" title={t("factors.codes")}>
        <p>{t("factors.codes.what")}</p>
        <ul class="codes">
          {codes.map((code) => (
            <li key={code}>
              <code>{code}</code>
            </li>
          ))}
        </ul>
        <Copy text={codes.join("\n")} label={t("factors.RECOVERY_CODE")} />
      </Notice>
      <Button icon="download" onClick={() => print()}>{t("factors.print")}</Button>
      <Button kind="primary" onClick={done}>{t("factors.codes.done")}</Button>
    </div>
  );
}
