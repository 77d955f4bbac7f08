/** The bar at the top: who asks, and a field to ask as somebody else. */

import { type FormEvent, useEffect, useState } from "react";
import { graphql } from "../portal/graphql.ts";
import { ask, type Problem } from "./fetcher.ts";

const KEPT_AS = "graphiql:credential";
const WHO = String(graphql("query Who { viewer { role account { name } } }"));

/** A key or token of this tab alone: gone when the tab is. */
export function useCredential(): [string, (credential: string) => void] {
  const [credential, setCredential] = useState(() => sessionStorage.getItem(KEPT_AS) ?? "");
  useEffect(() => sessionStorage.setItem(KEPT_AS, credential), [credential]);
  return [credential, setCredential];
}

interface Who {
  viewer: { role: string; account: { name: string } | null } | null;
}

interface CallerProps {
  credential: string;
  /** Another number whenever somebody may have signed in or out. */
  turn: number;
  use(credential: string): void;
}

export function Caller({ credential, turn, use }: CallerProps) {
  const who = useWho(credential, turn);
  return (
    <header className="caller">
      <a className="home" href="/">Account Credit</a>
      <h1>GraphiQL</h1>
      <p className="who" aria-live="polite">
        {who}
        {who === NOBODY && <a href="/">Sign in</a>}
      </p>
      {credential
        ? (
          <button type="button" onClick={() => use("")}>
            Forget the key …{credential.slice(-4)}
          </button>
        )
        : <CredentialForm use={use} />}
    </header>
  );
}

const NOBODY = "Nobody is signed in.";

function useWho(credential: string, turn: number): string {
  const [who, setWho] = useState("");
  useEffect(() => {
    let late = false;
    saidOf(credential).then((said) => late || setWho(said));
    return () => {
      late = true;
    };
  }, [credential, turn]);
  return who;
}

async function saidOf(credential: string): Promise<string> {
  try {
    const { data, errors } = await ask({ query: WHO }, credential);
    if (errors) return refusalOf(errors[0], credential);
    const viewer = (data as unknown as Who).viewer;
    return viewer ? [viewer.account?.name, viewer.role].filter(Boolean).join(" · ") : NOBODY;
  } catch {
    return "Can't reach the server.";
  }
}

function refusalOf(error: Problem | undefined, credential: string): string {
  const refused = credential && error?.extensions?.code === "UNAUTHENTICATED";
  return refused ? "This key or token isn't valid." : error?.message ?? "";
}

function CredentialForm({ use }: { use(credential: string): void }) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget).get("credential");
    // A header is ASCII: whatever else was pasted along is no part of a key.
    use(String(typed ?? "").replace(/[^\x21-\x7e]/g, ""));
  };
  return (
    <form onSubmit={submit}>
      <input
        name="credential"
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder="API key or token"
        aria-label="API key or token"
        required
      />
      <button type="submit">Use</button>
    </form>
  );
}
