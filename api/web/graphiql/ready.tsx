/** The menu of ready documents, a panel of GraphiQL's; and a button for fresh idempotency keys. */

import {
  type GraphiQLPlugin,
  ToolbarButton,
  useEditorContext,
  usePluginStore,
} from "@graphiql/react";
import { createContext, useContext, useEffect } from "react";
import { flushSync } from "react-dom";
import { GROUPS, type Ready } from "./documents.ts";
import { filled } from "./fill.ts";

/** Who the documents are filled in for. */
export const Credential = createContext("");

export const READY: GraphiQLPlugin = {
  title: "Ready documents",
  icon: ListIcon,
  content: Menu,
};

function Menu() {
  const open = useOpen();
  return (
    <section className="ready" aria-label="Ready documents">
      <h2>Ready documents</h2>
      <p>Each opens in a tab, with its variables and a fresh idempotency key.</p>
      {GROUPS.map(({ name, documents }) => (
        <section key={name}>
          <h3>{name}</h3>
          <ul>
            {documents.map((one) => (
              <li key={one.title}>
                <button type="button" onClick={() => open(one)}>
                  <strong>{one.title}</strong>
                  <span>{one.about}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </section>
  );
}

/** Opens a document in a tab of its own, or in the one that is empty. */
function useOpen(): (document: Ready) => Promise<void> {
  const { addTab, queryEditor, variableEditor } = useEditorContext({ nonNull: true });
  const credential = useContext(Credential);
  return async ({ query, variables }) => {
    const text = variables ? await filled(variables, credential) : "";
    if (queryEditor?.getValue().trim()) flushSync(addTab);
    queryEditor?.setValue(String(query));
    variableEditor?.setValue(text);
  };
}

const KEY = /("idempotencyKey"\s*:\s*")[^"]*"/g;

/** Puts a new key into the variables: the same one does nothing twice. */
export function FreshKey() {
  const { variableEditor } = useEditorContext({ nonNull: true });
  const renew = () => {
    const fresh = variableEditor?.getValue().replace(KEY, `$1${crypto.randomUUID()}"`);
    variableEditor?.setValue(fresh ?? "");
  };
  return (
    <ToolbarButton label="Fresh idempotency key" onClick={renew}>
      <KeyIcon />
    </ToolbarButton>
  );
}

/** Opens the menu once. GraphiQL's own `visiblePlugin` opens a panel that stays out of sight. */
export function MenuAtFirst() {
  const there = usePluginStore((store) => store.plugins.includes(READY));
  useEffect(() => {
    if (innerWidth < 700) return;
    document.querySelector<HTMLElement>(`[aria-label="Show ${READY.title}"]`)?.click();
  }, [there]);
  return null;
}

function ListIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" height="1em">
      <title>Ready documents</title>
      <path d="M4 6h2m-2 6h2m-2 6h2M10 6h10M10 12h10M10 18h10" strokeLinecap="round" />
    </svg>
  );
}

function KeyIcon() {
  return (
    <svg
      className="graphiql-toolbar-icon"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      aria-hidden="true"
    >
      <circle cx="8" cy="15" r="4" />
      <path d="m11 12 8-8m-3 3 3 3m-6 0 2 2" strokeLinecap="round" />
    </svg>
  );
}
