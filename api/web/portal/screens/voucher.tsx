/** Redeem Voucher. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { type Money, money, t } from "../i18n.ts";
import { Heading } from "../router.tsx";
import { Button, Field, Notice, Refused, useFocusOnError } from "../ui.tsx";

const REDEEM = graphql(`
  mutation RedeemVoucher($input: RedeemVoucherInput!) {
    redeemVoucher(input: $input) {
      transaction { id amount { amount currency } }
      userErrors { code message field }
    }
  }
`);

export function VoucherScreen() {
  const [code, setCode] = useState("");
  const [redeemed, setRedeemed] = useState<Money | null>(null);
  const { busy, errors, problem, run } = useAction(REDEEM);
  const form = useFocusOnError(errors);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setRedeemed(null);
    const done = await run({ code });
    if (!done?.transaction) return;
    setRedeemed(done.transaction.amount);
    setCode("");
  };
  return (
    <section class="card narrow">
      <Heading title={t("tab.voucher")}>{t("tab.voucher")}</Heading>
      <p class="lead">{t("voucher.what")}</p>
      <form ref={form} onSubmit={submit} novalidate>
        <Field id="code" label={t("voucher.code")} error={errors.code}>
          {(props) => (
            <input
              {...props}
              class="code"
              autocomplete="off"
              autocapitalize="characters"
              spellcheck={false}
              value={code}
              onInput={(event) => setCode(event.currentTarget.value)}
            />
          )}
        </Field>
        <Refused errors={errors} problem={problem} fields={["code"]} />
        {redeemed && (
          <Notice tone="good" title={t("voucher.done", { amount: money(redeemed) })} alert />
        )}
        <Button kind="primary" type="submit" icon="gift" busy={busy}>{t("voucher.redeem")}</Button>
      </form>
    </section>
  );
}
