"""Outgoing mail: written down in the transaction that gives rise to it, and sent by the worker.

What is kept is a kind and its facts, never a text and never a token: the link is made when the
message is (models.access.one_use_token), so whoever reads the table gets in nowhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id


class MailKind(StrEnum):
    """What a mail is about; its texts are in `pdf_templates`' catalogues, by this name."""

    INVITATION = "invitation"
    "Somebody has an account and chooses a password. With a token."
    MEMBER_INVITATION = "member_invitation"
    "Somebody may use another's account (`account`, `role`). With a token for whoever is new."
    PASSWORD_RESET = "password_reset"  # noqa: S105 - no password
    "With a token."
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - no password
    "The password was changed; other sessions have ended."
    SIGN_UP = "sign_up"
    "Confirm the address of a new account. With a token."
    SIGN_UP_TAKEN = "sign_up_taken"
    "Somebody signed up with the address of a user who is there already."
    EMAIL_CONFIRMATION = "email_confirmation"
    "To the new address, which isn't used before it is confirmed. With a token."
    EMAIL_CHANGED = "email_changed"
    "To the old address (`email` is the new one)."
    NEW_DEVICE = "new_device"
    "A sign-in from a browser that was not used before (`address`, `user_agent`)."
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    WEBHOOK_FAILING = "webhook_failing"
    "A partner's webhook endpoint took nothing for three days (`partner`, `url`, `endpoint`)."
    WEBHOOK_GONE = "webhook_gone"
    "It answered that it is gone. As above."


class OutgoingMail(Record):
    """A message to a person. `next_at` is when it is tried next; None when that is over."""

    PREFIX: ClassVar[str] = "mail"

    kind = fields.CharField(max_length=40)
    recipient = fields.CharField(max_length=254)
    locale = fields.CharField(max_length=35)
    facts: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    token_id = fields.UUIDField(null=True)
    next_at = fields.DatetimeField(null=True)
    tries = fields.IntField(default=0)
    sent_at = fields.DatetimeField(null=True)

    class Meta:
        table = "mail"


def mail(
    kind: MailKind, to: str, locale: str, *, token_id: UUID | None = None, **facts: str
) -> OutgoingMail:
    """A mail to be added in the transaction that gives rise to it (`sql.add`, `Journal.add`);
    `token_id` is that of the one-use token whose link it carries.
    """
    moment = now()
    return OutgoingMail(
        id=new_id(),
        created_at=moment,
        kind=kind.value,
        recipient=to,
        locale=locale,
        facts=facts,
        token_id=token_id,
        next_at=moment,
    )


async def lately_sent(count: int) -> list[OutgoingMail]:
    """The mails that were sent last, newest first."""
    statement = "SELECT * FROM mail WHERE sent_at IS NOT NULL ORDER BY sent_at DESC LIMIT $1"
    return await sql.records(OutgoingMail, statement, count)
