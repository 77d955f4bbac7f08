/** Asks who it is once more, before what matters is changed (STEP_UP_REQUIRED). */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { Button, Field, Notice, Refused, useFocusOnError } from "../ui.tsx";

const CONFIRM = graphql(`
  mutation ConfirmIdentity($input: ConfirmIdentityInput!) {
    confirmIdentity(input: $input) { userErrors { code message field } }
  }
`);

export function ConfirmIdentity({ done }: { done: () => void }) {
  const [password, setPassword] = useState("");
  const { busy, errors, problem, run } = useAction(CONFIRM, { keyed: false });
  const form = useFocusOnError(errors);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!busy && await run({ password })) done();
  };
  return (
    <form ref={form} onSubmit={submit} novalidate>
      <Notice tone="info" title={t("factors.confirm")} />
      <Field id="confirm-password" label={t("session.password")} error={errors.password}>
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
      <Refused errors={errors} problem={problem} fields={["password"]} />
      <Button kind="primary" type="submit" busy={busy}>{t("factors.continue")}</Button>
    </form>
  );
}
