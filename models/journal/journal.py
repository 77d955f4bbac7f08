"""The journal of one transaction: what is decided is put down here, and written together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any, TypeVar
from uuid import UUID

from tortoise.models import Model

from models.access.identity import Actor, Role
from models.clock import now
from models.db import sql
from models.db.changes import Changes
from models.db.record import Changing
from models.db.transactions import Conflict, ring
from models.journal import audit_log, idempotency, outbox
from models.journal.outbox import FactKind

W = TypeVar("W", bound="Writer")
C = TypeVar("C", bound=Changing)


class Writer:
    """What keeps its own changes until the journal is written."""

    async def begin(self) -> None:
        """Take the locks that are taken last, when nothing can be refused anymore."""

    def write_to(self, changes: Changes) -> None:
        """Have what has changed written with `changes`."""

    def taken(self) -> tuple[str, int]:
        """What has been spent of it or reserved: a currency and minor units, of which there are
        none where more came back.
        """
        return "", 0

    async def is_current(self) -> bool:
        """Whether what was read of it, unlocked, is still so."""
        return True

    def remembered(self) -> dict[str, Any]:
        """What `go_back` takes: what is in its lists and dictionaries is not changed itself."""
        copied = (list, dict, set)
        return {
            name: value.copy() if isinstance(value, copied) else value
            for name, value in vars(self).items()
        }

    def go_back(self, state: Mapping[str, Any]) -> None:
        """Restore that state."""
        vars(self).update(state)


class Patience(Enum):
    """What reading does where another transaction holds the lock."""

    WAITS = auto()
    "It waits, as long as a lock may take."
    LEAVES = auto()
    "Others are read together with it: it raises `Elsewhere`."
    LOOKS = auto()
    "It takes no lock: nothing will be written."


class Elsewhere(Exception):
    """Another transaction has locked what a command needs (`what`): it goes by itself."""

    def __init__(self, what: Hashable) -> None:
        super().__init__(what)
        self.what = what


class Journal:
    """What one transaction changes.

    Reading puts in what is locked (`keep`, `watch`), deciding puts down what becomes of it without
    touching the database, and `write` writes all of it. `at` is the moment that deciding goes by.
    """

    def __init__(self, patience: Patience = Patience.WAITS) -> None:
        self.at = now()
        self.patience = patience
        self._writers: dict[object, Writer] = {}
        self._watched: dict[tuple[type, UUID], Changing] = {}
        self._unlocked: list[Changing] = []
        self._added: list[Model] = []
        self._claims: list[Model] = []
        self.facts: list[outbox.Fact] = []
        self.uses: list[idempotency.Use] = []
        self._entries: list[audit_log.AuditEntry] = []
        self._topics: list[str] = []
        self._noted: dict[int, tuple[Writer | Changing, Any]] | None = None

    # -- while it reads

    def keep(self, key: object, writer: W) -> W:
        """Have this writer write at the end; `kept` finds it by its key."""
        self._writers[key] = writer
        return writer

    def kept(self, key: object) -> Any:  # noqa: ANN401 - as it was kept
        """The writer under `key`, or None."""
        return self._writers.get(key)

    def watch(self, record: C, *, unlocked: bool = False) -> C:
        """What is put down in this record is written at the end; the one record with its id.

        `unlocked` was read before its lock: nothing is refused for what it said, unless it still
        says so (`check_unchanged`).
        """
        known = self._watched.setdefault((type(record), record.id), record)
        known.note_by(self.note)
        if unlocked:
            self._unlocked.append(known)
        return known  # type: ignore[return-value]

    async def is_current(self) -> bool:
        """Whether what was read without a lock (`Patience.LOOKS`) is of one moment."""
        for writer in self._writers.values():
            if not await writer.is_current():
                return False
        return not await self._is_outdated()

    async def check_unchanged(self) -> None:
        """Raises Conflict where what was read before its lock has changed since."""
        if await self._is_outdated():
            raise Conflict

    async def _is_outdated(self) -> bool:
        for model in {type(record) for record in self._unlocked}:
            read_before = [record for record in self._unlocked if type(record) is model]
            if await model.outdated(read_before):
                return True
        return False

    # -- while it decides

    def add(self, *records: Model) -> None:
        """Insert these."""
        self._added += records

    def claim(self, record: Model) -> None:
        """Insert this, of which there is one of its kind: where somebody was faster, everything is
        read and decided again.
        """
        self._claims.append(record)

    def tell(self, kind: FactKind, account_id: UUID, subject_id: UUID, **data: object) -> None:
        """Put an event in the outbox."""
        self.facts.append(outbox.Fact(kind, account_id, subject_id, data))

    def log(
        self,
        by: Actor,
        action: str,
        subject: str,
        account_id: UUID | None = None,
        /,
        **details: object,
    ) -> None:
        """Add to the audit log: see `audit_log.entry`."""
        self._entries.append(audit_log.entry(by, action, subject, account_id, **details))

    def log_person(
        self,
        by: Actor,
        action: str,
        subject: str,
        account_id: UUID | None = None,
        /,
        **details: object,
    ) -> None:
        """As `log`, for what an account's only client does without being logged: staff, partners,
        and clients where several people use the account.
        """
        if by.role is not Role.CLIENT or by.shared:
            self.log(by, action, subject, account_id, **details)

    def ring(self, *topics: str) -> None:
        """Notify listeners of `topics`, once this has been committed."""
        self._topics += topics

    def taken(self) -> dict[str, int]:
        """The credit that has been spent or reserved, in minor units by currency."""
        every: defaultdict[str, int] = defaultdict(int)
        for writer in self._writers.values():
            currency, minor = writer.taken()
            every[currency] += minor
        return every

    # -- taking back what one of several has put down

    @contextmanager
    def taking_back(self, refusals: tuple[type[Exception], ...]) -> Iterator[None]:
        """What is put down in here is taken back where it raises one of the `refusals`."""
        put_down: list[_Grows] = [self._added, self._claims, self.facts, self._entries]
        put_down += [self._topics, self._writers, self._watched]
        lengths = [len(some) for some in put_down]
        self._noted = {}
        try:
            yield
        except refusals:
            for thing, state in self._noted.values():
                thing.go_back(state)
            for some, length in zip(put_down, lengths, strict=True):
                _shorten(some, length)
            raise
        finally:
            self._noted = None

    def note(self, thing: Writer | Changing) -> None:
        """This is about to change: what it was is kept, as long as it may be taken back."""
        if self._noted is not None and id(thing) not in self._noted:
            self._noted[id(thing)] = thing, thing.remembered()

    # -- at the end

    async def write(self) -> None:
        """Write everything. Raises Conflict if another transaction was first."""
        for writer in list(self._writers.values()):
            await writer.begin()
        changes = Changes()
        for record in (*self._claims, *self._added):
            if isinstance(record, Changing):
                record.forget_changes()  # it is inserted as it is
        for record in self._claims:
            changes.claim(type(record), [sql.row_of(record)])
        for record in (*self._added, *self._entries):
            changes.insert(type(record), [sql.row_of(record)])
        for watched in self._watched.values():
            watched.write_to(changes)
        for writer in self._writers.values():
            writer.write_to(changes)
        outbox.record(self.facts, changes)
        idempotency.claim_all(self.uses, changes)
        await changes.write()
        ring(*self._topics)


_Grows = list[Any] | dict[Any, Any]


def _shorten(some: _Grows, length: int) -> None:
    """Drop what was added since it had that length."""
    while len(some) > length:
        some.pop() if isinstance(some, list) else some.popitem()
