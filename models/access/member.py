"""Members: users who may use an account, and what each may do with it."""

from __future__ import annotations

from typing import ClassVar

from tortoise import fields

from models.db.record import Record


class Member(Record):
    """What a user may do with an account. Of the account that a user came with (`User.account_id`)
    they are the OWNER where no row says otherwise.
    """

    PREFIX: ClassVar[str] = "mem"

    account_id = fields.UUIDField()
    user_id = fields.UUIDField()
    role = fields.CharField(max_length=8)

    class Meta:
        table = "member"
        unique_together = (("account_id", "user_id"),)
