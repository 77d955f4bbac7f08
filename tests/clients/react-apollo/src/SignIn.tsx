import { useMutation } from "@apollo/client/react";
import type { SubmitEvent } from "react";
import { byField } from "../../shared/refusals";
import { SignInMutation, ViewerQuery } from "./documents";

export function SignIn() {
  const [signIn, { data, loading, error }] = useMutation(SignInMutation, {
    update(cache, { data }) {
      if (data?.signIn.viewer) {
        cache.writeQuery({ query: ViewerQuery, data: { viewer: data.signIn.viewer } });
      }
    },
  });
  const messages = byField(data?.signIn.userErrors ?? [], []);

  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const input = { email: `${form.get("email")}`, password: `${form.get("password")}` };
    void signIn({ variables: { input } });
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
      {(messages[""] || error) && <p role="alert">{messages[""] ?? error?.message}</p>}
      <button disabled={loading}>Sign in</button>
    </form>
  );
}
