/** GraphiQL: the explorer, the ready documents, and who asks. */

import "./trusted.ts";
import "./nonce.ts";
import "../portal/styles/fonts.css";
import "../portal/styles/tokens.css";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./page.css";
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { GraphiQL } from "graphiql";
import { useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { Caller, useCredential } from "./caller.tsx";
import { FIRST } from "./documents.ts";
import { fetcherAs } from "./fetcher.ts";
import { Credential, FreshKey, MenuAtFirst, READY } from "./ready.tsx";

const PLUGINS = [READY, explorerPlugin({ showAttribution: false })];

function Page() {
  const [credential, use] = useCredential();
  const [turn, setTurn] = useState(0);
  const fetcher = useMemo(
    () => fetcherAs(credential, () => setTurn((last) => last + 1)),
    [credential],
  );
  return (
    <Credential.Provider value={credential}>
      <Caller credential={credential} turn={turn} use={use} />
      <GraphiQL
        fetcher={fetcher}
        plugins={PLUGINS}
        defaultQuery={FIRST}
        defaultEditorToolsVisibility
        // What is typed here may be a password or a voucher: it is gone when the tab is.
        storage={sessionStorage}
        shouldPersistHeaders={false}
        inputValueDeprecation
      >
        <GraphiQL.Logo>
          <span />
        </GraphiQL.Logo>
        <GraphiQL.Toolbar>
          {({ prettify, merge, copy }) => (
            <>
              {prettify}
              {merge}
              {copy}
              <FreshKey />
              <MenuAtFirst />
            </>
          )}
        </GraphiQL.Toolbar>
      </GraphiQL>
    </Credential.Provider>
  );
}

const root = document.createElement("div");
root.id = "graphiql";
document.body.append(root);
createRoot(root).render(<Page />);
