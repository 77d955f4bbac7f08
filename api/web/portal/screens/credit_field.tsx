/** How much of the credit goes first. */

import { useState } from "preact/hooks";
import { type Money, money, t } from "../i18n.ts";
import { minor } from "../minor.ts";
import { here } from "./next_step.tsx";

/** What was chosen, in minor units: all that there is, until another part is. */
export function useCredit(available: Money) {
  const most = minor(available);
  const [wanted, setWanted] = useState(true);
  const [limit, setLimit] = useState<bigint | null>(null);
  const chosen = !wanted ? 0n : limit !== null && limit < most ? limit : most;
  return { available, most, chosen, wanted, setWanted, setLimit };
}

/** Nothing, where there is no credit. */
export function CreditField({ credit }: { credit: ReturnType<typeof useCredit> }) {
  if (credit.most <= 0n) return null;
  return (
    <fieldset class="use">
      <label class="check">
        <input
          type="checkbox"
          checked={credit.wanted}
          onChange={(event) => credit.setWanted(event.currentTarget.checked)}
        />
        <span>{t("pay.credit", { amount: money(credit.available) })}</span>
      </label>
      {credit.wanted && here.CreditSlide && (
        <here.CreditSlide
          most={credit.available}
          chosen={credit.chosen}
          choose={credit.setLimit}
        />
      )}
    </fieldset>
  );
}
