"""Live subscriptions by topic. A notification is only a hint to re-read; topics are also polled, so
a lost one delays an update but never drops it.

Topics that were rung are read together. A change is turned into events once, and an event into a
message once for all listeners of a group.

A listener is a row of a table, not a task: the state that was last sent to it, and where its
messages go. Its life:

    added ──► catching up ──nothing missed──► ready ──a state changed──► message pushed, still ready
                   ▲                            │
                   │                            └──its client is behind──► waiting
                   └────────────────the client takes messages again────────┘

While it is not ready, a change only marks it as `missed`. It ends, from any state, when its client
leaves, an event cannot be made, or its credentials are no longer valid.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Collection,
    Coroutine,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, Self, TypeAlias

import structlog

from models.access.credential import holding
from models.access.identity import Actor
from models.clock import now
from models.db.caller import called_by
from models.db.trouble import trouble_of
from models.errors import Busy
from schema.core.errors import SessionEnded

#: How often everything is looked at although nothing rang.
POLL_SECONDS: Final = 10.0
#: How soon a look is repeated that failed (the database was away), or found what is out of date.
RETRY_SECONDS: Final = 1.0
#: How many topics are read together: of those that rang; the poll reads fewer at once, to keep its
#: load low.
TOPICS_AT_ONCE: Final = 256
TOPICS_A_POLL: Final = 64

#: What a source reads: hashable, and equal where there is nothing to tell.
State: TypeAlias = Hashable

log = structlog.get_logger(__name__)


class Source(ABC):
    """What one subscription is about: the states of a topic, and the events from one to the next.

    A subscription's resolver returns it. Without a table of listeners, iterate over its events.
    """

    __slots__ = ("actor", "topic", "watchers")

    def __init__(self, watchers: Watchers, topic: str, actor: Actor) -> None:
        self.watchers = watchers
        self.topic = topic
        self.actor = actor

    @classmethod
    @abstractmethod
    async def read(cls, sources: Sequence[Self]) -> Mapping[str, State]:
        """The present states by topic, of sources of this class; None for what no longer exists."""

    @abstractmethod
    def is_older(self, one: State | None, other: State | None) -> bool:
        """Whether `one` is older; reads can finish out of order."""

    @abstractmethod
    def events(self, told: State | None, present: State | None) -> AsyncIterator[tuple[State, Any]]:
        """Events that take a subscriber from `told` to `present`, each with its state.

        `told` is None where nothing was sent yet. Raises a Refusal where nothing may be seen.
        """

    @abstractmethod
    def forget(self) -> None:
        """Drop data cached for the previous event."""

    @abstractmethod
    def explained(self, error: Exception) -> Exception:
        """The error to send to its subscriber."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """The events one by one, for as long as the caller may listen."""
        return _one_by_one(self)


class Listener(ABC):
    """One subscriber: a row of the table."""

    __slots__ = ("is_ready", "last_sent", "missed", "read_at", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        #: The state of the last message that was sent.
        self.last_sent: State | None = None
        #: When its state was last read, on the monotonic clock.
        self.read_at = 0.0
        #: Whether changes are pushed to it as they happen; otherwise it catches up by itself.
        self.is_ready = False
        #: Whether there may be something that it has not read.
        self.missed = True

    @property
    @abstractmethod
    def group(self) -> Hashable:
        """Listeners of one group get the same messages for the same events."""

    @abstractmethod
    async def show(self, event: Any) -> Any:  # noqa: ANN401 - whatever the source tells
        """The message for an event, the same for the whole group."""

    @abstractmethod
    def take(self, message: Any) -> bool:  # noqa: ANN401 - as `show`
        """Send a message. False where its client is behind: it then catches up by itself."""

    @abstractmethod
    def end(self, error: Exception) -> None:
        """The subscription is over; it has been taken out of the table."""


class Watchers:
    """All that is watched in this process; it looks while it is `running`."""

    def __init__(self) -> None:
        self._topics: dict[str, dict[Listener, None]] = {}
        self._rung: set[str] = set()
        self._anything = asyncio.Event()
        #: Topics being read, until all listeners have their messages; whether they rang meanwhile.
        self._busy: dict[str, bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.listeners = 0

    def ring(self, topics: Collection[str] | None) -> None:
        """Look at these soon, at everything where None. Neither blocks nor raises."""
        rung = self._topics if topics is None else self._topics.keys() & topics
        for topic in rung:
            if topic in self._busy:
                self._busy[topic] = True
            else:
                self._rung.add(topic)
                self._anything.set()

    def add(self, listener: Listener) -> None:
        """From here on no change is missed; `follow` sends what there is and makes it ready."""
        self._topics.setdefault(listener.source.topic, {})[listener] = None
        self.listeners += 1

    def remove(self, listener: Listener) -> None:
        """Nothing more is sent to the listener."""
        topic = listener.source.topic
        listeners = self._topics.get(topic, {})
        if listener in listeners:
            listener.is_ready = False
            del listeners[listener]
            self.listeners -= 1
            if not listeners:
                del self._topics[topic]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Look, as long as the block runs."""
        self._begin(self._look_when_rung())
        self._begin(self._poll())
        try:
            yield self
        finally:
            for task in (tasks := list(self._tasks)):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_when_rung(self) -> None:
        while True:
            await self._anything.wait()
            self._anything.clear()
            rung, self._rung = list(self._rung), set()
            for part in _parts(rung, TOPICS_AT_ONCE):
                self._begin(self._look(part, rung=True))

    async def _poll(self) -> None:
        """Look at everything in turn, evenly, within POLL_SECONDS."""
        while True:
            parts = _parts(list(self._topics), TOPICS_A_POLL)
            for part in parts:
                await asyncio.sleep(POLL_SECONDS / len(parts))
                await self._look(part, rung=False)
            if not parts:
                await asyncio.sleep(POLL_SECONDS)

    async def _look(self, topics: Iterable[str], *, rung: bool) -> None:
        """Read these together, and send what has changed. A topic that rang has probably changed,
        so its listeners' credentials are checked at the same time.
        """
        began = monotonic()
        free = [topic for topic in topics if topic in self._topics and topic not in self._busy]
        self._busy.update(dict.fromkeys(free, False))
        present: dict[str, State] = {}
        changed: list[str] = []
        try:
            reading = _read([next(iter(self._topics[topic])).source for topic in free])
            if rung:
                present, _ = await asyncio.gather(reading, self._end_those_who_may_not(free))
            else:
                present = await reading
                different = [one for one in free if self._differs(one, present.get(one))]
                await self._end_those_who_may_not(different)
            changed = [topic for topic in free if self._differs(topic, present.get(topic))]
        except Exception as error:  # noqa: BLE001 - a database that is away changes nothing
            log.warning("watchers_did_not_look", topics=len(free), error=type(error).__name__)
            self._ring_again(free)
        for topic in set(free).difference(changed):
            self._done(topic)
        for topic in changed:
            self._begin(self._tell(topic, present.get(topic), began))

    def _ring_again(self, topics: Collection[str]) -> None:
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self.ring, topics)

    def _differs(self, topic: str, present: State | None) -> bool:
        return any(told != present for told, _ in _by_last_sent(self._topics.get(topic, ())))

    def _done(self, topic: str) -> None:
        if self._busy.pop(topic):
            self.ring({topic})

    async def _end_those_who_may_not(self, topics: Iterable[str]) -> None:
        ready = [one for topic in topics for one in self._topics.get(topic, ()) if one.is_ready]
        actors = {one.source.actor for one in ready}
        over = actors - await holding(actors) if actors else actors
        for one in ready:
            if one.source.actor in over:
                self._end(one, SessionEnded())

    def _end(self, listener: Listener, error: Exception) -> None:
        if listener.is_ready:
            self.remove(listener)
            listener.end(listener.source.explained(error))

    async def _tell(self, topic: str, present: State | None, began: float) -> None:
        ready = []
        try:
            for one in self._topics.get(topic, ()):
                if not one.is_ready:
                    one.missed = True
                elif one.read_at < began:
                    ready.append(one)
                elif one.last_sent != present:
                    self.ring({topic})  # it may know more than what was read here
            for told, listeners in _by_last_sent(ready):
                await self._tell_all(listeners, told, present)
        finally:
            self._done(topic)

    async def _tell_all(
        self, listeners: list[Listener], told: State | None, present: State | None
    ) -> None:
        """Send the events to listeners whose last state is the same."""
        source = listeners[0].source
        if source.is_older(present, told):  # from a database that has lost what it had
            self._ring_again({source.topic})
            return
        try:
            with called_by(source.actor.caller):
                async for state, event in source.events(told, present):
                    listeners = await _tell_event(listeners, state, event)
                    if not listeners:
                        return
        except Exception as error:  # noqa: BLE001 - it is theirs, and masked where it is written
            if _will_pass(error):
                self._ring_again({source.topic})
                return
            for one in listeners:
                self._end(one, error)
        else:
            for one in listeners:
                one.last_sent = present


