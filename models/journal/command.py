"""Commands: whatever changes money or promises.

A command is a frozen value of what is asked, its fields its fingerprint. It reads and locks what it
needs, decides on that without touching the database, and what it has decided is written together:

    read(asked, journal)             locks, in the order of the balances' ids, and reads
    decide(found, asked, journal)    pure: puts down what changes, and answers; or a Refusal
    journal.write()

Pure means that whatever may change comes in: the moment is the journal's, what was read is
`found`. Fresh ids are drawn, and the provider's settings, which a process never changes, are
looked up.

`run` is the only way in for what somebody asks, exactly once for each idempotency key; `perform`
for what follows by itself. Those that have a `resource` are done together with whatever else waits
(models.journal.lane), the others each by itself. What a gateway must be asked is between two
commands, never inside one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, cast
from uuid import UUID

import structlog
from typing_extensions import TypeVar, override

from models.access.identity import Actor, MemberRole
from models.db.record import new_id, public_id
from models.db.transactions import transaction
from models.errors import Busy, IdempotencyInFlight, Refusal
from models.journal import idempotency
from models.journal.idempotency import Made, Use
from models.journal.journal import Journal
from models.journal.lane import Queued, Used, batched

F = TypeVar("F")
A = TypeVar("A")
P = TypeVar("P", default=None)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Invocation(Generic[P]):
    """One call of a command: by whom, with which key; `id` is for what it makes. `prepared` is what
    `Command.prepare` returned, None where that does not matter.
    """

    by: Actor
    key: str
    id: UUID
    prepared: P

    @property
    def source(self) -> str:
        """What is made with this key has this as its source, for good: 64 characters, UNIQUE."""
        return idempotency.source_of(self.by, self.key)


class Command(ABC, Generic[F, A, P]):
    """A request to change something: a frozen dataclass. F is what it reads, A its answer, P what
    comes before the transaction.
    """

    mutation: ClassVar[str]
    """The mutation's name."""

    makes: ClassVar[tuple[str, str]] = ("", "")
    """The name and the id's prefix of what it makes with `asked.id`; empty where nothing is new."""

    least_role: ClassVar[MemberRole] = MemberRole.OWNER
    """What a client must at least be in their account; whoever adds a command decides on less."""

    def resource(self, by: Actor) -> Hashable:  # noqa: ARG002 - for those that are done together
        """What it reads and changes beside its account's balance, where it may be done together
        with commands that use other resources; None for those that are done by themselves.
        """
        return None

    def more_resources(self, found: F) -> Collection[Hashable]:  # noqa: ARG002 - as above
        """Further resources that are only known after reading."""
        return ()

    def require(self, by: Actor) -> None:
        """Raises Forbidden for callers who may never run this command."""

    def made(self, id: UUID) -> dict[str, str]:
        """What is kept beside its key: the public ids of what it makes or changes, by name."""
        name, prefix = self.makes
        return {name: public_id(prefix, id)} if name else {}

    async def prepare(self, asked: Invocation) -> P:  # noqa: ARG002 - for those that have to
        """What must come before the transaction: a gateway, a limit, a slow hash."""
        return cast("P", None)  # it is for those that prepare nothing

    @abstractmethod
    async def read(self, asked: Invocation[P], journal: Journal) -> F:
        """Lock and read, inside the transaction; it may run again after a conflict."""

    @abstractmethod
    def decide(self, found: F, asked: Invocation[P], journal: Journal) -> A:
        """Put down what changes, and answer; or raise a Refusal, and nothing has changed."""

    @abstractmethod
    async def recall(self, made: Made, asked: Invocation) -> A:
        """The answer to a key that was used before. The caller may now use another session or API
        key of the same principal, or have lost their rights since.
        """

    def paid(self, answer: A) -> tuple[str, int]:  # noqa: ARG002 - for those that pay
        """What goes through a gateway: a currency and minor units, with the gateway's fee. It is of
        the budget of whose key it is, as the credit is that is spent or reserved.
        """
        return "", 0

    async def follow(self, answer: A, asked: Invocation) -> A:  # noqa: ARG002 - for those that ask on
        """What follows once it is done and committed: a gateway is asked. The answer, after it."""
        return answer

    async def conclude(self, prepared: P | None, asked: Invocation, *, done: bool) -> None:
        """Clean up after `prepare`, whatever came of it; `prepared` is None where it failed."""


class StaffCommand(Command[F, A, P]):
    """What only staff may ask for."""

    @override
    def require(self, by: Actor) -> None:
        by.require_staff()


class Step(ABC, Generic[F, A]):
    """What follows without being asked for: from a gateway's message, say, or from time."""

    @property
    def resource(self) -> Hashable:
        """As a command's."""
        return None

    @abstractmethod
    async def read(self, journal: Journal) -> F:
        """Lock and read, inside the transaction; it may run again after a conflict."""

    @abstractmethod
    def decide(self, found: F, journal: Journal) -> A:
        """Put down what changes."""


