import type { SubmitEvent } from "react";
import { useState } from "react";
import { graphql, useMutation } from "react-relay";
import type { Refusal } from "../../shared/refusals";
import { byField } from "../../shared/refusals";
import type { SignInMutation } from "./__generated__/SignInMutation.graphql";

export function SignIn() {
  const [signIn, loading] = useMutation<SignInMutation>(graphql`
    mutation SignInMutation($input: SignInInput!) {
      signIn(input: $input) {
        viewer {
          role
        }
        userErrors {
          code
          message
          field
        }
      }
    }
  `);
  const [refusals, setRefusals] = useState<readonly Refusal[]>([]);
  const messages = byField(refusals, []);

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    signIn({
      variables: { input: { email: `${form.get("email")}`, password: `${form.get("password")}` } },
      updater(store) {
        const viewer = store.getRootField("signIn")?.getLinkedRecord("viewer");
        if (viewer) store.getRoot().setLinkedRecord(viewer, "viewer");
      },
      onCompleted: (done) => setRefusals(done.signIn.userErrors),
      onError: ({ message }) => setRefusals([{ code: "INVALID", message }]),
    });
  }

  return (
    <form onSubmit={submit}>
      <h1>Sign in</h1>
      <label>
        E-mail address
        <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      {messages[""] && <p role="alert">{messages[""]}</p>}
      <button disabled={loading}>Sign in</button>
    </form>
  );
}
