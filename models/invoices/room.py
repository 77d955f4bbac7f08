"""Room for another invoice: how many open ones an account may have, and one for each source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.db import sql
from models.db.together import find_one
from models.errors import IdempotencyKeyReused, NotAllowed
from models.journal.journal import Elsewhere, Journal, Patience
from models.provider import picture
from models.provider.provider import provider
from models.status import PAYABLE_SQL


@dataclass(frozen=True, slots=True)
class Room:
    """How many open invoices an account has, and whether a `source` has issued its one."""

    open: int
    is_issued: bool

    def check_new(self) -> None:
        """Raises IdempotencyKeyReused where the source has its invoice."""
        if self.is_issued:
            raise IdempotencyKeyReused("idempotency_key")

    def check_open(self, *field: str) -> None:
        """Raises NotAllowed at `field` where the account has as many as it may have."""
        maximum = provider().open_invoices
        if self.open >= maximum:
            raise NotAllowed(*field, why="open_invoices", maximum=maximum)


async def room_for(journal: Journal, account_id: UUID, source: str) -> Room:
    """Whether the account may be issued an invoice. Inside a transaction, until whose end nobody
    else issues it another, whatever its currency; the seller's logo is kept for its documents.

    Raises Elsewhere.
    """
    if journal.patience is not Patience.LOOKS:
        find = _waited_for if journal.patience is Patience.WAITS else _free
        if not await find_one(find, account_id, is_lock=True):
            raise Elsewhere(("account", account_id))
    room = await find_one(_rooms, (account_id, source))
    assert room is not None
    if journal.patience is not Patience.LOOKS and (logo := provider().seller.logo) is not None:
        await picture.keep(logo)
    return room


async def _waited_for(account_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Accounts, locked in the order of their ids."""
    return await _locked(account_ids, sql.for_update())


async def _free(account_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Those that nobody else has locked."""
    lock = sql.for_update()
    return await _locked(account_ids, lock and f"{lock} SKIP LOCKED")


async def _locked(account_ids: Sequence[UUID], lock: str) -> dict[UUID, bool]:
    if not lock:  # SQLite's transactions begin IMMEDIATE
        return dict.fromkeys(account_ids, True)
    statement = f"SELECT id FROM account WHERE {sql.any_of('id', 1)} ORDER BY id{lock}"
    return {row["id"]: True for row in await sql.fetch(statement, list(account_ids))}


async def _rooms(keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Room]:
    """By account and source."""
    rows = await sql.fetch(
        f"""
        SELECT g.*, (SELECT COUNT(*) FROM invoice WHERE account_id = g.account_id
                        AND status IN {PAYABLE_SQL}) AS open,
               EXISTS (SELECT 1 FROM invoice_source s WHERE s.source = g.source) AS issued
          FROM {sql.given("g", 1, account_id="uuid", source="text")}
        """,
        sql.json([{"account_id": str(id), "source": source} for id, source in keys]),
    )
    return {
        (row["account_id"], row["source"]): Room(row["open"], bool(row["issued"])) for row in rows
    }