def _by_last_sent(listeners: Iterable[Listener]) -> list[tuple[State | None, list[Listener]]]:
    """Group listeners by the last state sent. Most share the very object."""
    same: defaultdict[int, list[Listener]] = defaultdict(list)
    for one in listeners:
        same[id(one.last_sent)].append(one)
    equal: defaultdict[State | None, list[Listener]] = defaultdict(list)
    for some in same.values():
        equal[some[0].last_sent] += some
    return list(equal.items())


async def _tell_event(listeners: list[Listener], state: State, event: object) -> list[Listener]:
    """The listeners that took it; the others catch up by themselves."""
    messages: dict[Hashable, Any] = {}
    taken = []
    for one in listeners:
        group = one.group if len(listeners) > 1 else None
        if one.is_ready and group not in messages:
            messages[group] = await one.show(event)
        if not one.is_ready:
            continue
        if one.take(messages[group]):
            one.last_sent = state
            taken.append(one)
        else:
            one.is_ready, one.missed = False, True
    return taken


def _parts(topics: list[str], size: int) -> list[list[str]]:
    return [topics[n : n + size] for n in range(0, len(topics), size)]


async def _read(sources: Iterable[Source]) -> dict[str, State]:
    kinds: defaultdict[type[Source], list[Source]] = defaultdict(list)
    for source in sources:
        kinds[type(source)].append(source)
    present: dict[str, State] = {}
    for kind, some in kinds.items():
        present |= await kind.read(some)
    return present


