/** Settings: the account's, and the person's own. */

import type { ComponentType } from "preact";
import { t } from "../i18n.ts";
import { Heading } from "../router.tsx";
import { AccountSection } from "./settings_account.tsx";
import { FactorsSection } from "./settings_factors.tsx";
import { MembersSection } from "./settings_members.tsx";
import { PasswordSection } from "./settings_password.tsx";
import { SessionsSection } from "./settings_sessions.tsx";

/** Each is a card with a heading of its own, in this order; what is not for the person is empty. */
const SECTIONS: ComponentType[] = [
  AccountSection,
  MembersSection,
  PasswordSection,
  FactorsSection,
  SessionsSection,
];

export function SettingsScreen() {
  return (
    <div class="settings">
      <Heading title={t("menu.settings")}>{t("menu.settings")}</Heading>
      {SECTIONS.map((Section, number) => <Section key={number} />)}
    </div>
  );
}
