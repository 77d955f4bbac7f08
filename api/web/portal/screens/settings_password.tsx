/** Settings: the password, and the e-mail address that one signs in with. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { useQuery } from "../query.ts";
import { useProof } from "../step_up.ts";
import { Button, Notice, Refused, useFocusOnError } from "../ui.tsx";
import { ConfirmIdentity } from "./confirm_identity.tsx";
import { TextField } from "./doors.tsx";

const CHANGE_PASSWORD = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) { userErrors { code message field } }
  }
`);

const CHANGE_EMAIL = graphql(`
  mutation ChangeEmail($input: ChangeEmailInput!) {
    changeEmail(input: $input) { userErrors { code message field } }
  }
`);

const VIEWER_EMAIL = graphql(`query ViewerEmail { viewer { email } }`);

export function PasswordSection() {
  const { data } = useQuery(VIEWER_EMAIL, {});
  return (
    <>
      <ChangePassword />
      {data?.viewer?.email && <ChangeEmail now={data.viewer.email} />}
    </>
  );
}

function ChangePassword() {
  const [currentPassword, setCurrent] = useState("");
  const [newPassword, setNew] = useState("");
  const [done, setDone] = useState(false);
  const { busy, errors, problem, run } = useAction(CHANGE_PASSWORD, { keyed: false });
  const form = useFocusOnError(errors);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setDone(false);
    if (!await run({ currentPassword, newPassword })) return;
    setDone(true);
    setCurrent("");
    setNew("");
  };
  return (
    <section class="card narrow" aria-labelledby="settings-password">
      <h2 id="settings-password">{t("settings.password")}</h2>
      <form ref={form} onSubmit={submit} novalidate>
        <TextField
          id="current-password"
          type="password"
          autocomplete="current-password"
          label={t("settings.password.current")}
          error={errors.currentPassword}
          value={currentPassword}
          set={setCurrent}
        />
        <TextField
          id="new-password"
          type="password"
          autocomplete="new-password"
          label={t("door.new-password")}
          hint={t("door.new-password.hint")}
          error={errors.newPassword}
          value={newPassword}
          set={setNew}
        />
        <Refused errors={errors} problem={problem} fields={["currentPassword", "newPassword"]} />
        {done && <Notice tone="good" title={t("settings.password.done")} alert />}
        <Button kind="primary" type="submit" busy={busy}>{t("settings.password.save")}</Button>
      </form>
    </section>
  );
}

function ChangeEmail({ now }: { now: string }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [sentTo, setSentTo] = useState("");
  const proof = useProof();
  const { busy, errors, problem, run } = useAction(CHANGE_EMAIL, {
    keyed: false,
    through: proof.through,
  });
  const form = useFocusOnError(errors);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setSentTo("");
    if (!await run({ email, password })) return;
    setSentTo(email);
    setEmail("");
    setPassword("");
  };
  return (
    <section class="card narrow" aria-labelledby="settings-email">
      <h2 id="settings-email">{t("settings.email")}</h2>
      <p>{t("settings.email.now", { email: now })}</p>
      {proof.asked
        ? <ConfirmIdentity proof={proof} />
        : (
          <form ref={form} onSubmit={submit} novalidate>
            <TextField
              id="new-email"
              type="email"
              autocomplete="email"
              label={t("settings.email.new")}
              error={errors.email}
              value={email}
              set={setEmail}
            />
            <TextField
              id="email-password"
              type="password"
              autocomplete="current-password"
              label={t("settings.password.current")}
              error={errors.password}
              value={password}
              set={setPassword}
            />
            <Refused errors={errors} problem={problem} fields={["email", "password"]} />
            {sentTo && (
              <Notice tone="good" title={t("settings.email.done", { email: sentTo })} alert />
            )}
            <Button kind="primary" type="submit" busy={busy}>{t("settings.email.save")}</Button>
          </form>
        )}
    </section>
  );
}
