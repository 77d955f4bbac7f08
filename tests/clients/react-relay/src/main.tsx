import { StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { RelayEnvironmentProvider } from "react-relay";
import "../../shared/style.css";
import { environment } from "./environment";
import { Portal } from "./Portal";

createRoot(document.getElementById("portal")!).render(
  <StrictMode>
    <RelayEnvironmentProvider environment={environment}>
      <Suspense fallback={<p>Loading…</p>}>
        <Portal />
      </Suspense>
    </RelayEnvironmentProvider>
  </StrictMode>,
);
