/** A form that does one thing: its fields, what was refused, and the button that sends it. */

import type { ComponentChildren } from "preact";
import type { Action } from "../action.ts";
import { Button, Field, Refused, useFocusOnError } from "../ui.tsx";

interface FormProps {
  action: Pick<Action<unknown, object>, "busy" | "errors" | "problem">;
  /** Those that show their refusals themselves. */
  fields: string[];
  /** What the button says. */
  label: string;
  /** Sends it; never while it is being sent. */
  send: () => unknown;
  /** What came of it, before the button. */
  outcome?: ComponentChildren;
  children: ComponentChildren;
}

export function Form({ action, fields, label, send, outcome, children }: FormProps) {
  const { busy, errors, problem } = action;
  const form = useFocusOnError(errors);
  const submit = (event: Event) => {
    event.preventDefault();
    if (!busy) send();
  };
  return (
    <form ref={form} onSubmit={submit} novalidate>
      {children}
      <Refused errors={errors} problem={problem} fields={fields} />
      {outcome}
      <Button kind="primary" type="submit" busy={busy}>{label}</Button>
    </form>
  );
}

interface InputProps {
  id: string;
  label: string;
  hint?: string;
  error?: string;
  type?: "email" | "password" | "text";
  autocomplete: string;
  value: string;
  set: (value: string) => void;
}

export function TextField(
  { id, label, hint, error, type = "text", value, set, ...rest }: InputProps,
) {
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      {(props) => {
        const given = {
          ...props,
          autocomplete: rest.autocomplete,
          value,
          onInput: (event: InputEvent) => set((event.currentTarget as HTMLInputElement).value),
        };
        if (type === "email") return <input {...given} type="email" />;
        if (type === "password") return <input {...given} type="password" />;
        return <input {...given} type="text" />;
      }}
    </Field>
  );
}
