/** When a gateway was heard of, when it is asked again, and whom to ask. */

import { moment, relative, t } from "../i18n.ts";
import { useNow } from "../ui.tsx";
import type { Invoice } from "./live_invoice.ts";

export function Times({ of: { lastHeardAt, nextCheckAt, supportUrl } }: {
  of: Invoice["diagnosis"];
}) {
  const now = useNow();
  if (!lastHeardAt && !nextCheckAt && !supportUrl) return null;
  return (
    <ul class="times">
      {lastHeardAt && (
        <li>
          {t("diagnosis.heard")} <FromNow at={lastHeardAt} now={now} />
        </li>
      )}
      {nextCheckAt && (
        <li>
          {t("diagnosis.next")} <FromNow at={nextCheckAt} now={now} />
        </li>
      )}
      {supportUrl && (
        <li>
          <a href={supportUrl} target="_blank" rel="noopener">{t("diagnosis.support")}</a>
        </li>
      )}
    </ul>
  );
}

function FromNow({ at, now }: { at: string; now: number }) {
  return <time dateTime={at} title={moment(at)}>{relative(at, now)}</time>;
}
