"""Rights of an endpoint: those of the key that made it, as they are now.

An endpoint keeps the line of its key: the first of the keys that replace each other. `OF_KEY` is
how every statement gets from there to the newest of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from uuid import UUID

from models.access import api_key
from models.access.identity import Actor, Role
from models.clock import now
from models.db import sql
from models.errors import Forbidden

if TYPE_CHECKING:
    from models.partners.endpoint import WebhookEndpoint

#: Joins `k`, the newest key of an endpoint `e`, and `u`, its partner.
OF_KEY: Final = """
    JOIN api_key k ON k.id = (
        SELECT n.id FROM api_key n WHERE n.id = e.line_id OR n.line_id = e.line_id
        ORDER BY n.id DESC LIMIT 1
    ) JOIN users u ON u.id = k.user_id
"""


def in_force(moment: str) -> str:
    """The condition that the key and its partner are still valid; `moment` is a placeholder."""
    return (
        f"k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > {moment})"
        " AND u.disabled_at IS NULL"
    )


def require_manager(by: Actor) -> None:
    """Raises Forbidden for whoever may not manage endpoints."""
    by.require_scope("webhooks:manage")


def line_of(by: Actor) -> UUID:
    """The line of the key whose rights an endpoint gets that this actor makes. Raises Forbidden for
    staff: an endpoint with all rights would be nobody's.
    """
    require_manager(by)
    if by.line_id is None:
        raise Forbidden("partner")
    return by.line_id


def manages(by: Actor, endpoint: WebhookEndpoint) -> bool:
    """Whether an endpoint is in sight. Another key of the same partner may have fewer rights, and
    would have events sent to where it likes.
    """
    return by.is_staff or (by.line_id is not None and by.line_id == endpoint.line_id)


async def actor_of(endpoint: WebhookEndpoint) -> Actor | None:
    """Who asks for an endpoint's data; None where its key is not valid any more."""
    row = await sql.fetch_one(
        f"SELECT k.id FROM webhook_endpoint e {OF_KEY} WHERE e.id = $1", endpoint.id
    )
    rights = {} if row is None else await api_key.rights_of([row["id"]])
    if row is None or row["id"] not in rights:
        return None
    scopes, accounts = rights[row["id"]]
    return Actor(
        role=Role.PARTNER,
        user_id=endpoint.user_id,
        scopes=scopes,
        accounts=accounts,
        key_id=row["id"],
        line_id=endpoint.line_id,
    )


async def reached(keys: Collection[UUID], account_ids: Collection[UUID]) -> set[tuple[UUID, UUID]]:
    """Which of the keys, each the first of its line and none of which reaches all accounts, reach
    which of these accounts: pairs of both. Two statements, however many accounts a key reaches.
    """
    if not keys or not account_ids:
        return set()
    given = [list(keys), list(account_ids)]
    named = await sql.fetch(
        "SELECT c.api_key_id, c.account_id FROM key_account c"
        f" WHERE {sql.any_of('c.api_key_id', 1)} AND {sql.any_of('c.account_id', 2)}",
        *given,
    )
    own = await sql.fetch(
        "SELECT k.id AS api_key_id, a.id AS account_id FROM api_key k"
        " JOIN account a ON a.partner_id = k.user_id"
        f" WHERE {sql.any_of('k.id', 1)} AND {sql.any_of('a.id', 2)}"
        " AND NOT EXISTS (SELECT 1 FROM key_account c WHERE c.api_key_id = k.id)",
        *given,
    )
    return {(row["api_key_id"], row["account_id"]) for row in (*named, *own)}


async def sees(endpoint: WebhookEndpoint, one_of: Collection[str], account_id: UUID) -> bool:
    """Whether the endpoint's key may still see what needs one of these scopes, of that account."""
    row = await sql.fetch_one(
        f"SELECT k.scopes, k.all_accounts FROM webhook_endpoint e {OF_KEY}"
        f" WHERE e.id = $1 AND {in_force('$2')}",
        endpoint.id,
        now(),
    )
    if row is None or not may(row["scopes"], one_of):
        return False
    return bool(row["all_accounts"]) or bool(await reached([endpoint.line_id], [account_id]))


def may(scopes: str, one_of: Collection[str]) -> bool:
    """Whether a key with these scopes, as they are stored, has one of those."""
    by = Actor(role=Role.PARTNER, user_id=UUID(int=0), scopes=frozenset(scopes.split()))
    return any(map(by.may, one_of))
