/** Where the backend is, and what says who asks: the browser's cookie, or a token of the page. */

export const backend = {
  origin: location.origin,
  /** Within a page of somebody else, whose language, title and storage are not ours to change. */
  embedded: false,
  /** The language that the page wants; "" where the account's counts. */
  locale: "",
  /** "" where the browser's cookie says who asks. */
  token: "",
  /** Brings another token than one that was refused; without it a refused one is the end. */
  getToken: undefined as (() => Promise<string>) | undefined,
  /** Where a gateway sends the browser back to. */
  returnUrl: (_invoice: string) => location.href,
};

let renewing: Promise<boolean> | undefined;

/** Whether there is another token than this one, which was refused; however many ask, one is got. */
export async function renewed(refused: string): Promise<boolean> {
  if (backend.token !== refused) return true;
  renewing ??= renew(refused);
  const found = await renewing;
  renewing = undefined;
  return found;
}

async function renew(refused: string): Promise<boolean> {
  try {
    backend.token = await backend.getToken?.() || refused;
  } catch {
    // The page could not get one: whoever asked is told that the session has ended.
  }
  return backend.token !== refused;
}
