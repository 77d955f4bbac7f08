"""People: users, as their passwords and addresses change."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from models import email as emails
from models.access.one_use_token import OneUseToken
from models.access.user import User, email_key_sql
from models.accounts.account import Account, read
from models.db import sql
from models.mail.outgoing import MailKind, OutgoingMail, mail

_TAKEN: Final = """
    SELECT id FROM account WHERE (email = $1 OR {key} = $2) AND id <> $4
    UNION ALL SELECT id FROM users WHERE (email = $1 OR {key} = $2) AND id <> $3 LIMIT 1
"""
_NOBODY: Final = UUID(int=0)


async def locked(user_id: UUID | None) -> User | None:
    """The user, locked, in a transaction; None for who is not there or disabled.

    Whatever changes a user takes this lock first, and a sign-in before it opens its session.
    """
    if user_id is None:
        return None
    statement = f"SELECT * FROM users WHERE id = $1 AND disabled_at IS NULL{sql.for_update()}"
    found = await sql.records(User, statement, user_id)
    return found[0] if found else None


async def is_taken(email: str, *, but: User | None = None, of: Account | None = None) -> bool:
    """Whether a user or an account has this address, `but` one with their own."""
    key = emails.key_of(email)
    statement = _TAKEN.format(key=email_key_sql())
    user_id, account_id = but.id if but else _NOBODY, of.id if of else _NOBODY
    return bool(await sql.fetch(statement, email, key, user_id, account_id))


async def own_account(user: User) -> Account | None:
    """The account that has this user's address: the one that was opened with it."""
    account = None if user.account_id is None else await read(user.account_id)
    if account is None or user.email is None:
        return None
    same = emails.key_of(account.email) == emails.key_of(user.email)
    return account if same else None


async def letter_to(
    user: User, kind: MailKind, *, token: OneUseToken | None = None, **facts: str
) -> OutgoingMail:
    """A mail to a user, in their language."""
    assert user.email is not None
    token_id = None if token is None else token.id
    return mail(kind, user.email, await locale_of(user) or "en", token_id=token_id, **facts)


async def locale_of(user: User) -> str:
    """The language of the user's account; empty for staff."""
    account = None if user.account_id is None else await read(user.account_id)
    return account.locale if account else ""
