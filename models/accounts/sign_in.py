"""Signing in: a password or a token, then a second factor where there is one, then a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.access import session
from models.access.user import User
from models.accounts.invitation import come_in
from models.errors import CodeRefused
from models.factors import challenge as challenges
from models.factors import passkey as passkeys
from models.factors.challenge import Purpose
from models.factors.second_factor import Answer, Guesses, SecondFactor, checked, held_by

if TYPE_CHECKING:
    from datetime import datetime

    from models.access.identity import Actor


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session has begun; `token` is shown only now."""

    actor: Actor
    token: str


@dataclass(frozen=True, slots=True)
class FactorAsked:
    """No session yet: one of `methods` must be given with `token` before `expires_at`."""

    token: str
    methods: list[SecondFactor]
    passkey_options: str | None
    expires_at: datetime


async def sign_in(
    email: str, password: str, *, address: str, user_agent: str = "", notes: str = ""
) -> SignedIn | FactorAsked:
    """Begin with a password. Raises what `session.user_of_credentials` does."""
    user = await session.user_of_credentials(email, password, address=address, notes=notes)
    return await finish(user, address=address, user_agent=user_agent, notes=notes)


async def finish(
    user: User, *, address: str, user_agent: str = "", notes: str = ""
) -> SignedIn | FactorAsked:
    """What follows for a user who has proved their password, or a token that stands for it: the one
    way to a session. Raises Unauthenticated when they have been disabled meanwhile.
    """
    methods = await held_by(user.id)
    if not methods:
        opened = await session.open_session(
            user,
            address=address,
            user_agent=user_agent,
            notes=notes,
            first=lambda: come_in(user),
        )
        return SignedIn(*opened)
    asked, token = await challenges.begin(user.id, Purpose.SIGN_IN)
    known = await passkeys.of_user(user.id) if SecondFactor.PASSKEY in methods else []
    options = passkeys.options_to_use(known, asked) if known else None
    return FactorAsked(token, methods, options, asked.expires_at)


async def complete(
    token: str, answer: Answer, *, address: str, user_agent: str = "", notes: str = ""
) -> SignedIn:
    """End a challenge with an answer to it.

    Raises CodeRefused at the answer's field: an unknown, used or expired challenge is the same as a
    wrong answer, and so is the sixth. Raises RateLimited where codes have been guessed too often.
    """
    asked = await challenges.try_token(token, Purpose.SIGN_IN)
    user = None if asked is None else await User.get_or_none(id=asked.user_id, disabled_at=None)
    if asked is None or user is None:
        raise CodeRefused(answer.field)
    guesses = Guesses(user, notes=notes) if answer.factor is SecondFactor.TOTP else None
    if guesses is not None:
        await guesses.count()
    use = await checked(answer, user, asked)

    async def end() -> None:
        await challenges.end(asked, answer.field)
        await use()
        await come_in(user)

    opened = await session.open_session(
        user, address=address, user_agent=user_agent, notes=notes, first=end, with_factor=True
    )
    if guesses is not None:
        await guesses.forgive()
    return SignedIn(*opened)
