/** Amounts as people type them. What can be read in two ways is asked about, never guessed. */

/** How the person's language writes numbers, and how many decimals their currency has. */
export interface Writing {
  group: string;
  point: string;
  decimals: number;
}

/** One decimal for the backend, the two that it can be, or neither. */
export type Reading = { amount: string } | { either: string[] } | null;

const DIGITS_MAX = 15;
/** What stands between groups of three, beside the point and the comma. */
const SPACES = /\d[\s'\u2019]\d/;

/** Reads `1,000.50`, `1.000,50`, `1 000,50` and `１０００`; English `1.500` dollars can be two. */
export function read(typed: string, how: Writing): Reading {
  const text = typed.normalize("NFKC").trim();
  if (!/^\d[\d.,\s'\u2019]*$/.test(text) || !/\d$/.test(text)) return null;
  const marks = new Set(text.match(/[.,]/g));
  if (marks.size < 2) return SPACES.test(text) ? spaced(text) : single(text, how);
  if (SPACES.test(text)) return null;
  const last = text.search(/[.,]\d*$/);
  return joined(text.slice(0, last), text[last] === "." ? "," : ".", text.slice(last + 1));
}

/** Groups with spaces between: a point or comma is the decimal one. */
function spaced(text: string): Reading {
  const [whole = "", fraction, ...more] = text.split(/[.,]/);
  const between = whole.match(/\D/g) ?? [];
  if (more.length || new Set(between).size !== 1) return null;
  return joined(whole, between[0] ?? "", fraction);
}

/** At most one kind of mark, a point or a comma. */
function single(text: string, { group, point, decimals }: Writing): Reading {
  const mark = text.match(/[.,]/)?.[0] ?? "";
  const [whole = "", fraction, ...more] = mark ? text.split(mark) : [text];
  if (more.length) return joined(text, mark, undefined);
  if (fraction?.length !== 3 || !/^[1-9]\d{0,2}$/.test(whole)) return joined(whole, "", fraction);
  // No money has more decimals than its currency: in English `1,500` dollars are a thousand and
  // more, and `1.500` dinars a dinar and a half, as the form itself writes them.
  if (mark === group && decimals < fraction.length) return { amount: whole + fraction };
  if (mark === point && decimals === fraction.length) return joined(whole, "", fraction);
  const small = fraction.slice(0, decimals);
  const exact = /^0*$/.test(fraction.slice(decimals));
  return { either: [whole + fraction, ...(exact ? [small ? `${whole}.${small}` : whole] : [])] };
}

/** The decimal of groups with `mark` between them and the decimals; null where they are no groups. */
function joined(whole: string, mark: string, fraction: string | undefined): Reading {
  const groups = mark ? whole.split(mark) : [whole];
  const fits = groups.length === 1
    ? /^\d+$/.test(whole)
    : /^[1-9]\d{0,2}$/.test(groups[0] ?? "") && groups.slice(1).every((one) => /^\d{3}$/.test(one));
  const digits = groups.join("");
  if (!fits || digits.length > DIGITS_MAX) return null;
  if (fraction !== undefined && !/^\d{1,9}$/.test(fraction)) return null;
  return { amount: fraction === undefined ? digits : `${digits}.${fraction}` };
}
