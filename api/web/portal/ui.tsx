/** The small parts that screens are made of. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "./client.ts";
import { Icon, type IconName } from "./icons.tsx";
import { known, moment, type Money, money, t } from "./i18n.ts";

interface ButtonProps {
  children: ComponentChildren;
  kind?: "primary" | "plain" | "quiet" | "danger";
  icon?: IconName;
  busy?: boolean;
  type?: "button" | "submit";
  onClick?: () => void;
}

/** Pressing it while it is busy does nothing; it keeps the focus, which `disabled` would lose. */
export function Button(
  { children, kind = "plain", icon, busy, type = "button", onClick }: ButtonProps,
) {
  const press = (event: MouseEvent) => {
    if (busy) event.preventDefault();
    else onClick?.();
  };
  return (
    <button
      type={type}
      class={`button ${kind}`}
      aria-disabled={busy}
      aria-busy={busy}
      onClick={press}
    >
      {busy ? <span class="spinner" /> : icon && <Icon name={icon} />}
      <span>{children}</span>
    </button>
  );
}

interface FieldProps {
  id: string;
  label: ComponentChildren;
  hint?: ComponentChildren;
  error?: string;
  children: (props: ControlProps) => ComponentChildren;
}

interface ControlProps {
  id: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

/** A labelled control with its hint and its error, which screen readers read with it. */
export function Field({ id, label, hint, error, children }: FieldProps) {
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={`field${error ? " wrong" : ""}`}>
      <label for={id}>{label}</label>
      {children({
        id,
        "aria-describedby": described || undefined,
        "aria-invalid": error ? true : undefined,
      })}
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
      {error && (
        <p class="error" id={`${id}-error`}>
          <Icon name="alert" />
          {error}
        </p>
      )}
    </div>
  );
}

type Tone = "good" | "bad" | "warn" | "info" | "calm";

export function Pill({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`pill ${tone}`}>{children}</span>;
}

const TONE_ICONS = {
  good: "check",
  bad: "alert",
  warn: "alert",
  info: "info",
  calm: "clock",
} as const;

interface NoticeProps {
  tone: Tone;
  title?: ComponentChildren;
  children?: ComponentChildren;
  alert?: boolean;
}

export function Notice({ tone, title, children, alert }: NoticeProps) {
  return (
    <div class={`notice ${tone}`} role={alert ? "alert" : undefined}>
      <Icon name={TONE_ICONS[tone]} />
      <div>
        {title && <p class="title">{title}</p>}
        {children}
      </div>
    </div>
  );
}

/** Why something could not be had, with a way to try again. */
export function Trouble({ problem, again }: { problem: Problem; again?: () => void }) {
  if (problem.kind === "signed-out") return null;
  const said = problem.kind === "unreachable"
    ? t("problem.unreachable")
    : problem.kind === "busy"
    ? problem.message
    : t("problem.failed");
  return (
    <Notice tone="bad" title={said} alert>
      {problem.id && <p class="hint">{t("problem.id", { id: problem.id })}</p>}
      {again && <Button icon="refresh" onClick={again}>{t("problem.again")}</Button>}
    </Notice>
  );
}

/** Refusals that belong to no field, and requests that nobody answered. */
export function Refused({ errors, problem, fields = [] }: {
  errors: Record<string, string>;
  problem?: Problem;
  fields?: string[];
}) {
  const loose = Object.entries(errors).filter(([field]) => !fields.includes(field));
  if (problem) return <Trouble problem={problem} />;
  if (!loose.length) return null;
  return <Notice tone="bad" title={loose.map(([, said]) => said).join(" ")} alert />;
}

/** After a refusal the first field that it is about has the focus. */
export function useFocusOnError(errors: Record<string, string>) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (Object.keys(errors).length) {
      form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
    }
  }, [errors]);
  return form;
}

export function Amount({ of, signed }: { of: Money; signed?: boolean }) {
  return <span class="amount">{money(of, signed)}</span>;
}

export function When({ at }: { at: string }) {
  return <time dateTime={at}>{moment(at)}</time>;
}

/** The present, looked at from time to time. */
export function useNow(everyMs = 10_000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status">
      <span class="unseen">{t("loading")}</span>
      {Array.from({ length: lines }, (_, line) => <div key={line} class="bone" />)}
    </div>
  );
}

export function Empty({ icon, title, children }: {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <span class="disc">
        <Icon name={icon} />
      </span>
      <p class="title">{title}</p>
      {children}
    </div>
  );
}

const INVOICE_TONES: Record<string, Tone> = {
  UNPAID: "warn",
  PROCESSING: "info",
  PAID: "good",
  VOID: "calm",
  REFUNDED: "calm",
};

export function InvoicePill({ status, overdue }: { status: string; overdue: boolean }) {
  const key = known(`status.${status}`);
  return overdue
    ? <Pill tone="bad">{t("status.OVERDUE")}</Pill>
    : <Pill tone={INVOICE_TONES[status] ?? "calm"}>{key ? t(key) : status}</Pill>;
}
