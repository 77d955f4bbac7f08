"""The audit log: who did what, when, to what, from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from tortoise import fields

from models.clock import now
from models.db.record import Record, new_id

if TYPE_CHECKING:
    from models.access.identity import Actor

_ADDRESS_LENGTH_MAX: Final = 64


class AuditEntry(Record):
    """One change that staff or a partner made, or one of several people in an account. Only ever
    added.
    """

    PREFIX: ClassVar[str] = "log"

    user_id = fields.UUIDField()
    role = fields.CharField(max_length=8)
    key_id = fields.UUIDField(null=True)
    action = fields.CharField(max_length=64)
    subject = fields.CharField(max_length=128)
    details: fields.Field[dict[str, object]] = fields.JSONField()
    address = fields.CharField(max_length=_ADDRESS_LENGTH_MAX)

    class Meta:
        table = "audit_entry"
        indexes = (("user_id", "id"), ("subject", "id"))


def entry(by: Actor, action: str, subject: str, **details: object) -> AuditEntry:
    """What `by` has done, for the transaction that does it.

    `action` is a verb of the domain (`invoice.void`), `subject` the public id of what was changed.
    `details` are what JSON can hold, and never a secret.
    """
    return AuditEntry(
        id=new_id(),
        created_at=now(),
        user_id=by.user_id,
        role=by.role.value,
        key_id=by.key_id,
        action=action,
        subject=subject,
        details=details,
        address=by.address[:_ADDRESS_LENGTH_MAX],
    )
