"""External identities: who a user is at an identity provider (OpenID Connect)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Final

from tortoise import fields

from models.access.identity import Role
from models.access.invitation import awaits
from models.access.user import User, new_user, user_of_email
from models.db import sql
from models.db.record import Record
from models.db.transactions import transaction
from models.email import key_of

_KNOWN: Final = """
    SELECT u.* FROM users u JOIN external_identity e ON e.user_id = u.id
    WHERE e.issuer = $1 AND e.subject = $2 AND u.disabled_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """What an identity provider says of somebody who has signed in there.

    `subject` is their id, which the issuer never gives to another. `email` is empty unless the
    issuer says that it has verified it.
    """

    issuer: str
    subject: str
    email: str


class ExternalIdentity(Record):
    """A user's id (`subject`) at an `issuer`, UNIQUE together."""

    PREFIX: ClassVar[str] = "ext"

    issuer = fields.CharField(max_length=500)
    subject = fields.CharField(max_length=255)
    user_id = fields.UUIDField()

    class Meta:
        table = "external_identity"
        unique_together = (("issuer", "subject"),)


async def user_of_identity(proven: ProvenIdentity, roles: Collection[Role]) -> User | None:
    """Who that is here, if they have one of the `roles`; None where nobody is.

    The first time somebody is known by their verified address, from then on by their subject: it
    stays theirs when the address moves to somebody else. Whose address was invited to an account is
    somebody from now on.
    """
    known = await sql.records(User, _KNOWN, proven.issuer, proven.subject)
    if known:
        return known[0] if Role(known[0].role) in roles else None
    key = key_of(proven.email) if proven.email else None
    user = await user_of_email(key) if key else None
    if user is None and key and Role.CLIENT in roles and await awaits(key):
        return await _newcomer(proven)
    if user is None or Role(user.role) not in roles or await _is_another(proven, user):
        return None
    return user if await _bind(proven, user) else None


async def _newcomer(proven: ProvenIdentity) -> User | None:
    user = new_user(role=Role.CLIENT, email=proven.email)
    made = ExternalIdentity(issuer=proven.issuer, subject=proven.subject, user_id=user.id)

    async def add() -> None:
        # Not where the address is a disabled user's, or another request was first.
        if await sql.add_new(user):
            await sql.add(made)

    await transaction(add)
    known = await sql.records(User, _KNOWN, proven.issuer, proven.subject)
    return known[0] if known else None


async def _is_another(proven: ProvenIdentity, user: User) -> bool:
    """Whether the user is somebody else at that issuer: an address was given to a new person."""
    return await ExternalIdentity.filter(issuer=proven.issuer, user_id=user.id).exists()


async def _bind(proven: ProvenIdentity, user: User) -> bool:
    made = ExternalIdentity(issuer=proven.issuer, subject=proven.subject, user_id=user.id)
    if await transaction(lambda: sql.add_new(made)):
        return True
    # Another request was first, with the same person or with another.
    known = await sql.records(User, _KNOWN, proven.issuer, proven.subject)
    return [one.id for one in known] == [user.id]
