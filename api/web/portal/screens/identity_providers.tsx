/** Signing in with an identity provider: its buttons, and what to say where that did not work. */

import { t } from "../i18n.ts";
import { identityProviders } from "../page.ts";
import { Notice } from "../ui.tsx";

const OUTCOMES = ["canceled", "expired", "failed", "unavailable", "unknown"] as const;

/** Why the browser is back without a session; the server says so in the address. */
export function ProviderOutcome() {
  const said = new URLSearchParams(location.search).get("sign-in");
  const outcome = OUTCOMES.find((one) => one === said);
  return outcome ? <Notice tone="warn" title={t(`provider.${outcome}`)} alert /> : null;
}

export function IdentityProviders() {
  if (!identityProviders.length) return null;
  const to = encodeURIComponent(location.pathname);
  return (
    <div class="providers">
      {identityProviders.map(({ name, label }) => (
        <a key={name} class="button wide" href={`/oidc/${name}/start?to=${to}`}>
          {t("provider.sign-in", { provider: label })}
        </a>
      ))}
    </div>
  );
}
