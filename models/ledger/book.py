"""The book: one account's balance in one currency, locked while a transaction changes it.

`Book.post()` is the one function that moves money; `Book.close()` writes what was posted, at most
one statement a table however much it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from models.clock import now
from models.db import sql
from models.db.record import new_id
from models.db.transactions import ring
from models.ledger.chart import (
    LedgerKind,
    LineKind,
    MoveKind,
    Ref,
    balance_id,
    client,
    grant_account,
    house_account,
    open_accounts,
)


@dataclass(frozen=True, slots=True)
class Leg:
    """Move `amount` minor units from one ledger account to another."""

    source: Ref
    target: Ref
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the statement to be. (kind, source) happens once, ever."""

    kind: LineKind
    source: str
    note: str = ""
    refundable: bool = False
    invoice_id: UUID | None = None
    payment_id: UUID | None = None
    id: UUID = field(default_factory=new_id)


@dataclass(slots=True)
class OpenGrant:
    """A grant while its book is open."""

    id: UUID
    remaining: int
    expires_at: datetime | None
    changed: bool = False


class Book:
    """One account's balance in one currency, locked until the transaction ends.

    Amounts are minor units. `post` changes what the book says at once; `close` writes it. Its
    account's switches (`frozen`, `open_disputes`, `auto_apply_credit`) are as they stand until
    then: whoever changes them locks the book first (`every_book`).
    """

    def __init__(self, account_id: UUID, currency: str, row: sql.Row) -> None:
        self.account_id = account_id
        self.currency = currency
        self.available: int = row["available"]
        self.reserved: int = row["reserved"]
        self.promotional: int = row["promotional"]
        self.debt: int = row["debt"]
        self.version: int = row["version"]
        self.frozen = bool(row["frozen"])
        self.open_disputes: int = row["open_disputes"]
        self.auto_apply_credit = bool(row["auto_apply_credit"])
        self._revision: int = row["revision"]
        self.grants: dict[UUID, OpenGrant] = {}
        self._lines: list[sql.Row] = []
        self._transfers: list[sql.Row] = []
        self._touched = False

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

    def house(self, kind: LedgerKind, gateway: str | None = None) -> Ref:
        """An account of the house in this currency."""
        return house_account(kind, self.currency, gateway)

    @property
    def stopped(self) -> bool:
        """Whether nothing of it may be spent: by staff, an open dispute, or a debt."""
        return self.frozen or self.open_disputes > 0 or self.debt > 0

    # -- its grants

    async def load_grants(self, ids: Iterable[UUID]) -> None:
        """Bring grants into the book that have nothing left, so that credit can go back to them."""
        missing = [id for id in ids if id not in self.grants]
        if not missing:
            return
        rows = await sql.fetch(
            f"SELECT id, remaining, expires_at FROM credit_grant"
            f" WHERE id IN ({sql.placeholders(len(missing))})",
            *missing,
        )
        for row in rows:
            self.grants[row["id"]] = OpenGrant(row["id"], row["remaining"], row["expires_at"])
        self.grants = {grant.id: grant for grant in sorted(self.grants.values(), key=_expiry)}

    async def open_grant(self, grant_id: UUID, amount: int, expires_at: datetime | None) -> Ref:
        """A new, empty grant of `amount` minor units; the posting that fills it comes next."""
        ref = self.grant(grant_id)
        await open_accounts(self.currency, [ref])
        await sql.insert(
            "credit_grant",
            [
                {
                    "id": grant_id,
                    "account_id": self.account_id,
                    "currency": self.currency,
                    "amount": amount,
                    "remaining": 0,
                    "expires_at": expires_at,
                    "created_at": now(),
                }
            ],
        )
        self.grants[grant_id] = OpenGrant(grant_id, 0, expires_at)
        return ref

    # -- moving money

    def post(
        self,
        what: Line | MoveKind,
        legs: Sequence[Leg],
        *,
        source: str = "",
        payment_id: UUID | None = None,
    ) -> UUID | None:
        """The one function that moves money: all `legs` of one change.

        With a `Line` the change is on the statement and raises the version by one; its id is
        returned. With a `MoveKind` and its `source` it is a movement behind the statement.
        """
        before = self.available + self.reserved - self.debt
        if isinstance(what, Line):
            legs = self._debt_first(legs)
        for leg in legs:
            assert leg.amount > 0, "a transfer is positive"
            self._apply(leg.source, -leg.amount)
            self._apply(leg.target, leg.amount)
        self._check()
        moment = now()
        if isinstance(what, MoveKind):
            assert self.available + self.reserved - self.debt == before or not legs
            self._add_transfers(
                what.value, source, legs, line_id=None, payment_id=payment_id, moment=moment
            )
            return None
        self.version += 1
        self._touched = True
        after = self.available + self.reserved - self.debt
        self._lines.append(
            {
                "id": what.id,
                "created_at": moment,
                "account_id": self.account_id,
                "currency": self.currency,
                "kind": what.kind.value,
                "source": what.source,
                "amount": after - before,
                "balance_after": after,
                "available_after": self.available,
                "reserved_after": self.reserved,
                "promotional_after": self.promotional,
                "debt_after": self.debt,
                "version": self.version,
                "note": what.note,
                "refundable": what.refundable,
                "invoice_id": what.invoice_id,
                "payment_id": what.payment_id,
            }
        )
        self._add_transfers(
            what.kind.value,
            what.source,
            legs,
            line_id=what.id,
            payment_id=what.payment_id,
            moment=moment,
        )
        return what.id

    def _debt_first(self, legs: Sequence[Leg]) -> list[Leg]:
        """The same with what would be deposited repaying the debt first, whatever brings it."""
        owed, split = self.debt, []
        for leg in legs:
            repaid = min(leg.amount, owed) if leg.target == self.deposited else 0
            owed -= repaid
            if repaid:
                split.append(Leg(leg.source, self.owed, repaid))
            if leg.amount > repaid:
                split.append(Leg(leg.source, leg.target, leg.amount - repaid))
        return split

    def expire_due(self) -> None:
        """Take back promotional credit whose time is over; one line a grant."""
        moment = now()
        for grant in list(self.grants.values()):
            if grant.remaining and grant.expires_at is not None and grant.expires_at <= moment:
                line = Line(LineKind.EXPIRY, f"{grant.id.hex}:{self.version + 1}")
                promotions = self.house(LedgerKind.PROMOTIONS)
                self.post(line, [Leg(self.grant(grant.id), promotions, grant.remaining)])

    def _repay_debt(self) -> None:
        """Deposits that were held while the debt arose repay it when they are free again."""
        repaid = min(self.deposits, self.debt)
        if repaid:
            legs = [Leg(self.deposited, self.owed, repaid)]
            self.post(MoveKind.DEBT_REPAID, legs, source=new_id().hex)

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
        line_id: UUID | None,
        payment_id: UUID | None,
        moment: datetime,
    ) -> None:
        for number, leg in enumerate(legs):
            self._transfers.append(
                {
                    "id": new_id(),
                    "created_at": moment,
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

    # -- writing it back

    def touch(self) -> None:
        """Something beside the ledger changed what the balance shows (what is pending)."""
        self._touched = True

    async def close(self) -> None:
        """Write everything that was posted: at most one statement a table."""
        self._repay_debt()
        statements: list[sql.Statement] = []
        if self._lines:
            statements.append(sql.insertion("credit_transaction", self._lines))
        if self._transfers:
            statements.append(sql.insertion("transfer", self._transfers))
        if self._touched:
            statements.append(self._new_balance())
            ring(f"credit:{self.account_id.hex}:{self.currency}")
        changed = [grant for grant in self.grants.values() if grant.changed]
        if changed:
            statements.append(_new_grants(changed))
        await sql.together(statements)

    def _new_balance(self) -> sql.Statement:
        statement = (
            "UPDATE balance SET available = $2, reserved = $3, promotional = $4, debt = $5,"
            " version = $6, revision = $7, updated_at = $8 WHERE id = $1"
        )
        return statement, (
            balance_id(self.account_id, self.currency),
            self.available,
            self.reserved,
            self.promotional,
            self.debt,
            self.version,
            self._revision + 1,
            now(),
        )


def _new_grants(grants: Sequence[OpenGrant]) -> sql.Statement:
    cases = " ".join(
        f"WHEN ${2 * n + 1} THEN CAST(${2 * n + 2} AS BIGINT)" for n in range(len(grants))
    )
    ids = ", ".join(f"${2 * n + 1}" for n in range(len(grants)))
    values = [value for grant in grants for value in (grant.id, grant.remaining)]
    return f"UPDATE credit_grant SET remaining = CASE id {cases} END WHERE id IN ({ids})", values


@asynccontextmanager
async def book(account_id: UUID, currency: str) -> AsyncIterator[Book]:
    """Lock a balance, and write it back where the block ends well. Inside a transaction only.

    What has expired is gone before anything is decided on it.
    """
    opened = await _open(account_id, currency)
    opened.expire_due()
    yield opened
    await opened.close()


async def every_book(account_id: UUID) -> None:
    """Lock all of an account's balances, before one of its switches changes or one of its books is
    opened. Inside a transaction only.

    In the order of their ids, so that two never wait for each other. The revision is raised, so
    that whoever waits for one of them, or has just read it, reads the switches again.
    """
    await sql.fetch(
        "SELECT id FROM balance WHERE account_id = $1 ORDER BY id" + sql.for_update(), account_id
    )
    rows = await sql.fetch(
        "UPDATE balance SET revision = revision + 1 WHERE account_id = $1 RETURNING currency",
        account_id,
    )
    ring(*(f"credit:{account_id.hex}:{row['currency']}" for row in rows))


_OPEN: Final = """
SELECT b.available, b.reserved, b.promotional, b.debt, b.version, b.revision,
       (SELECT s.revision FROM balance s WHERE s.id = b.id) AS seen,
       a.frozen, a.open_disputes, a.auto_apply_credit,
       g.id AS grant_id, g.remaining, g.expires_at
  FROM balance b
  JOIN account a ON a.id = b.account_id
  LEFT JOIN credit_grant g
    ON g.account_id = b.account_id AND g.currency = b.currency AND g.remaining > 0
 WHERE b.id = $1
"""


async def _open(account_id: UUID, currency: str) -> Book:
    id = balance_id(account_id, currency)
    rows = await sql.fetch(_OPEN + sql.for_update("b"), id)
    if not rows:
        await _create(account_id, currency)
        rows = await sql.fetch(_OPEN + sql.for_update("b"), id)
    if rows[0]["seen"] != rows[0]["revision"]:
        # PostgreSQL waited for the lock: the balance is the newest, the grants and the account
        # beside it are from before the wait. Read them again, now that nobody can change them.
        rows = await sql.fetch(_OPEN, id)
    opened = Book(account_id, currency, rows[0])
    grants = [
        OpenGrant(row["grant_id"], row["remaining"], row["expires_at"])
        for row in rows
        if row["grant_id"] is not None
    ]
    opened.grants = {grant.id: grant for grant in sorted(grants, key=_expiry)}
    return opened


def _expiry(grant: OpenGrant) -> tuple[bool, datetime | None, UUID]:
    """The order in which grants are spent: soonest expiry first, then those without one."""
    return (grant.expires_at is None, grant.expires_at, grant.id)


async def _create(account_id: UUID, currency: str) -> None:
    await open_accounts(
        currency,
        [
            *(
                client(kind, account_id, currency)
                for kind in (LedgerKind.DEPOSITED, LedgerKind.HELD, LedgerKind.DEBT)
            ),
            *(
                house_account(kind, currency)
                for kind in (
                    LedgerKind.SALES,
                    LedgerKind.FEE_INCOME,
                    LedgerKind.PROMOTIONS,
                    LedgerKind.ADJUSTMENTS,
                )
            ),
        ],
    )
    row = {
        "id": balance_id(account_id, currency),
        "account_id": account_id,
        "currency": currency,
        "available": 0,
        "reserved": 0,
        "promotional": 0,
        "debt": 0,
        "version": 0,
        "revision": 0,
        "updated_at": now(),
    }
    await sql.insert("balance", [row], ignore_conflicts=True)
