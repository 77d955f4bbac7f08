"""The book: one account's balance in one currency, locked while a transaction changes it.

`Book.post()` is the one function that moves money; what was posted is written at the journal's end,
at most one statement a table however much it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from typing_extensions import override

from models.db import sql
from models.db.changes import Changes
from models.db.record import new_id
from models.db.together import find_some
from models.errors import AccountFrozen
from models.journal.journal import Journal, Writer
from models.journal.outbox import FactKind
from models.journal.topics import topic_of_credit
from models.ledger.chart import (
    Balance,
    LedgerAccount,
    LedgerKind,
    Ref,
    balance_id,
    client,
    grant_account,
    opening,
    provider_account,
)
from models.ledger.credit_transaction import CreditTransaction, StatementLineKind
from models.ledger.grant import Grant, OpenGrant, expiry_order
from models.ledger.posting import Leg, StatementLine, debt_first
from models.ledger.stopped import is_stopped
from models.ledger.transfer import MoveKind, Transfer
from models.provider.provider import provider

#: The revision of a balance that there is not yet.
NOT_THERE: Final = -1


class Book(Writer):
    """One account's balance in one currency, locked until the transaction ends.

    Amounts are minor units. `post` changes what the book says at once; the `journal` writes it. Its
    account's switches (`frozen`, `open_disputes`, `auto_apply_credit`) are as they stand until
    then: whoever changes them locks the book first (`every_book`).
    """

    def __init__(self, journal: Journal, account_id: UUID, currency: str, row: sql.Row) -> None:
        self.journal = journal
        self.account_id = account_id
        self.currency = currency
        self.available: int = row["available"]
        self.reserved: int = row["reserved"]
        self.promotional: int = row["promotional"]
        self.debt: int = row["debt"]
        self._began: int = row["available"]
        self.version: int = row["version"]
        self.frozen = bool(row["frozen"])
        self.open_disputes: int = row["open_disputes"]
        self.auto_apply_credit = bool(row["auto_apply_credit"])
        self._revision: int = row["revision"]
        self.grants: dict[UUID, OpenGrant] = {}
        self._lines: list[tuple[StatementLine, sql.Row]] = []
        self._transfers: list[sql.Row] = []
        self._opened: dict[UUID, Ref] = {}
        self._disputes = 0
        self._touched = False
        self._taken = 0

    # -- the accounts of this book

    @property
    def deposited(self) -> Ref:
        """Its credit from deposits."""
        return client(LedgerKind.DEPOSITED, self.account_id, self.currency)

    @property
    def held(self) -> Ref:
        """Its reserved credit."""
        return client(LedgerKind.HELD, self.account_id, self.currency)

    @property
    def owed(self) -> Ref:
        """Its debt."""
        return client(LedgerKind.DEBT, self.account_id, self.currency)

    @property
    def deposits(self) -> int:
        """The part of `available` that came from deposits."""
        return self.available - self.promotional

    def grant(self, grant_id: UUID) -> Ref:
        """One of its grants."""
        return grant_account(grant_id, self.account_id)

    def provider_account(self, kind: LedgerKind, gateway: str | None = None) -> Ref:
        """An account of the provider in this currency."""
        return provider_account(kind, self.currency, gateway)

    @property
    def stopped(self) -> bool:
        """Whether nothing of it may be spent: by staff, an open dispute, or a debt."""
        return self.is_stopped()

    def check_spendable(self, *field: str) -> None:
        """Raises AccountFrozen there where it is `stopped`."""
        if self.stopped:
            raise AccountFrozen(*field, why="staff" if self.frozen else None)

    def is_stopped(self, *, but_disputes: int = 0) -> bool:
        """As `stopped`, leaving that many of the open disputes out."""
        disputes = self.open_disputes - but_disputes
        return is_stopped(frozen=self.frozen, open_disputes=disputes, debt=self.debt)

    @override
    def taken(self) -> tuple[str, int]:
        return self.currency, self._taken

    def count_less(self, minor: int) -> None:
        """So much of what is spent has counted in budgets before, when it was reserved."""
        self._taken -= minor

    # -- its grants

    async def load_grants(self, ids: Iterable[UUID]) -> None:
        """Bring grants into the book that have nothing left, so that credit can go back to them."""
        missing = [id for id in dict.fromkeys(ids) if id not in self.grants]
        found = await find_some(_grants, missing)
        for id in missing:
            row = found[id]
            self.grants.setdefault(id, OpenGrant(id, row["remaining"], row["expires_at"]))
        if missing:
            grants = sorted(self.grants.values(), key=expiry_order)
            self.grants = {grant.id: grant for grant in grants}

    def open_grant(self, grant_id: UUID, amount: int, expires_at: datetime | None) -> Ref:
        """A new, empty grant of `amount` minor units; the posting that fills it comes next."""
        self.journal.note(self)
        self.grants[grant_id] = OpenGrant(grant_id, 0, expires_at, amount=amount)
        return self.open(self.grant(grant_id))

    def open(self, ref: Ref) -> Ref:
        """A ledger account that may not be there yet."""
        self.journal.note(self)
        self._opened[ref.id] = ref
        return ref

    # -- moving money

    def post(
        self,
        what: StatementLine | MoveKind,
        legs: Sequence[Leg],
        *,
        source: str = "",
        payment_id: UUID | None = None,
    ) -> UUID | None:
        """The one function that moves money: all `legs` of one change.

        With a `StatementLine` the change is on the statement and raises the version by one; its id
        is returned. With a `MoveKind` and its `source` it is a movement behind the statement.
        """
        self.journal.note(self)
        before = self._total
        if isinstance(what, StatementLine):
            legs = debt_first(legs, self.debt, self.deposited, self.owed)
        self._move(what, legs)
        if isinstance(what, MoveKind):
            assert self._total == before or not legs
            self._add_transfers(what.value, source, legs, payment_id=payment_id)
            return None
        self._add_line(what, self._total - before, legs)
        return what.id

    def _move(self, what: StatementLine | MoveKind, legs: Sequence[Leg]) -> None:
        available = self.available
        for leg in legs:
            assert leg.amount > 0, "a transfer is positive"
            self._apply(leg.source, -leg.amount)
            self._apply(leg.target, leg.amount)
        self._check()
        if not isinstance(what, StatementLine) or what.kind is not StatementLineKind.EXPIRY:
            # What comes back, as where a payment is replaced, pays for nothing of what is spent.
            self._taken += max(0, available - self.available)

    def _add_line(self, line: StatementLine, amount: int, legs: Sequence[Leg]) -> None:
        self.version += 1
        self._touched = True
        self._lines.append((line, self._line_row(line, amount)))
        self.journal.tell(FactKind.CREDIT_CHANGED, self.account_id, line.id)
        self._add_transfers(
            line.kind.value, line.source, legs, line_id=line.id, payment_id=line.payment_id
        )

    @property
    def _total(self) -> int:
        return self.available + self.reserved - self.debt

    def _line_row(self, line: StatementLine, amount: int) -> sql.Row:
        return {
            "id": line.id,
            "created_at": self.journal.at,
            "account_id": self.account_id,
            "currency": self.currency,
            "kind": line.kind.value,
            "source": line.source,
            "amount": amount,
            "balance_after": self._total,
            "available_after": self.available,
            "reserved_after": self.reserved,
            "promotional_after": self.promotional,
            "debt_after": self.debt,
            "version": self.version,
            "refundable": line.refundable,
            "invoice_id": line.invoice_id,
            "payment_id": line.payment_id,
        }

    def expire_due(self) -> None:
        """Take back promotional credit whose time is over; one line a grant."""
        moment = self.journal.at
        for grant in list(self.grants.values()):
            if grant.remaining and grant.expires_at is not None and grant.expires_at <= moment:
                line = StatementLine(StatementLineKind.EXPIRY, f"{grant.id.hex}:{self.version + 1}")
                promotions = self.provider_account(LedgerKind.PROMOTIONS)
                self.post(line, [Leg(self.grant(grant.id), promotions, grant.remaining)])
                self.journal.tell(FactKind.GRANT_EXPIRED, self.account_id, grant.id)

    def _repay_debt(self) -> None:
        """Deposits that were held while the debt arose repay it when they are free again."""
        repaid = min(self.deposits, self.debt)
        if repaid:
            legs = [Leg(self.deposited, self.owed, repaid)]
            self.post(MoveKind.DEBT_REPAID, legs, source=new_id().hex)

    def _tell_if_low(self) -> None:
        """Partners hear of it each time that it falls below the provider's line."""
        limits = provider().limits.get(self.currency)
        low = None if limits is None else limits.low_balance
        if low is not None and self.available < low.minor <= self._began:
            self.journal.tell(FactKind.CREDIT_LOW, self.account_id, self.account_id)

    def _apply(self, ref: Ref, change: int) -> None:
        match ref.kind:
            case LedgerKind.DEPOSITED:
                self.available += change
            case LedgerKind.GRANT:
                grant = self.grants[ref.id]
                grant.remaining += change
                grant.changed = True
                self.available += change
                self.promotional += change
            case LedgerKind.HELD:
                self.reserved += change
            case LedgerKind.DEBT:
                self.debt -= change
            case _:
                return
        self._touched = True

    def _check(self) -> None:
        assert self.available >= self.promotional >= 0, "credit is never negative"
        assert self.reserved >= 0, "held credit is never negative"
        assert self.debt >= 0, "a debt is never overpaid"
        assert all(grant.remaining >= 0 for grant in self.grants.values())

    def _add_transfers(
        self,
        kind: str,
        source: str,
        legs: Sequence[Leg],
        *,
        line_id: UUID | None = None,
        payment_id: UUID | None,
    ) -> None:
        for number, leg in enumerate(legs):
            self._transfers.append(
                {
                    "id": new_id(),
                    "created_at": self.journal.at,
                    "currency": self.currency,
                    "kind": kind,
                    "source": source,
                    "leg": number,
                    "from_id": leg.source.id,
                    "to_id": leg.target.id,
                    "amount": leg.amount,
                    "account_id": self.account_id,
                    "credit_transaction_id": line_id,
                    "payment_id": payment_id,
                }
            )

    def posted(self, line_id: UUID) -> CreditTransaction:
        """A line that was posted here, as it will be written."""
        [found] = [(line, row) for line, row in self._lines if line.id == line_id]
        return CreditTransaction(**found[1], note=found[0].note)

    # -- when it was read without a lock

    @override
    async def is_current(self) -> bool:
        id = balance_id(self.account_id, self.currency)
        rows = await sql.fetch("SELECT revision FROM balance WHERE id = $1", id)
        return (rows[0]["revision"] if rows else NOT_THERE) == self._revision

    # -- writing it back

    def dispute(self, change: int) -> None:
        """One more open dispute of its account (1), or one less (-1); every book is locked."""
        self.journal.note(self)
        self.open_disputes += change
        self._disputes += change

    def touch(self) -> None:
        """Something beside the ledger changed what the balance shows (what is pending)."""
        self.journal.note(self)
        self._touched = True

    @override
    def write_to(self, changes: Changes) -> None:
        self._repay_debt()
        self._tell_if_low()
        opened = opening(self.currency, self._opened.values())
        changes.ensure(LedgerAccount, map(sql.row_of, opened))
        lines = ({**row, "note": line.note} for line, row in self._lines)
        changes.insert(CreditTransaction, lines)
        changes.insert(Transfer, self._transfers)
        if self._touched:
            id = balance_id(self.account_id, self.currency)
            changes.update(Balance, id, self._balance_row())
            self.journal.ring(topic_of_credit(self.account_id, self.currency))
        grants = self.grants.values()
        new = (self._new_grant(one) for one in grants if one.amount is not None)
        changes.insert(Grant, map(sql.row_of, new))
        for grant in grants:
            if grant.changed and grant.amount is None:
                changes.update(Grant, grant.id, {"remaining": grant.remaining})
        if self._disputes:
            changes.increase("account", self.account_id, open_disputes=self._disputes)

    @override
    def remembered(self) -> dict[str, Any]:
        grants = [(one, one.remaining, one.changed) for one in self.grants.values()]
        return {**super().remembered(), "_grants_left": grants}

    @override
    def go_back(self, state: Mapping[str, Any]) -> None:
        for grant, remaining, changed in state["_grants_left"]:
            grant.remaining, grant.changed = remaining, changed
        super().go_back({name: value for name, value in state.items() if name != "_grants_left"})

    def _new_grant(self, grant: OpenGrant) -> Grant:
        return Grant(
            id=grant.id,
            account_id=self.account_id,
            currency=self.currency,
            amount=grant.amount,
            remaining=grant.remaining,
            expires_at=grant.expires_at,
            created_at=self.journal.at,
        )

    def _balance_row(self) -> sql.Row:
        return {
            "available": self.available,
            "reserved": self.reserved,
            "promotional": self.promotional,
            "debt": self.debt,
            "version": self.version,
            "revision": self._revision + 1,
            "updated_at": self.journal.at,
        }


async def _grants(ids: Sequence[UUID]) -> dict[UUID, sql.Row]:
    statement = "SELECT id, remaining, expires_at FROM credit_grant WHERE "
    return {row["id"]: row for row in await sql.fetch(statement + sql.any_of("id", 1), list(ids))}
