"""Invitations: an address may use an account as soon as whoever has it comes in.

Until then they are nobody here: who invites learns nothing of whether somebody has the address, and
whoever has it can open an account of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from tortoise import fields

from models.access.member import ACCOUNTS_MAX
from models.access.user import email_key_sql
from models.db import sql
from models.db.record import Record

if TYPE_CHECKING:
    from uuid import UUID

_OF_USER: Final = """
    SELECT i.* FROM invitation i
    JOIN (SELECT {key} AS key FROM users WHERE id = $1 AND role = 'CLIENT') u ON u.key = i.email_key
    ORDER BY i.id LIMIT $2
"""


class Invitation(Record):
    """An `email`, as the inviter wrote it, that may join an account; found by `email_key`, its key
    (`models.email.key_of`). The member that it becomes has its id.
    """

    PREFIX: ClassVar[str] = "itn"

    account_id = fields.UUIDField()
    email = fields.CharField(max_length=254)
    email_key = fields.CharField(max_length=254)
    role = fields.CharField(max_length=8)

    class Meta:
        table = "invitation"
        unique_together = (("account_id", "email_key"),)


async def open_to(user_id: UUID) -> list[Invitation]:
    """What the address of a client is invited to, in the order of inviting."""
    return await sql.records(
        Invitation, _OF_USER.format(key=email_key_sql()), user_id, ACCOUNTS_MAX
    )


async def awaits(email_key: str) -> bool:
    """Whether the address of that key is invited to an account."""
    return await Invitation.filter(email_key=email_key).exists()
