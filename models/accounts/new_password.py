"""New passwords: by the link in a mail, or by whoever knows the one before."""

from __future__ import annotations

from typing import Final

from models import email as emails
from models.access import one_use_token, rate_limit, session
from models.access import password as passwords
from models.access.identity import Actor
from models.access.one_use_token import OneUseToken, Purpose
from models.access.user import User
from models.accounts import invitation, person
from models.db import sql
from models.db.transactions import transaction
from models.errors import Forbidden, Invalid, InvalidCredentials, TokenRefused
from models.factors import challenge
from models.journal import audit_log
from models.mail.outgoing import MailKind, mail

_HOUR_SECONDS: Final = 3600
#: Mails to one address, and requests from one place, in an hour.
_PER_EMAIL: Final = 5
_PER_ADDRESS: Final = 30


async def request_reset(email: str, *, locale: str, address: str) -> None:
    """Have a link sent to whoever has this address.

    What is written down is the same for every address; whether a user has it is looked up when the
    mail is sent (models.accounts.mail_delivery). Raises Invalid at `email` where it is no address,
    RateLimited.
    """
    written, key = emails.written(email), emails.key_of(email)
    if written is None or key is None:
        raise Invalid("email", problem="email_form")
    await limit_mails("reset", key, address)
    letter = mail(MailKind.PASSWORD_RESET, written, locale)
    await transaction(lambda: sql.add(letter))


async def limit_mails(name: str, key: str, address: str) -> None:
    """Count a mail that somebody wants sent to the address of that key. Raises RateLimited."""
    counters = [(f"{name}.email", key, _PER_EMAIL)]
    if place := rate_limit.network(address):
        # The place first: one that is shut out cannot shut out those whose addresses it tries.
        limited = [(f"{name}.address", place, _PER_ADDRESS)]
        await rate_limit.spend_all(limited, window_seconds=_HOUR_SECONDS)
    await rate_limit.spend_all(counters, window_seconds=_HOUR_SECONDS)


async def set_password(token: str, password: str) -> User:
    """Set the password of whoever got the link of an invitation or a reset, and end their sessions.

    Raises TokenRefused at `token`; Invalid and WeakPassword at `password`, and the token may be
    used again.
    """
    found = await one_use_token.read(token, Purpose.INVITATION, Purpose.RESET)
    hashed = await passwords.hashed(password, "password", known=[found.email])

    async def change() -> User:
        user = await (_whose(found) if found.user_id else invitation.guest(found))
        was_set = user.password_hash is not None
        await one_use_token.use(found)
        await _change(user, hashed)
        await session.end_all(user.id)
        if was_set:
            await sql.add(await person.letter_to(user, MailKind.PASSWORD_CHANGED))
        await sql.add(audit_log.entry(user.actor(), "user.set_password", user.public_id))
        return user

    return await transaction(change)


async def _whose(token: OneUseToken) -> User:
    """The user of a token, locked, if they still have the address that it was sent to."""
    user = await person.locked(token.user_id)
    if user is None or user.email is None:
        raise TokenRefused("token")
    if emails.key_of(user.email) != emails.key_of(token.email):
        raise TokenRefused("token")
    return user


async def _change(user: User, hashed: str) -> None:
    statement = "UPDATE users SET password_hash = $2 WHERE id = $1"
    await sql.execute(statement, user.id, hashed)
    await challenge.end_all(user.id)  # whoever began to sign in with the old one
    user.password_hash = hashed


async def change_password(current: str, new: str, by: Actor, *, notes: str = "") -> None:
    """Change one's own password: other sessions end, links that were sent are void, and a mail
    says so.

    Raises InvalidCredentials at `current_password`, and RateLimited as signing in does; Invalid and
    WeakPassword at `new_password`; Forbidden for API keys.
    """
    user = await proven_user(by, current, "current_password", notes=notes)
    hashed = await passwords.hashed(new, "new_password", known=[user.email or ""])

    async def change() -> None:
        found = await person.locked(user.id)
        if found is None or found.password_hash != user.password_hash:
            raise InvalidCredentials("current_password")  # it has been changed meanwhile
        await _change(found, hashed)
        await session.end_all(found.id, but=by.session_id)
        await one_use_token.void_all(found.id)
        await sql.add(await person.letter_to(found, MailKind.PASSWORD_CHANGED))
        await sql.add(audit_log.entry(by, "user.change_password", found.public_id))

    await transaction(change)


async def proven_user(by: Actor, password: str, *field: str, notes: str) -> User:
    """The user of a session, if that is their password.

    Raises InvalidCredentials at `field`, RateLimited as signing in does, Forbidden for API keys.
    """
    user = None if by.session_id is None else await User.get_or_none(id=by.user_id)
    if user is None or user.email is None:
        raise Forbidden("session")
    key = emails.key_of(user.email) or ""
    return await session.prove(user, key, password, *field, address=by.address, notes=notes)
