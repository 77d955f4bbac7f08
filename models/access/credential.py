"""Tokens: a session's or an API key's, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.access import api_key, session
from models.db import sql

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from models.access.identity import Actor

_LENGTH_MAX: Final = 200

_REVOKED: Final = """
    SELECT id FROM session WHERE revoked_at > $1
    UNION ALL SELECT id FROM api_key WHERE revoked_at > $1
    UNION ALL SELECT id FROM users WHERE disabled_at > $1
"""


async def actor_of_token(token: str, address: str) -> Actor | None:
    """Who holds `token`; None when it is not one of ours, or holds no more.

    `address` is where it came from. One statement; two for an API key of some accounts only.
    """
    if len(token) > _LENGTH_MAX or not token.isascii():
        return None
    if token.startswith(session.MARK):
        return await session.actor_of_session(token, address)
    if token.startswith(api_key.MARK):
        return await api_key.actor_of_key(token, address)
    return None


async def still_holds(actor: Actor) -> bool:
    """Whether what the actor came with is still good; one statement. For what outlives requests."""
    if actor.session_id is not None:
        return await session.is_open(actor.session_id)
    return actor.key_id is None or await api_key.is_valid(actor.key_id)


async def revoked_since(moment: datetime) -> set[UUID]:
    """The ids of sessions, keys and users that were ended after `moment`; one statement."""
    return {row["id"] for row in await sql.fetch(_REVOKED, moment)}
