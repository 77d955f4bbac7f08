"""Opening books: the lock on a balance, and what is read under it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from models.clock import now
from models.db import sql
from models.db.together import find_one
from models.db.transactions import ring
from models.journal.journal import Elsewhere, Journal, Patience
from models.journal.topics import topic_of_credit
from models.ledger.book import NOT_THERE, Book
from models.ledger.chart import (
    Balance,
    LedgerKind,
    balance_id,
    client,
    opening,
    provider_account,
)
from models.ledger.grant import OpenGrant, expiry_order


async def open_book(journal: Journal, account_id: UUID, currency: str) -> Book:
    """Lock a balance; the journal writes it back. Inside a transaction only. Raises Elsewhere.

    What has expired is gone before anything is decided on it.
    """
    key = ("book", account_id, currency)
    if (known := journal.kept(key)) is not None:
        return known  # type: ignore[no-any-return]
    rows = await find_one(_FIND[journal.patience], (account_id, currency), is_lock=True)
    if rows is None:
        raise Elsewhere(key)
    if (known := journal.kept(key)) is not None:  # somebody who reads with us was here before
        return known  # type: ignore[no-any-return]
    journal.at = now()  # after the wait for the lock: a statement's lines are in their order
    opened = journal.keep(key, Book(journal, account_id, currency, rows[0]))
    grants = [
        OpenGrant(row["grant_id"], row["remaining"], row["expires_at"])
        for row in rows
        if row["grant_id"] is not None
    ]
    opened.grants = {grant.id: grant for grant in sorted(grants, key=expiry_order)}
    opened.expire_due()
    return opened


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
    ring(*(topic_of_credit(account_id, row["currency"]) for row in rows))


_OPEN: Final = """
SELECT b.id AS balance_id, b.available, b.reserved, b.promotional, b.debt, b.version, b.revision,
       (SELECT s.revision FROM balance s WHERE s.id = b.id) AS seen,
       a.frozen, a.open_disputes, a.auto_apply_credit,
       g.id AS grant_id, g.remaining, g.expires_at
  FROM balance b
  JOIN account a ON a.id = b.account_id
  LEFT JOIN credit_grant g
    ON g.account_id = b.account_id AND g.currency = b.currency AND g.remaining > 0
"""
_EMPTY: Final = """
SELECT 0 AS available, 0 AS reserved, 0 AS promotional, 0 AS debt, 0 AS version,
       frozen, open_disputes, auto_apply_credit, NULL AS grant_id
  FROM account WHERE id = $1
"""
#: A balance: its account and currency.
_Key = tuple[UUID, str]


async def _waited_for(keys: Sequence[_Key]) -> dict[_Key, list[sql.Row]]:
    """Balances, locked in the order of their ids."""
    return await _locked(keys, sql.for_update("b"))


async def _free(keys: Sequence[_Key]) -> dict[_Key, list[sql.Row]]:
    """Those that nobody else has locked."""
    lock = sql.for_update("b")
    return await _locked(keys, lock and f"{lock} SKIP LOCKED")


async def _seen(keys: Sequence[_Key]) -> dict[_Key, list[sql.Row]]:
    """Balances as they are, unlocked; one that is not there yet has nothing in it."""
    ids = {balance_id(*key): key for key in keys}
    found = {ids[id]: rows for id, rows in (await _rows(list(ids), "")).items()}
    for account_id, currency in keys:
        if (account_id, currency) not in found:
            rows = await sql.fetch(_EMPTY, account_id)
            found[account_id, currency] = [{**rows[0], "revision": NOT_THERE}]
    return found


_FIND: Final = {
    Patience.WAITS: _waited_for,
    Patience.LEAVES: _free,
    Patience.LOOKS: _seen,
}


async def _locked(keys: Sequence[_Key], lock: str) -> dict[_Key, list[sql.Row]]:
    ids = {balance_id(*key): key for key in keys}
    found = await _rows(list(ids), lock)
    if len(found) < len(ids) and (made := await _created(ids, found)):
        found |= await _rows(made, lock)
    # PostgreSQL has the newest of a balance; the grants and the account beside it may be from
    # before somebody else has let it go. Read them again, now that nobody can change them.
    old = [id for id, rows in found.items() if rows[0]["seen"] != rows[0]["revision"]]
    if old:
        found |= await _rows(old, "")
    return {ids[id]: rows for id, rows in found.items()}


async def _rows(ids: list[UUID], lock: str) -> dict[UUID, list[sql.Row]]:
    where = sql.any_of("b.id", 1)
    found: defaultdict[UUID, list[sql.Row]] = defaultdict(list)
    for row in await sql.fetch(f"{_OPEN} WHERE {where} ORDER BY b.id{lock}", ids):
        found[row["balance_id"]].append(row)
    return dict(found)


async def _created(ids: Mapping[UUID, _Key], found: Collection[UUID]) -> list[UUID]:
    """Make those that are not there, rather than locked; their ids."""
    missing = [id for id in ids if id not in found]
    rows = await sql.fetch("SELECT id FROM balance WHERE " + sql.any_of("id", 1), missing)
    made = sorted(set(missing) - {row["id"] for row in rows})
    for id in made:
        await _create(*ids[id])
    return made


async def _create(account_id: UUID, currency: str) -> None:
    own = (LedgerKind.DEPOSITED, LedgerKind.HELD, LedgerKind.DEBT)
    ours = (
        LedgerKind.SALES,
        LedgerKind.FEE_INCOME,
        LedgerKind.PROMOTIONS,
        LedgerKind.ADJUSTMENTS,
    )
    refs = [client(kind, account_id, currency) for kind in own]
    refs += [provider_account(kind, currency) for kind in ours]
    await sql.add_new(*opening(currency, refs))
    balance = Balance(
        id=balance_id(account_id, currency),
        account_id=account_id,
        currency=currency,
        updated_at=now(),
    )
    await sql.add_new(balance)
