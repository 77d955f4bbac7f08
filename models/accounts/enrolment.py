"""Enrolment: second factors that users set up and remove. Each is told by mail, and in the audit
log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.access import session
from models.accounts import person
from models.db import sql
from models.db.transactions import transaction
from models.errors import CodeRefused, NotAllowed, NotFound
from models.factors import challenge as challenges
from models.factors import passkey as passkeys
from models.factors import recovery_code, totp
from models.factors.challenge import Purpose
from models.factors.passkey import Passkey
from models.factors.proof import note, require_password, require_proof, user_in_session
from models.factors.second_factor import SecondFactor, held_by
from models.factors.totp import Totp
from models.journal import audit_log
from models.mail.outgoing import MailKind
from models.text import clean_text

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.access.user import User

_NAME_CHARS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class NewApp:
    """What an authenticator app is given: the secret (base32), also as an `otpauth:` URI."""

    secret: str
    uri: str


async def begin_totp(by: Actor) -> NewApp:
    """A secret for an authenticator app, which `confirm_totp` turns on.

    Raises StepUpRequired, NotAllowed where one is on already, and Forbidden without a session.
    """
    user = await _proven(by)
    secret = await transaction(lambda: totp.begin(user.id))
    if secret is None:
        raise NotAllowed(why="totp_on")
    return NewApp(secret, totp.uri_of(secret, user.email or user.public_id))


async def confirm_totp(by: Actor, code: str) -> list[str]:
    """Turn the app on with its first code; recovery codes where the user has none, else nothing.

    Raises CodeRefused at `code`, StepUpRequired, and Forbidden without a session.
    """
    user = await _proven(by)
    app = await totp.of_user(user.id, confirmed=False)
    step = None if app is None else totp.step_of(app, code)
    if app is None or step is None:
        raise CodeRefused("code")

    async def write() -> list[str]:
        await _lock(user)
        await totp.use(app, step)
        return await _added(by, user, SecondFactor.TOTP)

    return await transaction(write)


async def begin_passkey(by: Actor) -> str:
    """What the browser makes a passkey from, as JSON; it holds for five minutes.

    Raises StepUpRequired, NotAllowed beyond `passkey.COUNT_MAX`, and Forbidden without a session.
    """
    user = await _proven(by)
    known = await passkeys.of_user(user.id)
    _require_room(len(known))
    asked, _ = await challenges.begin(user.id, Purpose.ENROL)
    return passkeys.options_to_make(user, known, asked)


async def confirm_passkey(by: Actor, credential: str, name: str) -> list[str]:
    """Add the passkey that the browser has made; answers as `confirm_totp`.

    Raises CodeRefused at `credential`, Invalid at `name`, and as `begin_passkey`.
    """
    user = await _proven(by)
    name = clean_text(name, "name", maximum=_NAME_CHARS_MAX)
    signed = passkeys.challenge_in(credential)
    asked = await challenges.try_passkey(user.id, Purpose.ENROL, signed)
    if asked is None:
        raise CodeRefused("credential")
    made = passkeys.made(credential, asked, name)

    async def write() -> list[str]:
        await _lock(user)
        await challenges.end(asked, "credential")
        _require_room(await Passkey.filter(user_id=user.id).count())
        if not await sql.add_new(made):
            raise CodeRefused("credential")
        return await _added(by, user, SecondFactor.PASSKEY, name=name)

    return await transaction(write)


async def renew_recovery_codes(by: Actor) -> list[str]:
    """Ten new codes; the user's others work no longer.

    Raises StepUpRequired, NotAllowed without another second factor, Forbidden without a session.
    """
    user = await _proven(by)

    async def write() -> list[str]:
        await _lock(user)
        if not await held_by(user.id):
            raise NotAllowed(why="no_second_factor")
        await _tell(by, user, MailKind.SECOND_FACTOR_ADDED, SecondFactor.RECOVERY_CODE)
        return await recovery_code.renew(user.id)

    return await transaction(write)


async def remove(by: Actor, factor: SecondFactor, password: str) -> None:
    """Remove the authenticator app, all passkeys, or all recovery codes. With the last of the first
    two the recovery codes go too: there is nothing left that they stand in for.

    Raises StepUpRequired, which a factor proves; InvalidCredentials at `password`, NotFound at
    `factor` where the user has none such, RateLimited, and Forbidden without a session.
    """
    user = await _proven(by)
    await require_password(by, user, password)

    async def write() -> None:
        await _lock(user)
        if not await _removed(user, factor):
            raise NotFound("factor")
        if not await held_by(user.id):
            await recovery_code.remove(user.id)
            await challenges.end_all(user.id)
        await _tell(by, user, MailKind.SECOND_FACTOR_REMOVED, factor)

    await transaction(write)


async def reset(user: User) -> int:
    """Remove all second factors of somebody who has lost them, and end their sessions; how many
    there were. The provider asks for it on the command line, and has made sure who it is.
    """

    async def write() -> int:
        await _lock(user)
        held = await held_by(user.id)
        for factor in held:
            await _removed(user, factor)
            await _tell(user.actor(), user, MailKind.SECOND_FACTOR_REMOVED, factor, reset="yes")
        await challenges.end_all(user.id)
        await session.end_all(user.id)
        return len(held)

    return await transaction(write)


async def _removed(user: User, factor: SecondFactor) -> int:
    match factor:
        case SecondFactor.TOTP:
            return await Totp.filter(user_id=user.id, confirmed_at__not_isnull=True).delete()
        case SecondFactor.PASSKEY:
            return await Passkey.filter(user_id=user.id).delete()
        case SecondFactor.RECOVERY_CODE:
            return await recovery_code.remove(user.id)


async def _proven(by: Actor) -> User:
    user = await user_in_session(by)
    require_proof(by)
    return user


def _require_room(count: int) -> None:
    if count >= passkeys.COUNT_MAX:
        raise NotAllowed(why="passkeys", maximum=passkeys.COUNT_MAX)


async def _lock(user: User) -> None:
    """Of one user's factors one is changed at a time: two first ones make ten codes, not twenty."""
    await sql.fetch(f"SELECT id FROM users WHERE id = $1{sql.for_update()}", user.id)


async def _added(by: Actor, user: User, factor: SecondFactor, **details: str) -> list[str]:
    await _tell(by, user, MailKind.SECOND_FACTOR_ADDED, factor, **details)
    await note(by, with_factor=True)  # what they have just shown
    if SecondFactor.RECOVERY_CODE in await held_by(user.id):
        return []
    return await recovery_code.renew(user.id)


async def _tell(
    by: Actor, user: User, kind: MailKind, factor: SecondFactor, **details: str
) -> None:
    action = kind.value.replace("second_factor_", "second_factor.")
    await sql.add(audit_log.entry(by, action, user.public_id, factor=factor.value, **details))
    if user.email is not None:
        await sql.add(await person.letter_to(user, kind, factor=factor.value))
