/** Settings: the account's, and the person's own. */

import type { ComponentType } from "preact";
import { t } from "../i18n.ts";
import { Heading } from "../router.tsx";
import { FactorsSection } from "./settings_factors.tsx";

/** Each is a card with a heading of its own, in this order; what is not for the person is empty. */
const SECTIONS: ComponentType[] = [FactorsSection];

export function SettingsScreen() {
  return (
    <div class="settings">
      <Heading title={t("menu.settings")}>{t("menu.settings")}</Heading>
      {SECTIONS.map((Section, number) => <Section key={number} />)}
    </div>
  );
}
