/** What staff find at the clients' portal: their own two-step sign-in, which they may have to set up
 * before anything else.
 */

import { signOut } from "../choices.ts";
import { t } from "../i18n.ts";
import { Brand, Preferences } from "../layout.tsx";
import { seller } from "../page.ts";
import { useQuery } from "../query.ts";
import { Heading } from "../router.tsx";
import { Button, Notice } from "../ui.tsx";
import { FACTORS } from "./confirm_identity.tsx";
import { Factors } from "./settings_factors.tsx";

export function StaffPage() {
  const { data, again } = useQuery(FACTORS, {});
  const has = data?.viewer?.secondFactors;
  return (
    <main class="waiting">
      <div class="settings">
        <Brand />
        <Heading title={t("staff")}>{t("staff")}</Heading>
        {has?.length === 0 && (
          <Notice tone="warn" title={t("staff.set-up")}>
            <p>{t("staff.set-up.why")}</p>
          </Notice>
        )}
        {has && has.length > 0 && <Notice tone="good" title={t("staff.is-set-up")} />}
        <Factors changed={again} />
        <p>{t("session.not-a-client", { seller })}</p>
        <Button onClick={signOut}>{t("session.sign-out")}</Button>
        <Preferences />
      </div>
    </main>
  );
}
