"""The lane: commands that wait together are one database transaction.

Each process has one lane. What is to be done waits there (`batched`) for its turn as fairly as for
a place at the database (models.db.fair_queue). An idle lane starts at once, and while a batch is
under way the next gathers: there is no timer, and a single command never waits. A batch takes, in
turns by caller, as many as lately went well, and no two that need the same resource (an invoice, a
voucher, an idempotency key): the second is in the next batch.

In the transaction all read together (models.db.together), with the balances locked in one
statement. Then each is decided in turn on what the earlier ones left; a refusal undoes what its own
command has put down and affects no other. Everything is written in one statement (on SQLite the
whole batch is one visit to the writer's thread), and each caller gets its own outcome after the one
commit.

A balance that another transaction has locked is not waited for: those that need it are done beside
the lane, together. Whatever else goes wrong (a conflict, a deadlock, a bug) ends the batch, and
each of its commands is done by itself; their keys and sources ensure that none is done twice, even
if the outcome of a commit is unknown. If a caller disconnects, its command leaves the queue or
completes as a whole.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import Any, Final, Generic, TypeVar

import structlog

from models.db import connection
from models.db.caller import BESIDE, LANE, called_by, go_on
from models.db.fair_queue import FairQueue
from models.db.tasks import task_of
from models.db.together import read_together
from models.db.transactions import in_one_go, transaction
from models.errors import Busy, Forbidden, Refusal
from models.journal import idempotency
from models.journal.idempotency import Use
from models.journal.journal import Elsewhere, Journal, Patience

F = TypeVar("F")
A = TypeVar("A")

#: How many a batch takes at least, at first and at most: some more after each that was full, half
#: as many after one that failed or took longer than this.
_LEAST: Final = 8
_FIRST: Final = 32
_MOST: Final = 256
_MORE: Final = 8
_BATCH_SECONDS: Final = 0.25

_REFUSALS: Final = (Refusal, Forbidden, Elsewhere)

_log = structlog.get_logger(__name__)


class Used(Exception):
    """The key was used before: nothing was done."""


class Queued(ABC, Generic[F, A]):
    """Something to be done, and what came of it."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self.context = copy_context()

    #: The idempotency key that it uses, if any.
    use: Use | None = None

    @property
    @abstractmethod
    def resource(self) -> Hashable:
        """What it reads and changes beside its account's balance: no other of its batch does."""

    @abstractmethod
    async def read(self, journal: Journal) -> F:
        """Lock and read."""

    @abstractmethod
    def decide(self, found: F, journal: Journal) -> A:
        """Put down what changes."""

    def more_resources(self, found: F) -> Collection[Hashable]:  # noqa: ARG002 - for those that have more
        """More resources, which only reading has shown."""
        return ()

    def conclude(self, outcome: A | Exception) -> None:
        """Set the outcome, if the caller still waits."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
            self.outcome.exception()  # marked as seen: the caller may be gone
        else:
            self.outcome.set_result(outcome)


class _Later(Exception):
    """What it needs was taken: it is in the next batch."""


Outcome = Any
Batch = Sequence[Queued[Any, Any]]


async def batched(queued: Queued[Any, A]) -> A:
    """What came of it. Raises what it refuses, Used, and Busy where it has not begun."""
    turns = connection.client().turns
    if not turns.is_served:
        turns.is_served = True
        _ = task_of(_Lane(turns).run())
    await turns.wait_to_be_taken(queued)
    return await queued.outcome


class _Trip:
    """One transaction of the lane: what it took, and how far it came."""

    def __init__(self, take: Callable[[], Batch]) -> None:
        self._take = take
        self.batch: Batch = ()
        self.has_begun = False

    def take(self) -> Batch:
        """When its turn has come."""
        self.batch = self._take()
        return self.batch

    async def work(self, batch: Batch) -> list[Outcome]:
        """When the transaction has begun."""
        self.has_begun = True
        return await work_together(batch, Patience.LEAVES)


class _Lane:
    """Runs batches as long as commands wait."""

    def __init__(self, turns: FairQueue) -> None:
        self.turns = turns
        self.size = turns.batch_size or _FIRST
        self._next: list[Queued[Any, Any]] = []

    async def run(self) -> None:
        go_on()
        try:
            with called_by(LANE):
                while self.turns.has_unbatched or self._next:
                    await self._run_batch()
        finally:
            self.turns.is_served, self.turns.batch_size = False, self.size

    async def _run_batch(self) -> None:
        """Take some, run them together, and set each one's outcome."""
        trip = _Trip(self._take)
        started = perf_counter()
        try:
            outcomes = await in_one_go(trip.take, trip.work)
        except Busy as busy:
            if not trip.batch:
                return  # no progress; waiting callers time out on their own
            self._failed(trip.batch, busy if not trip.has_begun else None)
        except Exception as error:  # noqa: BLE001 - each of them finds out by itself what it is
            _note("batch_failed", len(trip.batch), error)
            self._failed(trip.batch or self._take(), None)
        else:
            self._adapt(len(trip.batch), perf_counter() - started)
            self._conclude_all(trip.batch, outcomes)

    def _take(self) -> Batch:
        taken, self._next = self._next, []
        resources = {one for queued in taken for one in _resources(queued)}

        def fits(queued: Queued[Any, Any]) -> bool:
            wanted = _resources(queued)
            if resources.isdisjoint(wanted):
                resources.update(wanted)
                return True
            return False

        return [*taken, *self.turns.take(self.size - len(taken), fits)]

    def _adapt(self, count: int, seconds: float) -> None:
        if seconds > _BATCH_SECONDS:
            self.size = max(_LEAST, self.size // 2)
        elif count == self.size:
            self.size = min(_MOST, self.size + _MORE)

    def _conclude_all(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        beside: defaultdict[Hashable, list[Queued[Any, Any]]] = defaultdict(list)
        for queued, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, _Later):
                self._next.append(queued)
            elif isinstance(outcome, Elsewhere):
                beside[outcome.what].append(queued)
            else:
                queued.conclude(outcome)
        for some in beside.values():
            _ = task_of(_beside(some))

    def _failed(self, batch: Batch, busy: Busy | None) -> None:
        self.size = max(_LEAST, self.size // 2)
        for queued in batch:
            if busy is None:
                _alone(queued)
            else:
                queued.conclude(busy)


def _resources(queued: Queued[Any, Any]) -> list[Hashable]:
    use = queued.use
    return [queued.resource] if use is None else [queued.resource, ("key", use.name)]


async def _beside(batch: Batch) -> None:
    """Those that wait for one lock, together; one by one where that fails."""
    go_on()
    if len(batch) == 1:
        _alone(batch[0])
        return
    try:
        with called_by(BESIDE):
            outcomes = await in_one_go(
                lambda: batch, partial(work_together, patience=Patience.WAITS)
            )
    except Exception as error:  # noqa: BLE001 - each of them finds out by itself what it is
        _note("batch_beside_failed", len(batch), error)
        outcomes = [_Later() for _ in batch]
    for queued, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, _Later):
            _alone(queued)
        else:
            queued.conclude(outcome)


def _note(event: str, count: int, error: Exception) -> None:
    """Log what ended a batch: done one by one, its commands may succeed and log nothing."""
    _log.warning(event, commands=count, error=type(error).__name__)


def _alone(queued: Queued[Any, Any]) -> None:
    """Do it by itself, for its own caller."""

    async def done() -> None:
        go_on()
        try:
            # As a batch of one. What is locked in another order than that of the other processes'
            # batches (a key first, say) would have the two wait for each other.
            [outcome] = await transaction(partial(work_together, [queued], Patience.WAITS))
            queued.conclude(outcome)
        except Exception as error:  # noqa: BLE001 - the caller gets it
            queued.conclude(error)

    queued.context.run(lambda: task_of(done()))


async def work_together(batch: Batch, patience: Patience) -> list[Outcome]:
    """What came of each, once this has been committed. Raises what ends all of it, Conflict too."""
    used = await _used(batch)
    going = [one for one in batch if one.use is None or one.use.name not in used]
    journal = Journal(patience)
    found = await read_together([one.read(journal) for one in going], _REFUSALS)
    outcomes: dict[Queued[Any, Any], Outcome] = {}
    taken: set[Hashable] = set()
    for queued, what in zip(going, found, strict=True):
        outcomes[queued] = _decided(queued, what, journal, taken)
    if any(isinstance(one, Refusal) for one in outcomes.values()):
        await journal.check_unchanged()
    done = [one for one in going if not isinstance(outcomes[one], Exception)]
    if done:
        journal.uses += [one.use for one in done if one.use is not None]
        await journal.write()
    return [outcomes[one] if one in outcomes else Used() for one in batch]


async def _used(batch: Batch) -> set[tuple[str, str]]:
    uses = [one.use for one in batch if one.use is not None]
    return await idempotency.used(uses) if uses else set()


def _decided(
    queued: Queued[Any, Any], found: object, journal: Journal, taken: set[Hashable]
) -> Outcome:
    if isinstance(found, _REFUSALS):
        return found
    resource = queued.more_resources(found)
    if not taken.isdisjoint(resource):
        return _Later()
    try:
        with journal.taking_back(_REFUSALS):
            answer = queued.decide(found, journal)
    except _REFUSALS as refused:
        return refused
    taken.update(resource)
    return answer
