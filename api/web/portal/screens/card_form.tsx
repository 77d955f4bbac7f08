/** A card payment in the page. */

import { useEffect, useRef, useState } from "preact/hooks";
import { backend } from "../backend.ts";
import { confirmCard } from "../card.ts";
import { t } from "../i18n.ts";
import { Button, Notice } from "../ui.tsx";
import { type CardProps, here } from "./next_step.tsx";

here.CardForm = CardForm;

function CardForm({ action, invoice }: CardProps) {
  const place = useRef<HTMLDivElement>(null);
  const [confirm, setConfirm] = useState<(() => Promise<string>) | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  useEffect(() => {
    confirmCard(place.current as HTMLElement, action, backend.returnUrl(invoice.id)).then(
      (ready) => setConfirm(() => ready),
      () => setError(t("card.unreachable")),
    );
  }, []);
  const pay = async () => {
    if (!confirm) return;
    setBusy(true);
    setError(await confirm());
    setBusy(false);
  };
  return (
    <div class="card-form">
      <div ref={place} />
      {error && <Notice tone="bad" title={error} alert />}
      <Button kind="primary" busy={busy || (!confirm && !error)} onClick={pay}>
        {t("pay.now")}
      </Button>
    </div>
  );
}
