"""The lines of a client's credit statement: every credit transaction, in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.access.identity import Actor, seen
from models.credit.balance import credit_meant
from models.db import sql
from models.db.page import BY_VERSION, Page, PageRequest, Rows, fetch_page, fetch_pages
from models.ledger.credit_transaction import CreditTransaction, StatementLineKind


@dataclass(frozen=True, slots=True)
class StatementLineFilter:
    """Which lines; None means any. `after` and `before` are both exclusive."""

    kinds: Sequence[str] | None = None
    after: datetime | None = None
    before: datetime | None = None


async def page(
    account_id: UUID | None,
    currency: str | None,
    request: PageRequest,
    *,
    by: Actor,
    filter: StatementLineFilter | None = None,
) -> Page[CreditTransaction]:
    """Lines of the credit that `by` asks for, newest first. Raises as `credit_meant`."""
    rows = Rows(
        "account_id = $1 AND currency = $2", [*await credit_meant(account_id, currency, by)]
    )
    _choose(rows, filter or StatementLineFilter())
    return await fetch_page(CreditTransaction, rows, request, BY_VERSION)


@dataclass(frozen=True, slots=True)
class StatementLineList:
    """A page of the lines of one credit, as `page` has it."""

    account_id: UUID
    currency: str
    request: PageRequest
    filter: StatementLineFilter | None = None


async def page_of(
    asked: StatementLineList,
    by: Actor,
    find: Callable[[StatementLineList], Awaitable[Page[CreditTransaction]]],
) -> Page[CreditTransaction]:
    """A page that `find` reads, perhaps together with those of other accounts (`pages_of`).

    Raises Forbidden, and NotFound at `account_id`.
    """
    by.require_scope("credit:read")
    by.account_meant(asked.account_id)
    return await find(asked)


async def pages_of(
    lists: Sequence[StatementLineList],
) -> dict[StatementLineList, Page[CreditTransaction]]:
    """Pages that differ in nothing but whose credit it is, without a check of who asks."""
    every = []
    for one in lists:
        rows = Rows("account_id = $1 AND currency = $2", [one.account_id, one.currency])
        _choose(rows, one.filter or StatementLineFilter())
        every.append(rows)
    found = await fetch_pages(CreditTransaction, every, lists[0].request, BY_VERSION)
    return dict(zip(lists, found, strict=True))


def _choose(rows: Rows, filter: StatementLineFilter) -> None:
    """Restrict `rows` to those of the filter."""
    if filter == StatementLineFilter():
        rows.total = "SELECT COALESCE(MAX(version), 0) AS total FROM credit_transaction"
    if filter.kinds is not None:
        rows.where += f" AND kind IN ({', '.join(map(rows.arg, filter.kinds)) or 'NULL'})"
    for moment, sign in ((filter.after, ">"), (filter.before, "<")):
        if moment is not None:
            rows.where += f" AND created_at {sign} {rows.arg(moment)}"
            rows.few = True


async def after(
    account_id: UUID, currency: str, version: int, limit: int = 100, *, by: Actor
) -> list[CreditTransaction]:
    """The lines that follow `version`, oldest first. Raises as `credit_meant`."""
    by.require_scope("credit:read")
    return await sql.records(
        CreditTransaction,
        "SELECT * FROM credit_transaction WHERE account_id = $1 AND currency = $2"
        f" AND version > $3 ORDER BY version LIMIT {int(limit)}",
        by.account_meant(account_id),
        currency,
        version,
    )


async def returned_of(invoice_id: UUID) -> int:
    """What became credit, in minor units, when an invoice was taken back."""
    row = await sql.fetch_one(
        "SELECT COALESCE(SUM(amount), 0) AS amount FROM credit_transaction"
        " WHERE invoice_id = $1 AND kind = $2",
        invoice_id,
        StatementLineKind.INVOICE_PAYMENT_RETURNED.value,
    )
    assert row is not None, "an aggregate has a row"
    return int(row["amount"])


async def read(line_id: UUID) -> CreditTransaction | None:
    """The line, without a check of who asks; None if it does not exist."""
    return (await by_ids([line_id])).get(line_id)


async def visible(
    line_id: UUID | None,
    by: Actor,
    find: Callable[[UUID], Awaitable[CreditTransaction | None]] = read,
) -> CreditTransaction | None:
    """The line, if it is there and `by` may see it. Raises Forbidden."""
    return await seen("credit:read", line_id, by, find)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, CreditTransaction]:
    """The lines with these ids, without a check of who asks; one statement. Unknown ids are left
    out.
    """
    return await sql.by_ids(CreditTransaction, ids)
