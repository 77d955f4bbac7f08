/** Settings: the password, and the e-mail address that one signs in with. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { useQuery } from "../query.ts";
import { useProof } from "../step_up.ts";
import { Notice } from "../ui.tsx";
import { ConfirmIdentity } from "./confirm_identity.tsx";
import { Form, TextField } from "./form.tsx";

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
  const action = useAction(CHANGE_PASSWORD, { keyed: false });
  const send = async () => {
    setDone(false);
    if (!await action.run({ currentPassword, newPassword })) return;
    setDone(true);
    setCurrent("");
    setNew("");
  };
  return (
    <section class="card narrow" aria-labelledby="settings-password">
      <h2 id="settings-password">{t("settings.password")}</h2>
      <Form
        action={action}
        fields={["currentPassword", "newPassword"]}
        label={t("settings.password.save")}
        send={send}
        outcome={done && <Notice tone="good" title={t("settings.password.done")} alert />}
      >
        <TextField
          id="current-password"
          type="password"
          autocomplete="current-password"
          label={t("settings.password.current")}
          error={action.errors.currentPassword}
          value={currentPassword}
          set={setCurrent}
        />
        <TextField
          id="new-password"
          type="password"
          autocomplete="new-password"
          label={t("door.new-password")}
          hint={t("door.new-password.hint")}
          error={action.errors.newPassword}
          value={newPassword}
          set={setNew}
        />
      </Form>
    </section>
  );
}

function ChangeEmail({ now }: { now: string }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [sentTo, setSentTo] = useState("");
  const proof = useProof();
  const action = useAction(CHANGE_EMAIL, { keyed: false, through: proof.through });
  const send = async () => {
    setSentTo("");
    if (!await action.run({ email, password })) return;
    setSentTo(email);
    setEmail("");
    setPassword("");
  };
  const sent = sentTo && (
    <Notice tone="good" title={t("settings.email.done", { email: sentTo })} alert />
  );
  return (
    <section class="card narrow" aria-labelledby="settings-email">
      <h2 id="settings-email">{t("settings.email")}</h2>
      <p>{t("settings.email.now", { email: now })}</p>
      {proof.asked ? <ConfirmIdentity proof={proof} /> : (
        <Form
          action={action}
          fields={["email", "password"]}
          label={t("settings.email.save")}
          send={send}
          outcome={sent}
        >
          <TextField
            id="new-email"
            type="email"
            autocomplete="email"
            label={t("settings.email.new")}
            error={action.errors.email}
            value={email}
            set={setEmail}
          />
          <TextField
            id="email-password"
            type="password"
            autocomplete="current-password"
            label={t("settings.password.current")}
            error={action.errors.password}
            value={password}
            set={setPassword}
          />
        </Form>
      )}
    </section>
  );
}
