/** Amounts as whole minor units, for the few sums that a form makes before it asks. */

import type { Money } from "./i18n.ts";

/** `25.00` is 2500n: all decimals of the currency are there, as the backend writes them. */
export const minor = (money: Money): bigint => BigInt(money.amount.replace(".", ""));

/** The money of so many minor units, written with the decimals of `like`. */
export function major(units: bigint, like: Money): Money {
  const decimals = like.amount.split(".")[1]?.length ?? 0;
  const digits = units.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const amount = decimals ? `${whole}.${digits.slice(-decimals)}` : whole;
  return { amount, currency: like.currency };
}

export const isZero = (money: Money) => /^[-0.]*$/.test(money.amount);
