"""Members: users who may use an account, and what each may do with it."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.db import sql
from models.db.record import Record

#: People who may use one account, and accounts that one user may use.
MEMBERS_MAX: Final = 50
ACCOUNTS_MAX: Final = 100

_ACCOUNTS: Final = """
    SELECT account_id, 0 AS turn, id FROM users WHERE id = $1 AND account_id IS NOT NULL
    UNION ALL
    SELECT m.account_id, 1 AS turn, m.id FROM member m JOIN users u ON u.id = m.user_id
    WHERE m.user_id = $1 AND (u.account_id IS NULL OR u.account_id <> m.account_id)
    ORDER BY turn, id LIMIT $2
"""


class Member(Record):
    """What a user may do with an account. Of the account that a user came with (`User.account_id`)
    they are the OWNER where no row says otherwise; such a member has their user's id.
    """

    PREFIX: ClassVar[str] = "mem"

    account_id = fields.UUIDField()
    user_id = fields.UUIDField()
    role = fields.CharField(max_length=8)

    class Meta:
        table = "member"
        unique_together = (("account_id", "user_id"),)


async def accounts_of(user_id: UUID) -> list[UUID]:
    """The accounts that a user may use: the one they came with, then in the order of joining."""
    rows = await sql.fetch(_ACCOUNTS, user_id, ACCOUNTS_MAX)
    return [row["account_id"] for row in rows]


async def first_account(user_id: UUID) -> UUID | None:
    """The one that a session of theirs begins with; None where they may use none."""
    return next(iter(await accounts_of(user_id)), None)
