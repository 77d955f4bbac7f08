/** Download PDF: a link is asked for with each click, for it works for a while only. */

import { useState } from "preact/hooks";
import { ask } from "../client.ts";
import { graphql } from "../graphql.ts";
import { language, t } from "../i18n.ts";
import { Button } from "../ui.tsx";

const LINK = graphql(`
  query PdfLink($id: ID!, $locale: String) { invoice(id: $id) { id pdfUrl(locale: $locale) } }
`);

export function Download({ id, number }: { id: string; number: string }) {
  const [state, setState] = useState<"" | "busy" | "failed">("");
  const download = async () => {
    setState("busy");
    try {
      save(await fetchPdf(id), `${number}.pdf`);
      setState("");
    } catch {
      setState("failed");
    }
  };
  return (
    <div class="download">
      <Button icon="download" busy={state === "busy"} onClick={download}>{t("pdf")}</Button>
      <p role="status" class="error">{state === "failed" && t("pdf.failed")}</p>
    </div>
  );
}

async function fetchPdf(id: string): Promise<Blob> {
  const { invoice } = await ask(LINK, { id, locale: language.get() });
  const { pathname, search } = new URL(invoice?.pdfUrl ?? "");
  const answer = await fetch(pathname + search);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.blob();
}

function save(file: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
