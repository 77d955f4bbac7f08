/** What screens show: kept from before where there is any, and asked for anew each time. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, Problem } from "./client.ts";
import type { Document } from "./graphql.ts";
import { store, useStore } from "./store.ts";

const kept = new Map<string, unknown>();
const age = store(0);

/** Something has changed: every screen that is open asks again. */
export const refresh = () => age.set(age.get() + 1);

// An invoice that a shop issues meanwhile changes no credit, and nothing tells of it.
document.addEventListener("visibilitychange", () => document.hidden || refresh());

/** Forget what was shown: somebody else may sign in. */
export const forget = () => kept.clear();

export interface Asked<D> {
  data?: D;
  problem?: Problem;
  again(): void;
}

/** The answer to a query; null in place of variables asks nothing. */
export function useQuery<D, V>(document: Document<D, V>, variables: V | null): Asked<D> {
  const key = JSON.stringify([document, variables]);
  const [answer, setAnswer] = useState<{ key: string; data?: D; problem?: Problem }>({ key });
  const [tries, setTries] = useState(0);
  const turn = useRef(0);
  const changes = useStore(age);
  useEffect(() => {
    const mine = ++turn.current;
    const tell = (found: { data?: D; problem?: Problem }) =>
      mine === turn.current &&
      setAnswer((was) => ({ data: was.key === key ? was.data : undefined, ...found, key }));
    if (!variables) return;
    ask(document, variables).then(
      (data) => {
        kept.set(key, data);
        tell({ data, problem: undefined });
      },
      (problem) => tell({ problem }),
    );
  }, [key, tries, changes]);
  const current = answer.key === key ? answer : undefined;
  return {
    data: current?.data ?? kept.get(key) as D | undefined,
    problem: current?.problem,
    again: () => setTries(tries + 1),
  };
}
