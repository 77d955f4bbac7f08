"""Proof of who it is (step-up): what is asked for again before what matters is changed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from models.access import password as passwords
from models.access import rate_limit
from models.access.user import User
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.errors import (
    CodeRefused,
    Forbidden,
    Invalid,
    InvalidCredentials,
    NotFound,
    SecondFactorRequired,
    StepUpRequired,
)
from models.factors import challenge as challenges
from models.factors import passkey as passkeys
from models.factors import recovery_code
from models.factors.challenge import Purpose
from models.factors.second_factor import Answer, Guesses, SecondFactor, checked, held_by

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.factors.second_factor import Use

#: How long a new session counts, and `confirm`.
_LASTS: Final = timedelta(minutes=10)
_WINDOW_SECONDS: Final = 15 * 60
#: As signing in has them, with a browser that is known: see models.access.session.
_PASSWORDS_PER_SESSION: Final = 10
_PASSWORDS_PER_USER: Final = 30

#: What was confirmed for longer (the demo's) stays so.
_CONFIRM: Final = """
    UPDATE session SET factor_at = COALESCE($3, factor_at),
        confirmed_at = CASE WHEN confirmed_at > $1 THEN confirmed_at ELSE $1 END
    WHERE id = $2 AND revoked_at IS NULL
"""


def require_proof(actor: Actor) -> None:
    """Raises StepUpRequired unless the caller has proved who they are within ten minutes: who has
    a second factor, with that (`Actor.proven_at`).

    Whoever brings no session is no browser that was left open: an API key has its scopes, and the
    command line is the provider's own. A token that runs out and is no API key must say when its
    holder proved it.
    """
    if actor.key_id is not None or (actor.expires_at is None and actor.session_id is None):
        return
    if actor.proven_at is None or now() - actor.proven_at >= _LASTS:
        raise StepUpRequired


async def user_in_session(actor: Actor) -> User:
    """The person behind a session. Raises Forbidden for callers without one."""
    if actor.session_id is None:
        raise Forbidden("session")
    return await User.get(id=actor.user_id)


async def require_password(actor: Actor, user: User, password: str) -> None:
    """Check the password of somebody who is signed in, with limits as on signing in: their own, so
    that a session which was stolen shuts nobody out. Raises InvalidCredentials at `password`, and
    RateLimited.
    """
    assert actor.session_id is not None
    counted = [
        ("proof.session", actor.session_id.hex, _PASSWORDS_PER_SESSION),
        ("proof.user", user.id.hex, _PASSWORDS_PER_USER),
    ]
    await rate_limit.spend_all(counted, window_seconds=_WINDOW_SECONDS)
    good, _ = await passwords.matches(password, user.password_hash)
    if not good:
        raise InvalidCredentials("password")
    await rate_limit.give_back_all([(name, subject) for name, subject, _ in counted])


async def passkey_options(actor: Actor) -> str:
    """What the browser asks one of the caller's passkeys, for `confirm`; it holds for five minutes.

    Raises NotFound where they have none, and Forbidden.
    """
    user = await user_in_session(actor)
    known = await passkeys.of_user(user.id)
    if not known:
        raise NotFound
    asked, _ = await challenges.begin(user.id, Purpose.CONFIRM)
    return passkeys.options_to_use(known, asked)


async def confirm(
    actor: Actor, *, password: str | None, code: str | None, passkey: str | None
) -> None:
    """Note that the caller has proved who they are, with one of the three; `code` may be a recovery
    code, which is used up.

    Raises Invalid at `password` where it is none or several; SecondFactorRequired at `password`,
    which is not looked at, where they have a second factor; InvalidCredentials and CodeRefused at
    their fields; RateLimited; and Forbidden for callers without a session.
    """
    if sum(given is not None for given in (password, code, passkey)) != 1:
        raise Invalid("password", problem="one_answer")
    user = await user_in_session(actor)
    used: list[Use] = []
    if password is not None:
        await _password_checked(actor, user, password)
    elif code is not None:
        used.append(await _code_checked(actor, user, code))
    elif passkey is not None:
        used += await _passkey_checked(user, passkey)

    async def write() -> None:
        for use in used:
            await use()
        await note(actor, with_factor=bool(used))

    await transaction(write)


async def note(actor: Actor, *, with_factor: bool) -> None:
    """The caller proves who they are now, in the transaction that uses the proof up."""
    moment = now()
    await sql.execute(_CONFIRM, moment, actor.session_id, moment if with_factor else None)


async def _password_checked(actor: Actor, user: User, password: str) -> None:
    # One that was stolen, with the session that it is tried in, opens nothing.
    if await held_by(user.id):
        raise SecondFactorRequired("password", why="has_one")
    await require_password(actor, user, password)


async def _code_checked(actor: Actor, user: User, code: str) -> Use:
    assert actor.session_id is not None
    if recovery_code.looks_like_one(code):  # which nobody guesses
        return partial(recovery_code.use, user.id, code, "code")
    guesses = Guesses(user, apart=actor.session_id.hex)
    await guesses.count()
    use = await checked(Answer(SecondFactor.TOTP, code), user, None)
    await guesses.forgive()
    return use


async def _passkey_checked(user: User, given: str) -> list[Use]:
    signed = passkeys.challenge_in(given)
    asked = await challenges.try_passkey(user.id, Purpose.CONFIRM, signed)
    if asked is None:
        raise CodeRefused("passkey")
    use = await checked(Answer(SecondFactor.PASSKEY, given), user, asked)
    return [lambda: challenges.end(asked, "passkey"), use]
