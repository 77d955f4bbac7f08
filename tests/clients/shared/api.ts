// Where the API is: `<meta name="account-credit" content="https://credit.example">` of the page.
const meta = document.querySelector<HTMLMetaElement>('meta[name="account-credit"]');

export const api = new URL("/graphql", meta?.content || location.origin);
export const liveApi = new URL(api);
liveApi.protocol = api.protocol.replace("http", "ws");

/** Where a gateway sends the browser after a payment: here, with the invoice to show. */
export function returnUrl(invoiceId: string): string {
  const url = new URL(location.pathname, location.origin);
  url.searchParams.set("invoice", invoiceId);
  return url.href;
}

/** The invoice that the page was opened or returned for. */
export function invoiceOfPage(): string | null {
  return new URL(location.href).searchParams.get("invoice");
}
