/**
 * Stripe's card form, which runs 3-D Secure by itself. Its script is the only one from elsewhere;
 * it is loaded for a card payment in the page alone, and the page's Content-Security-Policy and
 * Trusted Types let it in only where such payments are configured.
 * After https://docs.stripe.com/js/payment_intents/confirm_payment.
 */

const SCRIPT = "https://js.stripe.com/v3/";

interface Stripe {
  elements(options: { clientSecret: string }): {
    create(type: "payment"): { mount(place: HTMLElement): void };
  };
  confirmPayment(options: {
    elements: unknown;
    confirmParams: { return_url: string };
    redirect: "if_required";
  }): Promise<{ error?: { message?: string } }>;
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): {
    createScriptURL(url: string): string;
  };
}

declare global {
  var Stripe: ((publishableKey: string) => Stripe) | undefined;
  var trustedTypes: TrustedTypes | undefined;
}

const rules = { createScriptURL: (url: string) => url };

let policy: { createScriptURL(url: string): string } | undefined;
let loading: Promise<void> | undefined;

/** Put the form into `place`; what confirms it answers what went wrong, or "". */
export async function confirmCard(
  place: HTMLElement,
  { clientSecret, publishableKey }: { clientSecret: string; publishableKey: string },
  returnUrl: string,
): Promise<() => Promise<string>> {
  await (loading ??= load());
  const stripe = globalThis.Stripe?.(publishableKey);
  if (!stripe) throw new Error("Stripe.js is not there");
  const elements = stripe.elements({ clientSecret });
  elements.create("payment").mount(place);
  return async () => {
    const confirmParams = { return_url: returnUrl };
    const { error } = await stripe.confirmPayment({
      elements,
      confirmParams,
      redirect: "if_required",
    });
    return error?.message ?? "";
  };
}

function load(): Promise<void> {
  return new Promise((resolve, reject) => {
    policy ??= globalThis.trustedTypes?.createPolicy("stripe", rules) ?? rules;
    const script = document.createElement("script");
    script.src = policy.createScriptURL(SCRIPT);
    script.onload = () => resolve();
    script.onerror = () => {
      loading = undefined;
      reject(new Error("Stripe.js did not load"));
    };
    document.head.append(script);
  });
}
