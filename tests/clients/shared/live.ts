/** What `graphql-ws` and `graphql-sse` clients have in common. */
export interface Transport {
  subscribe(
    request: {
      query: string;
      documentId?: string;
      variables?: Record<string, unknown> | null;
      extensions?: Record<string, unknown> | null;
    },
    sink: {
      // deno-lint-ignore no-explicit-any
      next(result: any): void;
      error(problem: unknown): void;
      complete(): void;
    },
  ): () => void;
}

/** A persisted document by its hash, as every operation of these clients is sent. */
export function persisted(id: string): { query: string; extensions: Record<string, unknown> } {
  const sha256Hash = id.replace(/^sha256:/, "");
  return { query: "", extensions: { persistedQuery: { version: 1, sha256Hash } } };
}

let waiting = 0;
const watchers = new Set<() => void>();

/** Whether every live subscription is connected; for a hint to the user. */
export const connection = {
  get live(): boolean {
    return waiting === 0;
  },
  watch(watcher: () => void): () => void {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};

function count(change: number): void {
  waiting += change;
  for (const watcher of watchers) watcher();
}

interface Sink<R> {
  next(result: R): void;
  error(problem: unknown): void;
}

/**
 * A subscription that goes on after any interruption, until it is stopped.
 *
 * `creditUpdated` is asked for what came after the last `version` that was seen: each change once,
 * in order, then the present state. Others begin with the present state anyhow. What the caller may
 * not ask, or not any more, is an error: asking again would not help.
 */
export function resuming<R extends { data?: unknown; errors?: unknown }>(
  transport: Transport,
  request: Parameters<Transport["subscribe"]>[0],
  sink: Sink<R>,
): () => void {
  let variables = { ...request.variables };
  let stop = () => {};
  let attempts = 0;
  let over = false;
  let away = false;

  function setAway(now: boolean): void {
    if (now !== away) count(now ? 1 : -1);
    away = now;
  }

  function end(): void {
    over = true;
    setAway(false);
    stop();
  }

  function interrupted(problem?: unknown): void {
    if (over) return;
    if (isFinal(problem)) {
      end();
      sink.error(problem);
      return;
    }
    setAway(true);
    stop();
    const pause = Math.min(10_000, 250 * 2 ** attempts++) * (0.5 + Math.random() / 2);
    const timer = setTimeout(start, pause);
    stop = () => clearTimeout(timer);
  }

  function pushed(result: R): void {
    if (result.data == null) {
      interrupted(result.errors);
      return;
    }
    attempts = 0;
    setAway(false);
    const version = versionOf(result.data);
    if (version !== undefined) variables = { ...variables, afterVersion: version };
    sink.next(result);
  }

  function start(): void {
    let current = true;
    const cancel = transport.subscribe({ ...request, variables }, {
      next: (result: R) => current && pushed(result),
      error: (problem) => current && interrupted(problem),
      complete: () => current && interrupted(),
    });
    stop = () => {
      current = false;
      cancel();
    };
  }

  start();
  return end;
}

function versionOf(data: unknown): number | undefined {
  const update = (data as { creditUpdated?: { balance: { version: number } } }).creditUpdated;
  return update?.balance.version;
}

const PASSING: unknown[] = ["INTERNAL", "RATE_LIMITED", "TRY_AGAIN"];

/** Whether the server has said no, rather than the connection been lost or a fault been met. */
function isFinal(problem: unknown): boolean {
  if (Array.isArray(problem)) {
    return problem.some(({ extensions }) => !PASSING.includes(extensions?.code));
  }
  // 4403: a websocket's credentials are no good; 401: those of an event stream.
  const { code, response } = (problem ?? {}) as { code?: number; response?: Response };
  return code === 4403 || response?.status === 401;
}
