"""Users: people who can sign in, and the partners behind API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from tortoise import fields

from models import email as emails
from models.access import password as passwords
from models.access.identity import Actor, Role
from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.errors import Invalid


class User(Record):
    """Somebody who can sign in (clients and staff), or a partner, who comes with API keys.

    `email` is as it was written, and found by its key (UNIQUE), which is `email_key` or else its
    small letters: see `email_key_sql`.
    """

    PREFIX: ClassVar[str] = "usr"

    role = fields.CharField(max_length=8)
    name = fields.CharField(max_length=200, default="")
    email = fields.CharField(max_length=254, null=True, unique=True)
    email_key = fields.CharField(max_length=254, null=True)
    password_hash = fields.CharField(max_length=255, null=True)
    account_id = fields.UUIDField(null=True, db_index=True)
    disabled_at = fields.DatetimeField(null=True)

    class Meta:
        # "user" is a function in PostgreSQL, and reads as one where the quotes are forgotten.
        table = "users"

    def actor(self, address: str = "") -> Actor:
        """This user as the one who asks, for what runs without a session (the command line)."""
        return Actor(
            role=Role(self.role), user_id=self.id, account_id=self.account_id, address=address
        )


def email_key_sql() -> str:
    """The key of the address of a row that has what is stored of one: `email` and `email_key`."""
    return f"COALESCE(email_key, {sql.lower_ascii('email')})"


async def user_of_email(key: str) -> User | None:
    """Who may sign in with the address of that key (`models.email.key_of`)."""
    statement = f"SELECT * FROM users WHERE {email_key_sql()} = $1 AND disabled_at IS NULL"
    found = await sql.records(User, statement, key)
    return found[0] if found else None


async def holder_of_email(key: str) -> User | None:
    """Who has the address of that key, whether they may sign in or not."""
    found = await sql.records(User, f"SELECT * FROM users WHERE {email_key_sql()} = $1", key)
    return found[0] if found else None


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, User]:
    """These users, by id; one statement."""
    return await sql.by_ids(User, ids)


async def add_user(
    *,
    role: Role,
    email: str | None,
    password_hash: str | None = None,
    account_id: UUID | None = None,
    name: str = "",
) -> User:
    """Add a user, inside a transaction. Raises Invalid at `email` (malformed, taken) or `name`.

    The password comes hashed (`models.access.password.hashed`): that takes too long for a
    transaction.
    """
    user = new_user(
        role=role, email=email, password_hash=password_hash, account_id=account_id, name=name
    )
    if not await sql.add_new(user):
        raise Invalid("name" if email is None else "email", problem="taken")
    return user


def new_user(
    *,
    role: Role,
    email: str | None,
    password_hash: str | None = None,
    account_id: UUID | None = None,
    name: str = "",
) -> User:
    """A user to be added. Raises Invalid at `email` where it is malformed."""
    written = None if email is None else emails.written(email)
    if email is not None and written is None:
        raise Invalid("email", problem="email_form")
    return User(
        id=new_id(),
        created_at=now(),
        role=role.value,
        name=name,
        email=written,
        email_key=None if written is None else emails.stored_key(written),
        password_hash=password_hash,
        account_id=account_id,
    )


async def create_staff(email: str, password: str | None, *, name: str = "") -> User:
    """Add a member of staff. Raises Invalid at `email` or `password`, WeakPassword there.

    Without a password nobody can sign in as them until they are given one.
    """
    password_hash = (
        None if password is None else await passwords.hashed(password, known=[email, name])
    )
    return await transaction(
        lambda: add_user(role=Role.STAFF, email=email, password_hash=password_hash, name=name)
    )
