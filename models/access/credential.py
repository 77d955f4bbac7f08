"""Credentials: a token of a session or an API key, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.access import api_key, session, vouched
from models.clock import now
from models.db import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from models.access.identity import Actor

_LENGTH_MAX: Final = 200

_REVOKED: Final = """
    SELECT id FROM session WHERE revoked_at > $1
    UNION ALL SELECT id FROM api_key WHERE revoked_at > $1
    UNION ALL SELECT id FROM api_key WHERE expires_at > $1 AND expires_at <= $2
    UNION ALL SELECT id FROM users WHERE disabled_at > $1
    UNION ALL SELECT id FROM session WHERE key_id IN (
        SELECT id FROM api_key WHERE revoked_at > $1
        UNION ALL SELECT id FROM api_key
        WHERE user_id IN (SELECT id FROM users WHERE disabled_at > $1)
    )
"""
_CHANGED: Final = "SELECT id FROM session WHERE rights_changed_at > $1"


async def actor_of_credential(token: str, address: str) -> Actor | None:
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


async def holding(actors: Collection[Actor]) -> set[Actor]:
    """Those of the actors whose session, key or issuer still gives them the same rights; one
    statement for up to 500 sessions, two for as many keys. For what outlives requests.
    """
    sessions = await session.rights_of(_ids(actor.session_id for actor in actors))
    keys = await api_key.rights_of(_ids(actor.key_id for actor in actors))
    clients = await vouched.rights_of({one.vouched_as for one in actors if one.vouched_as})
    return {actor for actor in actors if _holds(actor, sessions, keys, clients)}


def _ids(given: Iterable[UUID | None]) -> list[UUID]:
    return list({id for id in given if id is not None})


def _holds(
    actor: Actor,
    sessions: dict[UUID, session.Rights],
    keys: dict[UUID, api_key.Rights],
    clients: dict[vouched.Voucher, session.Rights],
) -> bool:
    rights = actor.role, actor.account_id, actor.member_role, actor.must_enrol
    if actor.vouched_as is not None:
        return clients.get(actor.vouched_as) == rights
    if actor.session_id is not None:
        return sessions.get(actor.session_id) == rights
    if actor.key_id is None:
        return True
    scopes, accounts = keys.get(actor.key_id, (frozenset(), frozenset()))
    return scopes == actor.scopes and reaches(accounts, actor.accounts)


def reaches(now: frozenset[UUID] | None, before: frozenset[UUID] | None) -> bool:
    """Whether the accounts that a key reached `before` are within those that it does `now`: more
    come along whenever its partner opens one. None are all; to lose or gain that is a change.
    """
    if now is None or before is None:
        return now is before
    return before <= now


async def revoked_since(moment: datetime) -> set[UUID]:
    """The ids of sessions, keys and users that were ended after `moment`, of the sessions that
    those keys have opened, and of keys that have expired since, as those that were replaced do; one
    statement.
    """
    return {row["id"] for row in await sql.fetch(_REVOKED, moment, now())}


async def changed_since(moment: datetime) -> set[UUID]:
    """The ids of sessions that may give something else since `moment`; one statement."""
    return {row["id"] for row in await sql.fetch(_CHANGED, moment)}