async def follow(listener: Listener) -> AsyncGenerator[Any, None]:
    """The messages that a listener has missed, one by one; in the end it is ready.

    Raises SessionEnded and what `Source.events` raises, `explained` for the subscriber.
    """
    try:
        while listener.missed:
            listener.missed = False
            try:
                async for message in _missed(listener):
                    yield message
            except Exception as error:
                # A listener that has had a message can wait; a new one is sent the error.
                if listener.last_sent is None or not _will_pass(error):
                    raise
                listener.missed = True
                await asyncio.sleep(RETRY_SECONDS)
        listener.is_ready = True
    except Exception as error:
        raise listener.source.explained(error) from error


class _Older(Exception):
    """The state that was read is older than the last one sent."""


def _will_pass(error: Exception) -> bool:
    """Whether reading again later may succeed."""
    return isinstance(error, Busy | _Older) or trouble_of(error) is not None


async def _missed(listener: Listener) -> AsyncGenerator[Any, None]:
    source = listener.source
    if listener.last_sent is not None:
        await _require_holding(source.actor)
    listener.read_at = monotonic()
    present = (await source.read([source])).get(source.topic)
    if source.is_older(present, listener.last_sent):  # from a database that has lost what it had
        raise _Older
    async for state, event in source.events(listener.last_sent, present):
        yield await listener.show(event)
        listener.last_sent = state
    listener.last_sent = present


async def _require_holding(actor: Actor) -> None:
    if not await holding({actor}):
        raise SessionEnded


async def _one_by_one(source: Source) -> AsyncGenerator[Any, None]:
    listener = _OneByOne(source)
    source.watchers.add(listener)
    try:
        while True:
            async for event in follow(listener):
                yield event
            await listener.woken()
    finally:
        source.watchers.remove(listener)


class _OneByOne(Listener):
    """For one iterator: it is never pushed to, only woken, and then catches up."""

    __slots__ = ("_error", "_woken")

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._woken = asyncio.Event()
        self._error: Exception | None = None

    @property
    def group(self) -> Hashable:
        return self

    async def show(self, event: Any) -> Any:  # noqa: ANN401 - the event itself
        self.source.forget()
        return event

    def take(self, message: Any) -> bool:  # noqa: ARG002, ANN401 - it is read again
        self._woken.set()
        return False

    def end(self, error: Exception) -> None:
        self._error = error
        self._woken.set()

    async def woken(self) -> None:
        """Returns when there is something to read; raises what ended it, and SessionEnded."""
        expires_at = self.source.actor.expires_at
        seconds = None if expires_at is None else max(0.0, (expires_at - now()).total_seconds())
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            raise self.source.explained(SessionEnded()) from None
        self._woken.clear()
        if self._error is not None:
            raise self._error
