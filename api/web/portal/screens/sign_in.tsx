/** Signing in; afterwards the screen that was asked for is there. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { Brand, Preferences } from "../layout.tsx";
import { demo, seller, signUpCurrencies } from "../page.ts";
import { Heading, Link } from "../router.tsx";
import { open } from "../session.ts";
import { IdentityProviders, ProviderOutcome } from "./identity_providers.tsx";
import { Button, Field, Notice, Refused, useFocusOnError } from "../ui.tsx";
import { challenge } from "./second_step.tsx";

const SIGN_IN = graphql(`
  mutation SignIn($input: SignInInput!) {
    signIn(input: $input) {
      viewer { role }
      challenge { token methods passkeyOptions }
      userErrors { code message field }
    }
  }
`);

export function SignIn({ expired }: { expired: boolean }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { busy, errors, problem, run } = useAction(SIGN_IN, { keyed: false });
  const form = useFocusOnError(errors);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const done = await run({ email, password });
    if (done?.challenge) challenge.set(done.challenge);
    else if (done) await open();
  };
  return (
    <main class="door">
      <div class="panel">
        <Brand />
        <Heading title={t("session.sign-in")}>{t("session.welcome")}</Heading>
        <ProviderOutcome />
        {expired && <Notice tone="info" title={t("session.expired")} alert />}
        <form ref={form} onSubmit={submit} novalidate>
          <Field id="email" label={t("session.email")} error={errors.email}>
            {(props) => (
              <input
                {...props}
                type="email"
                autocomplete="username"
                value={email}
                onInput={(event) => setEmail(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field id="password" label={t("session.password")} error={errors.password}>
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
          <Refused errors={errors} problem={problem} fields={["email", "password"]} />
          <Button kind="primary" type="submit" busy={busy}>{t("session.sign-in")}</Button>
        </form>
        <IdentityProviders />
        <p class="doors">
          <Link to="/billing/forgot-password">{t("door.forgot")}</Link>
          {signUpCurrencies && <Link to="/billing/sign-up">{t("door.sign-up")}</Link>}
        </p>
        {demo && (
          <section class="demo" aria-labelledby="demo">
            <h2 id="demo">{t("session.demo", { seller })}</h2>
            <ul>
              {demo.people.map(({ name, email }) => (
                <li key={email}>
                  <button
                    type="button"
                    onClick={() => {
                      setEmail(email);
                      setPassword(demo?.password ?? "");
                    }}
                  >
                    <strong>{name}</strong>
                    <small>{email}</small>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
        <Preferences />
      </div>
    </main>
  );
}
