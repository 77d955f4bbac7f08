"""Grants as their client reads them: what each was for, what is left, and what spends came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from models.access.identity import Actor, seen
from models.clock import now
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_pages
from models.ledger.grant import Grant


class GrantSource(StrEnum):
    """Where promotional credit comes from."""

    VOUCHER = "VOUCHER"
    "A voucher was redeemed."
    GRANT = "GRANT"
    "Staff granted it."
    BONUS = "BONUS"
    "A deposit earned it."
    REFERRAL = "REFERRAL"
    "It was earned by a recommendation."


class GrantState(StrEnum):
    """What has become of promotional credit."""

    ACTIVE = "ACTIVE"
    "Some of it is left, or reserved."
    SPENT = "SPENT"
    "All of it has been spent."
    EXPIRED = "EXPIRED"
    "Its time is over; what was left of it has expired."
    VOID = "VOID"
    "It was taken back."


@dataclass(frozen=True, slots=True)
class GrantList:
    """A page of one account's grants in a currency, newest first."""

    account_id: UUID
    currency: str
    request: PageRequest


async def page_of(
    asked: GrantList, by: Actor, find: Callable[[GrantList], Awaitable[Page[Grant]]]
) -> Page[Grant]:
    """A page that `find` reads, perhaps together with those of other accounts (`pages_of`).

    Raises Forbidden, and NotFound at `account_id`.
    """
    by.require_scope("credit:read")
    by.account_meant(asked.account_id)
    return await find(asked)


async def pages_of(lists: Sequence[GrantList]) -> dict[GrantList, Page[Grant]]:
    """Pages that differ in nothing but whose grants they are, without a check of who asks."""
    where = "account_id = $1 AND currency = $2"
    rows = [Rows(where, [one.account_id, one.currency]) for one in lists]
    found = await fetch_pages(Grant, rows, lists[0].request, by_id(Grant.PREFIX))
    return dict(zip(lists, found, strict=True))


async def visible(
    grant_id: UUID | None, by: Actor, find: Callable[[UUID], Awaitable[Grant | None]]
) -> Grant | None:
    """The grant, if it is there and `by` may see it. Raises Forbidden."""
    return await seen("credit:read", grant_id, by, find)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Grant]:
    """The grants with these ids, without a check of who asks; one statement."""
    return await sql.by_ids(Grant, ids)


async def notes_of(ids: Sequence[UUID]) -> dict[UUID, str]:
    """What the vouchers say that gave these grants, by grant; one statement."""
    rows = await sql.fetch(
        "SELECT r.id, v.note FROM redemption r JOIN voucher v ON v.id = r.voucher_id"
        f" WHERE {sql.any_of('r.id', 1)}",
        list(ids),
    )
    return {row["id"]: row["note"] or "" for row in rows}


def left(grant: Grant) -> int:
    """What of it can be spent, in minor units: nothing once its time is over, booked or not."""
    is_over = grant.expires_at is not None and grant.expires_at <= now()
    return 0 if is_over else grant.remaining


async def state_of(grant: Grant, find: Callable[[UUID], Awaitable[GrantState]]) -> GrantState:
    """What has become of it; `find` says it of one that has nothing left (`ends_of`)."""
    if left(grant):
        return GrantState.ACTIVE
    return GrantState.EXPIRED if grant.remaining else await find(grant.id)


_ENDS: Final = """
SELECT g.id,
       (SELECT COUNT(*) FROM transfer t WHERE t.from_id = g.id AND t.kind = 'EXPIRY') AS expiries,
       (SELECT COALESCE(SUM(t.amount), 0) FROM transfer t
         WHERE t.from_id = g.id AND t.kind = 'HOLD')
     - (SELECT COALESCE(SUM(t.amount), 0) FROM transfer t
         WHERE t.to_id = g.id AND t.kind = 'HOLD_RELEASED') AS held
  FROM credit_grant g WHERE
"""


async def ends_of(ids: Sequence[UUID]) -> dict[UUID, GrantState]:
    """What has become of grants that have nothing left; one statement."""
    rows = await sql.fetch(f"{_ENDS} {sql.any_of('g.id', 1)}", list(ids))
    return {row["id"]: _end(int(row["held"]), row["expiries"]) for row in rows}


def _end(held: int, expiries: int) -> GrantState:
    if held:
        return GrantState.ACTIVE
    return GrantState.EXPIRED if expiries else GrantState.SPENT


@dataclass(frozen=True, slots=True)
class CreditSource:
    """What of a statement line came from a grant, or from deposits where it is None: minor
    units.
    """

    grant_id: UUID | None
    amount: int


async def sources_of(line_ids: Sequence[UUID]) -> dict[UUID, list[CreditSource]]:
    """What took credit away came from, by statement line, in the order in which it was taken; one
    statement. Lines that take none away are left out.
    """
    lines = sql.any_of("t.credit_transaction_id", 1)
    rows = await sql.fetch(
        "SELECT t.credit_transaction_id AS line_id, a.kind, t.from_id, t.amount FROM transfer t"
        " JOIN ledger_account a ON a.id = t.from_id AND a.kind IN ('GRANT', 'DEPOSITED', 'HELD')"
        f" WHERE {lines} ORDER BY t.credit_transaction_id, t.leg",
        list(line_ids),
    )
    parts: defaultdict[UUID, dict[UUID | None, int]] = defaultdict(dict)
    for row in rows:
        grant_id = row["from_id"] if row["kind"] == "GRANT" else None
        of_line = parts[row["line_id"]]
        of_line[grant_id] = of_line.get(grant_id, 0) + row["amount"]
    return {
        line_id: [CreditSource(grant_id, amount) for grant_id, amount in of_line.items()]
        for line_id, of_line in parts.items()
    }