class _QueuedCommand(Queued[Any, A]):
    """A command in the lane."""

    def __init__(
        self, command: Command[Any, A, P], asked: Invocation[P], resource: Hashable
    ) -> None:
        super().__init__()
        self.command, self.asked = command, asked
        self.use = _use(command, asked)
        self._resource = resource

    @property
    @override
    def resource(self) -> Hashable:
        return self._resource

    @override
    async def read(self, journal: Journal) -> Any:
        return await self.command.read(self.asked, journal)

    @override
    def decide(self, found: Any, journal: Journal) -> A:
        return self.command.decide(found, self.asked, journal)

    @override
    def more_resources(self, found: Any) -> Collection[Hashable]:
        return self.command.more_resources(found)


class _QueuedStep(Queued[Any, A]):
    """A step in the lane."""

    def __init__(self, step: Step[Any, A]) -> None:
        super().__init__()
        self.step = step

    @property
    @override
    def resource(self) -> Hashable:
        return self.step.resource

    @override
    async def read(self, journal: Journal) -> Any:
        return await self.step.read(journal)

    @override
    def decide(self, found: Any, journal: Journal) -> A:
        return self.step.decide(found, journal)


async def run(command: Command[Any, A, P], by: Actor, key: str) -> A:
    """Do what is asked, once for this key, and answer; a repeated key is answered alike.

    The key is claimed in the transaction that does the work: it is used if and only if its work was
    done, so a Refusal leaves it free. Raises Invalid at `idempotency_key`; IdempotencyKeyReused for
    one that was used for something else; IdempotencyInFlight; and what the command refuses.
    """
    by.require_member(command.least_role)
    command.require(by)
    asked = Invocation(by, idempotency.checked(key), new_id(), None)
    answer, is_first = await _answered(command, asked)
    if not is_first:
        return answer
    try:
        return await command.follow(answer, asked)
    except Busy as busy:
        # It has been done; TryAgain would say that it has not. What follows is taken up later.
        _log.warning("not_followed_up", command=type(command).__name__, error=busy.code)
        return answer


async def _answered(command: Command[Any, A, P], asked: Invocation) -> tuple[A, bool]:
    """The answer, and whether it is the first to this key."""
    prepared: P | None = None
    done = False
    try:
        try:
            prepared = await command.prepare(asked)
            outcome = (
                await _done(command, Invocation(asked.by, asked.key, asked.id, prepared)),
                True,
            )
        except (Used, Refusal) as refused:
            outcome = await _recalled(command, asked, refused), False
        done = True
    finally:
        await _concluded(command, asked, prepared, done=done)
    return outcome


async def _done(command: Command[Any, A, P], asked: Invocation[P]) -> A:
    resource = command.resource(asked.by)
    # What has a budget is done by itself: it waits for whoever else spends of that.
    if resource is None or asked.by.budget is not None:
        return await transaction(lambda: _work(command, asked))
    return await batched(_QueuedCommand(command, asked, resource))


async def _recalled(command: Command[Any, A, Any], asked: Invocation, refused: Used | Refusal) -> A:
    """The answer to a key that was used before: a refusal, too, may come of this key's own work
    having been done. Raises `refused` where it was not used.
    """
    made = await _made(command, asked)
    if made is not None:
        return await command.recall(made, asked)
    if isinstance(refused, Used):  # the other request has just rolled back
        raise IdempotencyInFlight("idempotency_key") from None
    raise refused


async def _concluded(
    command: Command[Any, Any, P], asked: Invocation, prepared: P | None, *, done: bool
) -> None:
    try:
        await command.conclude(prepared, asked, done=done)
    except Busy as busy:
        _log.warning("not_cleaned_up", command=type(command).__name__, error=busy.code)


async def perform(step: Step[Any, A]) -> A:
    """Do what follows by itself."""
    if step.resource is not None:
        return await batched(_QueuedStep(step))
    return await transaction(lambda: part_of(step))


async def part_of(step: Step[Any, A]) -> A:
    """Do it as a part of the transaction that has begun."""
    journal = Journal()
    found = await step.read(journal)
    answer = step.decide(found, journal)
    await journal.write()
    return answer


async def _work(command: Command[F, A, P], asked: Invocation[P]) -> A:
    if not await idempotency.claim(_use(command, asked)):
        raise Used
    journal = Journal()
    found = await command.read(asked, journal)
    try:
        answer = command.decide(found, asked, journal)
        if asked.by.budget is not None:
            await asked.by.budget.spend(spent_by(command.paid(answer), journal), journal.at)
    except Refusal:
        await journal.check_unchanged()
        raise
    await journal.write()
    return answer


def spent_by(paid: tuple[str, int], journal: Journal) -> dict[str, int]:
    """What a command spends as budgets count it (models.access.budget), with what it has `paid`
    through a gateway: minor units by currency.
    """
    spent = journal.taken()
    currency, minor = paid
    spent[currency] = spent.get(currency, 0) + minor
    return spent


async def _made(command: Command[Any, Any, Any], asked: Invocation) -> Made | None:
    name, prefix = command.makes
    return await idempotency.recall(asked.by, asked.key, _fingerprint(command), name, prefix)


def _use(command: Command[Any, Any, Any], asked: Invocation[Any]) -> Use:
    made = command.made(asked.id)
    return Use(asked.by.principal, asked.key, _fingerprint(command), made)


def _fingerprint(command: Command[Any, Any, Any]) -> str:
    return idempotency.fingerprint(command.mutation, command)
