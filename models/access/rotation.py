"""Rotation: a key that replaces another, which stays good for a while.

A key and those that replace it are one line: they reach the same accounts, and have one budget.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from models.access.api_key import ApiKey, new_key
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.errors import Invalid, NotAllowed, NotFound

#: For how long the old key may stay good: 30 days.
HOURS_MAX: Final = 720


def overlap(hours: int) -> timedelta:
    """How long the old key stays good. Raises Invalid at `old_key_valid_hours`."""
    if not 0 <= hours <= HOURS_MAX:
        raise Invalid("old_key_valid_hours", problem="hours_range", maximum=HOURS_MAX)
    return timedelta(hours=hours)


async def replaceable(key_id: UUID) -> ApiKey:
    """The key, locked, that can be replaced. Inside a transaction only.

    Raises NotFound at `api_key_id`; NotAllowed there for one that has ended or been replaced.
    """
    statement = "SELECT * FROM api_key WHERE id = $1" + sql.for_update()
    found = await sql.records(ApiKey, statement, key_id)
    if not found:
        raise NotFound("api_key_id")
    (key,) = found
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now()):
        raise NotAllowed("api_key_id", why="key_ended")
    newer = "SELECT 1 FROM api_key WHERE line_id = $1 AND id > $2 LIMIT 1"
    if await sql.fetch_one(newer, key.line, key.id) is not None:
        raise NotAllowed("api_key_id", why="key_replaced")
    return key


def successor(old: ApiKey, moment: datetime) -> tuple[ApiKey, str]:
    """The key, to be added, that replaces another from `moment` on, and its token: of the same
    partner, with the same rights, and for as long as the old one was made for.
    """
    lifetime = None if old.expires_at is None else old.expires_at - old.created_at
    key, token = new_key(
        old.scopes.split(),
        name=old.name,
        all_accounts=old.all_accounts,
        allowed_addresses=old.allowed_addresses,
        expires_at=None if lifetime is None else moment + lifetime,
        daily_budget=old.daily_budget,
        payment_budget=old.payment_budget,
    )
    key.user_id, key.line_id = old.user_id, old.line
    return key, token


def last_moment(old: ApiKey, moment: datetime, overlap: timedelta) -> datetime:
    """Until when the old key is good: that long from `moment`, and no longer than it was."""
    end = moment + overlap
    return end if old.expires_at is None else min(end, old.expires_at)


async def rotate_key(key_id: UUID, hours: int) -> tuple[ApiKey, str]:
    """Replace a key: the new one, and its token. Raises as `overlap` and `replaceable`."""
    lasts = overlap(hours)

    async def replace() -> tuple[ApiKey, str]:
        old, moment = await replaceable(key_id), now()
        key, token = successor(old, moment)
        await sql.add(key)
        end = last_moment(old, moment, lasts)
        await sql.execute("UPDATE api_key SET expires_at = $1 WHERE id = $2", end, old.id)
        return key, token

    return await transaction(replace)
