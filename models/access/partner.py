"""Partners: the users behind API keys, by their names, which are unique."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.access.identity import Role
from models.access.user import add_user
from models.db import sql
from models.db.transactions import Conflict
from models.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


async def find(name: str) -> UUID | None:
    """The partner of that name."""
    statement = "SELECT id FROM users WHERE name = $1 AND role = 'PARTNER'"
    row = await sql.fetch_one(statement, name)
    return None if row is None else row["id"]


async def added(name: str) -> UUID:
    """The partner of that name, who is added where new; inside a transaction."""
    known = await find(name)
    if known is not None:
        return known
    try:
        return (await add_user(role=Role.PARTNER, email=None, name=name)).id
    except Invalid as taken:
        raise Conflict from taken  # somebody has added them meanwhile: look again


async def lock(partner_id: UUID) -> None:
    """Nobody else gives accounts to this partner until the transaction is over."""
    await sql.fetch_one("SELECT id FROM users WHERE id = $1" + sql.for_update(), partner_id)


async def names_of(ids: Sequence[UUID]) -> dict[UUID, str]:
    """What these partners are called, by id; one statement for each 500."""
    rows = await sql.fetch_in_parts("SELECT id, name FROM users WHERE id IN ({ids})", list(ids))
    return {row["id"]: row["name"] for row in rows}
