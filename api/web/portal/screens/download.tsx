/** Downloads: a link is asked for with each click, for it works for a while only. */

import { useState } from "preact/hooks";
import { backend } from "../backend.ts";
import { ask } from "../client.ts";
import { graphql } from "../graphql.ts";
import { language, t } from "../i18n.ts";
import { Button } from "../ui.tsx";

const TRIES_MAX = 30;

const LINK = graphql(`
  query PdfLink($id: ID!, $locale: String) { invoice(id: $id) { id pdfUrl(locale: $locale) } }
`);

export function Download({ id, number }: { id: string; number: string }) {
  return <Document label={t("pdf")} name={number} link={() => invoiceLink(id)} />;
}

export function Document({ kind, label, name, link }: {
  kind?: "quiet";
  label: string;
  name: string;
  link: () => Promise<string>;
}) {
  const [state, setState] = useState<"" | "busy" | "failed">("");
  const download = async () => {
    setState("busy");
    try {
      save(await fetchPdf(await link()), `${name}.pdf`);
      setState("");
    } catch {
      setState("failed");
    }
  };
  return (
    <div class="download">
      <Button kind={kind} icon="download" busy={state === "busy"} onClick={download}>
        {label}
      </Button>
      <p role="status" class="error">{state === "failed" && t("pdf.failed")}</p>
    </div>
  );
}

async function invoiceLink(id: string): Promise<string> {
  const { invoice } = await ask(LINK, { id, locale: language.get() });
  return invoice?.pdfUrl ?? "";
}

/** The document; a long one is being made meanwhile, and asked for again. */
async function fetchPdf(link: string): Promise<Blob> {
  const { pathname, search } = new URL(link);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const answer = await fetch(backend.origin + pathname + search);
    if (!answer.ok) throw new Error(await answer.text());
    if (answer.status !== 202) return answer.blob();
    const seconds = Number(answer.headers.get("retry-after")) || 2;
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
  throw new Error("it takes too long");
}

function save(file: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
