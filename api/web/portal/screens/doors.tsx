/** The pages before one is signed in: a forgotten password, signing up, and where links lead. */

import type { ComponentChildren, ComponentType } from "preact";
import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { language, t } from "../i18n.ts";
import { Brand, Preferences } from "../layout.tsx";
import { demo, signUpCurrencies } from "../page.ts";
import { go, Heading, Link } from "../router.tsx";
import { open } from "../session.ts";
import { Button, Field, Notice, Refused } from "../ui.tsx";
import { Form, TextField } from "./form.tsx";
import { challenge } from "./second_step.tsx";

const RESET = graphql(`
  mutation RequestPasswordReset($input: RequestPasswordResetInput!) {
    requestPasswordReset(input: $input) { userErrors { code message field } }
  }
`);

const SET_PASSWORD = graphql(`
  mutation SetPassword($input: SetPasswordInput!) {
    setPassword(input: $input) {
      viewer { role }
      challenge { token methods passkeyOptions }
      userErrors { code message field }
    }
  }
`);

const SIGN_UP = graphql(`
  mutation SignUp($input: SignUpInput!) {
    signUp(input: $input) { userErrors { code message field } }
  }
`);

const CONFIRM_EMAIL = graphql(`
  mutation ConfirmEmail($input: ConfirmEmailInput!) {
    confirmEmail(input: $input) { viewer { role } userErrors { code message field } }
  }
`);

/** The token of the link that opened the page; it is in no address from then on. */
const token = takeToken();

function takeToken(): string {
  const url = new URL(location.href);
  const found = url.searchParams.get("token") ?? "";
  if (found) history.replaceState(null, "", url.pathname);
  return found;
}

/** The page of an address that anybody may open, signed in or not. */
export function doorAt(path: string): ComponentType | undefined {
  const [, area, place, more] = path.split("/");
  if (area !== "billing" || more) return undefined;
  if (place === "forgot-password") return ForgotPassword;
  if (place === "set-password") return SetPassword;
  if (place === "confirm-email") return ConfirmEmail;
  return place === "sign-up" && signUpCurrencies ? SignUp : undefined;
}

function Frame({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="door">
      <div class="panel">
        <Brand />
        <Heading title={title}>{title}</Heading>
        {children}
        <p class="doors">
          <Link to="/">{t("door.back")}</Link>
        </p>
        <Preferences />
      </div>
    </main>
  );
}

function Sent({ children }: { children: ComponentChildren }) {
  return (
    <Notice tone="good" title={t("door.sent")} alert>
      <p>{children}</p>
      {demo && (
        <p>
          <a href="/mailbox">{t("door.mailbox")}</a>
        </p>
      )}
    </Notice>
  );
}

function ForgotPassword() {
  const [email, setEmail] = useState("");
  const [sent, setSent] = useState(false);
  const action = useAction(RESET, { keyed: false });
  const send = async () => {
    if (await action.run({ email })) setSent(true);
  };
  return (
    <Frame title={t("door.forgot")}>
      {sent
        ? <Sent>{t("door.sent.reset")}</Sent>
        : (
          <Form action={action} fields={["email"]} label={t("door.forgot.send")} send={send}>
            <p>{t("door.forgot.what")}</p>
            <TextField
              id="email"
              type="email"
              autocomplete="username"
              label={t("session.email")}
              error={action.errors.email}
              value={email}
              set={setEmail}
            />
          </Form>
        )}
    </Frame>
  );
}

function SetPassword() {
  const [password, setPassword] = useState("");
  const action = useAction(SET_PASSWORD, { keyed: false });
  const send = async () => {
    const done = await action.run({ token, password });
    if (!done) return;
    go("/", true);
    if (done.challenge) challenge.set(done.challenge);
    else await open();
  };
  return (
    <Frame title={t("door.set-password")}>
      <Form
        action={action}
        fields={["password"]}
        label={t("door.set-password.save")}
        send={send}
        outcome={action.errors.token && (
          <p>
            <Link to="/billing/forgot-password">{t("door.forgot")}</Link>
          </p>
        )}
      >
        <TextField
          id="password"
          type="password"
          autocomplete="new-password"
          label={t("door.new-password")}
          hint={t("door.new-password.hint")}
          error={action.errors.password}
          value={password}
          set={setPassword}
        />
      </Form>
    </Frame>
  );
}

function SignUp() {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [currency, setCurrency] = useState(
    signUpCurrencies?.find((code) => code === "USD") ?? signUpCurrencies?.[0] ?? "",
  );
  const [sent, setSent] = useState(false);
  const action = useAction(SIGN_UP);
  const { errors } = action;
  const send = async () => {
    const locale = language.get();
    if (await action.run({ email, name, password, currency, locale })) setSent(true);
  };
  if (sent) {
    return (
      <Frame title={t("door.sign-up")}>
        <Sent>{t("door.sent.sign-up", { email })}</Sent>
      </Frame>
    );
  }
  return (
    <Frame title={t("door.sign-up")}>
      <Form
        action={action}
        fields={["name", "email", "password", "currency"]}
        label={t("door.sign-up")}
        send={send}
      >
        <TextField
          id="name"
          autocomplete="name"
          label={t("door.name")}
          hint={t("door.name.hint")}
          error={errors.name}
          value={name}
          set={setName}
        />
        <TextField
          id="email"
          type="email"
          autocomplete="username"
          label={t("session.email")}
          error={errors.email}
          value={email}
          set={setEmail}
        />
        <TextField
          id="password"
          type="password"
          autocomplete="new-password"
          label={t("session.password")}
          hint={t("door.new-password.hint")}
          error={errors.password}
          value={password}
          set={setPassword}
        />
        <Field id="currency" label={t("door.currency")} error={errors.currency}>
          {(props) => (
            <select
              {...props}
              value={currency}
              onChange={(event) => setCurrency(event.currentTarget.value)}
            >
              {signUpCurrencies?.map((code) => <option key={code} value={code}>{code}</option>)}
            </select>
          )}
        </Field>
      </Form>
    </Frame>
  );
}

/** A button, for programs that look into links open them as well. */
function ConfirmEmail() {
  const [confirmed, setConfirmed] = useState(false);
  const { busy, errors, problem, run } = useAction(CONFIRM_EMAIL, { keyed: false });
  const confirm = async () => {
    const done = await run({ token });
    if (!done) return;
    setConfirmed(true);
    if (!done.viewer) return;
    go("/", true);
    await open();
  };
  return (
    <Frame title={t("door.confirm")}>
      {confirmed ? <Notice tone="good" title={t("door.confirmed")} alert /> : (
        <form>
          <p>{t("door.confirm.what")}</p>
          <Refused errors={errors} problem={problem} />
          <Button kind="primary" busy={busy} onClick={confirm}>{t("door.confirm.button")}</Button>
        </form>
      )}
    </Frame>
  );
}
