/** Lists that grow by a page at a time, and are asked for anew when something has changed. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, Problem } from "./client.ts";
import type { Document } from "./graphql.ts";
import type { IconName } from "./icons.tsx";
import { t } from "./i18n.ts";
import { useQuery } from "./query.ts";
import { Button, Empty, Skeleton, Trouble } from "./ui.tsx";

const PAGE = 20;

interface Page<N> {
  page: {
    totalCount: number;
    pageInfo: { hasNextPage: boolean; endCursor: string | null };
    edges: { node: N }[];
  };
}

export interface List<N> {
  rows?: N[];
  more: boolean;
  busy: boolean;
  problem?: Problem;
  next(): void;
  again(): void;
}

/** The rows of a connection: the first page live, what follows it as it was when it was fetched. */
export function usePages<
  N extends { id: string },
  V extends { first: number; after?: string | null },
>(
  document: Document<Page<N>, V>,
  variables: Omit<V, "first" | "after">,
): List<N> {
  const key = JSON.stringify(variables);
  const first = useQuery(document, { ...variables, first: PAGE } as V);
  const [rest, setRest] = useState<Page<N>["page"][]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const start = first.data?.page.pageInfo.endCursor;
  // A new row moves the pages' bounds: what followed the old first page does not fit any more.
  useEffect(() => setRest([]), [key, start]);

  const pages = first.data ? [first.data.page, ...rest] : [];
  const info = pages.at(-1)?.pageInfo;
  const next = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const wanted = { ...variables, first: PAGE, after: info?.endCursor } as V;
      const { page } = await ask(document, wanted);
      setRest((was) => [...was, page]);
    } catch (met) {
      setProblem(met as Problem);
    }
    setBusy(false);
  };
  return {
    rows: first.data && pages.flatMap((page) => page.edges.map((edge) => edge.node)),
    more: info?.hasNextPage ?? false,
    busy,
    problem: first.problem ?? problem,
    next,
    again: first.again,
  };
}

export function More<N>({ list }: { list: List<N> }) {
  if (!list.rows) return null;
  return (
    <footer class="more">
      {list.problem && <Trouble problem={list.problem} again={list.again} />}
      {list.more && <Button busy={list.busy} onClick={list.next}>{t("more")}</Button>}
    </footer>
  );
}

/** One of a few ways to look at a list. */
export function Filters<F extends string>({ of, label, chosen, choose }: {
  of: readonly F[];
  label: (filter: F) => string;
  chosen: F;
  choose: (filter: F) => void;
}) {
  return (
    <div class="segments" role="group" aria-label={t("filter")}>
      {of.map((one) => (
        <button
          key={one}
          type="button"
          aria-pressed={one === chosen}
          onClick={() => choose(one)}
        >
          {label(one)}
        </button>
      ))}
    </div>
  );
}

/** What is there in place of rows: what is awaited, what went wrong, or that there are none. */
export function NoRows<N>({ list, icon, none, children }: {
  list: List<N>;
  icon: IconName;
  none: string;
  /** How the list begins. */
  children?: ComponentChildren;
}) {
  if (!list.rows) {
    return list.problem
      ? <Trouble problem={list.problem} again={list.again} />
      : <Skeleton lines={4} />;
  }
  if (list.rows.length > 0) return null;
  return <Empty icon={icon} title={none}>{children}</Empty>;
}
