import { ApolloProvider } from "@apollo/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "../../shared/style.css";
import { client } from "./client";
import { Portal } from "./Portal";

createRoot(document.getElementById("portal")!).render(
  <StrictMode>
    <ApolloProvider client={client}>
      <Portal />
    </ApolloProvider>
  </StrictMode>,
);
