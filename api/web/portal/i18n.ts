/**
 * What people read, in their language. A language is one catalogue, `locales/<language>.json`, and
 * needs no code. A text is found by its key; `key.one` and `key.other` are its plurals.
 */

import type { ComponentChildren } from "preact";
import type { Writing } from "./amount.ts";
import { backend } from "./backend.ts";
import type { Key } from "./generated.d.ts";
import { languages, zone } from "./page.ts";
import { store } from "./store.ts";

type Facts = Record<string, ComponentChildren>;

const KEPT_AS = "account-credit-language";

/** The language that is shown; "" until its catalogue is here. */
export const language = store("");

let catalogue: Record<string, string> = {};

/** The language to begin with: the one that is wanted, or the browser's. */
export function firstLanguage(first: string): string {
  const wanted = [first, ...navigator.languages];
  const known = wanted.map((tag) => tag.split("-")[0] ?? "").find((tag) => tag in languages);
  return known ?? "en";
}

/** Show another language; the old one stays where the catalogue cannot be had. */
export async function speak(wanted: string) {
  const tag = wanted.split("-")[0] ?? "";
  const known = languages[tag];
  if (!known || tag === language.get()) return;
  const answer = await fetch(`${backend.origin}/static/${known.file}`).catch(() => null);
  if (!answer?.ok) return;
  catalogue = await answer.json();
  if (!backend.embedded) document.documentElement.lang = tag;
  language.set(tag);
}

export function remember(tag: string) {
  localStorage.setItem(KEPT_AS, tag);
}

export const remembered = () => localStorage.getItem(KEPT_AS) ?? "";

/** The text of a key, `{name}` replaced by facts. */
export function t(key: Key, facts: Facts = {}): string {
  return parts(key, facts).join("");
}

/** The same where a fact is an element. */
export function parts(key: Key, facts: Facts = {}): ComponentChildren[] {
  return text(key).split(/\{(\w+)\}/).map((part, index) => index % 2 ? facts[part] : part);
}

/** `{count}` and what is counted, in the plural that the language wants; `{name}`s are facts. */
export function plural(key: string, count: number, facts: Record<string, string> = {}): string {
  const form = new Intl.PluralRules(language.get()).select(count);
  const found = catalogue[`${key}.${form}`] ?? catalogue[`${key}.other`] ?? key;
  const all: Record<string, string> = { ...facts, count: numbers().format(count) };
  return found.replace(/\{(\w+)\}/g, (_, name) => all[name] ?? "");
}

const text = (key: string) => catalogue[key] ?? key;

/** A text that there may be none of, such as one for a code that is new. */
export const known = (key: string): Key | undefined => key in catalogue ? key as Key : undefined;

// ------------------------------------------------------------------------------- money, time

export interface Money {
  amount: string;
  currency: string;
}

const numbers = (options?: Intl.NumberFormatOptions, tag = language.get()) =>
  new Intl.NumberFormat(tag, options);

/** Exact: Intl reads the decimal's own digits. */
const written = (amount: string, options: Intl.NumberFormatOptions) =>
  narrow(numbers(options).format(amount as unknown as number));

/** CLDR's Japanese writes the sign as wide as a kanji, which no column of amounts wants. */
const narrow = (text: string) => text.replace("\uffe5", "\u00a5");

export function money({ amount, currency }: Money, signed = false): string {
  const signDisplay = signed ? "exceptZero" : "auto";
  return written(amount, { style: "currency", currency, signDisplay });
}

/** A price, which may have more decimals than its currency. */
export function price(amount: string, currency: string): string {
  return written(amount, { style: "currency", currency, maximumFractionDigits: 6 });
}

export function symbol(currency: string): string {
  const parts = numbers({ style: "currency", currency }).formatToParts(0);
  return narrow(parts.find((part) => part.type === "currency")?.value ?? currency);
}

/** A decimal with the digits that it has. */
export function number(amount: string): string {
  const digits = amount.split(".")[1]?.length ?? 0;
  return written(amount, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(fraction: string): string {
  return written(fraction, { style: "percent", maximumFractionDigits: 3 });
}

/** The seller's day of a moment, as the documents say it; a day such as `2026-11-30` as it is. */
export function date(at: string): string {
  const timeZone = at.includes("T") ? zone : "UTC";
  const format = { dateStyle: "medium", timeZone } as const;
  return new Intl.DateTimeFormat(language.get(), format).format(new Date(at));
}

/** A moment on the seller's calendar, which is named where the reader's clock differs. */
export function moment(at: string): string {
  const when = new Date(at);
  const clock = (timeZone?: string, timeZoneName?: "short") =>
    new Intl.DateTimeFormat(language.get(), {
      ...{ year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit" },
      ...{ timeZone, timeZoneName },
    }).format(when);
  return clock(zone, clock(zone) === clock() ? undefined : "short");
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]] as const;

/** "in 3 minutes", "2 days ago". */
export function relative(at: string, now: number): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const format = new Intl.RelativeTimeFormat(language.get(), { numeric: "auto" });
  return format.format(Math.round(seconds / size), unit);
}

/** How people write an amount of this currency, as far as it matters to reading one. */
export function writing(currency: string): Writing {
  const parts = numbers().formatToParts(1234567.8);
  const sign = (type: string) => parts.find((part) => part.type === type)?.value ?? "";
  return { group: sign("group"), point: sign("decimal"), decimals: decimalsOf(currency) };
}

const decimalsOf = (currency: string) =>
  numbers({ style: "currency", currency }, "en").resolvedOptions().maximumFractionDigits ?? 2;

/** An amount with all decimals of its currency; null where it has more than those. */
export function exact({ amount, currency }: Money): Money | null {
  const decimals = decimalsOf(currency);
  const [whole, fraction = ""] = amount.split(".");
  if (fraction.slice(decimals).match(/[1-9]/)) return null;
  const digits = fraction.slice(0, decimals).padEnd(decimals, "0");
  return { amount: digits ? `${whole}.${digits}` : `${whole}`, currency };
}
