// Run by test_live.py: what `resuming` does with a transport that fails in every way.
import assert from "node:assert/strict";
import { connection, resuming, type Transport } from "./live.ts";

type Sink = Parameters<Transport["subscribe"]>[1];

const asked: unknown[] = [];
const cancelled: number[] = [];
let sink: Sink;
const transport: Transport = {
  subscribe(request, given) {
    const number = asked.push(request.variables) - 1;
    sink = given;
    return () => cancelled.push(number);
  },
};
const shown: unknown[] = [];
const problems: unknown[] = [];

function watch(): () => void {
  asked.length =
    cancelled.length =
    shown.length =
    problems.length =
      0;
  return resuming(transport, { query: "" }, {
    next: ({ data }: { data?: unknown }) => shown.push(data),
    error: (problem) => problems.push(problem),
  });
}

function credit(version: number) {
  return { creditUpdated: { balance: { version } } };
}

function fault(code: string) {
  return [{ message: "No", extensions: { code } }];
}

/** Until the next attempt has begun. */
async function attempt(number: number): Promise<void> {
  while (asked.length < number) await new Promise((again) => setTimeout(again, 5));
}

// What interrupts is waited for, and gone on from the last version.
const stop = watch();
sink!.next({ data: credit(7) });
const interruptions = [
  () => sink.error(new Error("lost")),
  () => sink.complete(),
  () => sink.error({ code: 1006 }),
  () => sink.error(fault("INTERNAL")),
  () => sink.next({ errors: fault("INTERNAL") }),
  () => sink.error(fault("TRY_AGAIN")),
];
for (const [number, interrupt] of interruptions.entries()) {
  const old = sink!;
  interrupt();
  assert.equal(connection.live, false);
  await attempt(number + 2);
  old.error(new Error("an old subscription says no more"));
  old.next({ data: credit(1) });
  sink!.next({ data: credit(8 + number) });
  assert.equal(connection.live, true);
}
assert.deepEqual(asked, [{}, ...[7, 8, 9, 10, 11, 12].map((afterVersion) => ({ afterVersion }))]);
assert.deepEqual(shown, [7, 8, 9, 10, 11, 12, 13].map(credit));

// Once it is stopped nothing is asked or shown any more, and no subscription is left open.
stop();
sink!.error(new Error("lost"));
sink!.next({ data: credit(99) });
assert.deepEqual([asked.length, shown.length, problems.length], [7, 7, 0]);
assert.deepEqual(cancelled, [0, 1, 2, 3, 4, 5, 6]);

// What the server refuses is not asked for again.
const refusals = [
  () => sink.error(fault("UNAUTHENTICATED")),
  () => sink.next({ errors: fault("PERSISTED_QUERY_ONLY") }),
  () => sink.error({ code: 4403 }),
  () => sink.error({ response: { status: 401 } }),
];
for (const refuse of refusals) {
  watch();
  refuse();
  sink!.complete();
  assert.deepEqual([asked.length, problems.length, connection.live], [1, 1, true]);
}

// A page that is left while it waits asks no more.
const leave = watch();
sink!.error(new Error("lost"));
leave();
assert.equal(connection.live, true);
await new Promise((later) => setTimeout(later, 300));
assert.equal(asked.length, 1);
