/** What screens show: kept from before where there is any, and asked for anew each time. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, Problem, type ProblemKind } from "./client.ts";
import type { Document } from "./graphql.ts";
import { store, useStore } from "./store.ts";

const AGAIN_MS = 5_000;
/** Nobody needs to press a button when these are over. */
const PASSING: ProblemKind[] = ["unreachable", "busy"];

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
    let timer: number | undefined;
    ask(document, variables).then(
      (data) => {
        kept.set(key, data);
        tell({ data, problem: undefined });
      },
      (problem: Problem) => {
        tell({ problem });
        if (mine === turn.current && PASSING.includes(problem.kind)) {
          timer = setTimeout(() => setTries((before) => before + 1), AGAIN_MS);
        }
      },
    );
    return () => clearTimeout(timer);
  }, [key, tries, changes]);
  const current = answer.key === key ? answer : undefined;
  return {
    data: current?.data ?? kept.get(key) as D | undefined,
    problem: current?.problem,
    again: () => setTries((before) => before + 1),
  };
}
