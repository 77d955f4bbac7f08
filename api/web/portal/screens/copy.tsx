/** A text to take along. */

import { useState } from "preact/hooks";
import { t } from "../i18n.ts";
import { Icon } from "../icons.tsx";
import { type CopyProps, here } from "./next_step.tsx";

here.Copy = Copy;

/** Says when it was copied. */
export function Copy({ text, label }: CopyProps) {
  const [copied, setCopied] = useState(false);
  // Browsers have no clipboard for pages without TLS.
  if (!navigator.clipboard) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <button type="button" class="copy" aria-label={`${t("copy")}: ${label}`} onClick={copy}>
      <Icon name={copied ? "check" : "copy"} />
      <span role="status" class="unseen">{copied && t("copied")}</span>
    </button>
  );
}
