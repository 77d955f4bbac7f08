/** How much of the credit is used. */

import { money, t } from "../i18n.ts";
import { major, minor } from "../minor.ts";
import { Amount } from "../ui.tsx";
import { here, type SlideProps } from "./next_step.tsx";

here.CreditSlide = CreditSlide;

function CreditSlide({ most, chosen, choose }: SlideProps) {
  const now = major(chosen, most);
  return (
    <label class="slide">
      <span>{t("pay.credit.part")}</span>
      <input
        type="range"
        min="1"
        max={minor(most).toString()}
        value={chosen.toString()}
        aria-valuetext={money(now)}
        onInput={(event) => choose(BigInt(event.currentTarget.value))}
      />
      <output>
        <Amount of={now} />
      </output>
    </label>
  );
}
