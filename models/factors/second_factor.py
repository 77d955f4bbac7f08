"""Second factors: what somebody must have besides their password, where they have set it up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from models.access import device, rate_limit
from models.db import sql
from models.errors import CodeRefused, Invalid
from models.factors import passkey, recovery_code, totp

if TYPE_CHECKING:
    from uuid import UUID

    from models.access.user import User
    from models.factors.challenge import SignInChallenge

_WINDOW_SECONDS: Final = 15 * 60
_DAY_SECONDS: Final = 24 * 60 * 60
#: Three of a million codes are good at a time: at this rate, guessing one takes decades.
_CODES_PER_WINDOW: Final = 10
_CODES_PER_DAY: Final = 30

_HELD: Final = """
    SELECT 'TOTP' AS factor FROM totp WHERE user_id = $1 AND confirmed_at IS NOT NULL
    UNION SELECT 'PASSKEY' FROM passkey WHERE user_id = $1
    UNION SELECT 'RECOVERY_CODE' FROM recovery_code WHERE user_id = $1 AND used_at IS NULL
"""

#: Uses an answer up, in the transaction that it is for. Raises CodeRefused where another use was
#: first.
Use: TypeAlias = Callable[[], Awaitable[None]]


class SecondFactor(StrEnum):
    """A second step of signing in."""

    TOTP = "TOTP"
    "A code from an authenticator app (RFC 6238)."
    PASSKEY = "PASSKEY"
    "A passkey (WebAuthn)."
    RECOVERY_CODE = "RECOVERY_CODE"
    "One of the codes that were shown when the first other factor was set up; each works once."


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a challenge: what it is, and what was given."""

    factor: SecondFactor
    given: str

    @classmethod
    def of(
        cls,
        *,
        code: str | None = None,
        passkey: str | None = None,
        recovery_code: str | None = None,
    ) -> Answer:
        """The one that is given. Raises Invalid at `code` where it is none, or several."""
        offered = {
            SecondFactor.TOTP: code,
            SecondFactor.PASSKEY: passkey,
            SecondFactor.RECOVERY_CODE: recovery_code,
        }
        given = [cls(factor, text) for factor, text in offered.items() if text is not None]
        if len(given) != 1:
            raise Invalid("code", problem="one_answer")
        return given[0]

    @property
    def field(self) -> str:
        """Where it is in the input."""
        return "code" if self.factor is SecondFactor.TOTP else self.factor.value.lower()


async def held_by(user_id: UUID) -> list[SecondFactor]:
    """What a user can be asked for; nothing where recovery codes are all that is left."""
    held = {row["factor"] for row in await sql.fetch(_HELD, user_id)}
    found = [factor for factor in SecondFactor if factor.value in held]
    return [] if found == [SecondFactor.RECOVERY_CODE] else found


async def checked(answer: Answer, user: User, asked: SignInChallenge | None) -> Use:
    """What uses this answer up. Raises CodeRefused at its field where it is wrong."""
    match answer.factor:
        case SecondFactor.TOTP:
            return await _checked_code(answer.given, user)
        case SecondFactor.RECOVERY_CODE:
            return partial(recovery_code.use, user.id, answer.given)
        case SecondFactor.PASSKEY:
            if asked is None:
                raise CodeRefused("passkey")
            known = await passkey.of_user(user.id)
            return partial(passkey.use, *passkey.verified_count(answer.given, asked, known))


async def _checked_code(code: str, user: User) -> Use:
    app = await totp.of_user(user.id)
    step = None if app is None else totp.step_of(app, code)
    if app is None or step is None:
        raise CodeRefused("code")
    return partial(totp.use, app, step)


class Guesses:
    """Tries at a user's codes, over all challenges: whoever has the password cannot try for ever.

    They are counted for the browser where it has signed in before (`notes`, models.access.device),
    and for the session of somebody who is signed in (`apart`): strangers shut neither out.
    """

    def __init__(self, user: User, *, notes: str = "", apart: str = "") -> None:
        apart = apart or device.known(notes, user) or ""
        self._short = f"code.{'apart' if apart else 'user'}", f"{user.id.hex} {apart}"
        self._long = f"code.day.{'apart' if apart else 'user'}", user.id.hex

    async def count(self) -> None:
        """One more, before it is looked at. Raises RateLimited."""
        await rate_limit.spend(*self._long, limit=_CODES_PER_DAY, window_seconds=_DAY_SECONDS)
        await rate_limit.spend(
            *self._short, limit=_CODES_PER_WINDOW, window_seconds=_WINDOW_SECONDS
        )

    async def forgive(self) -> None:
        """It was a good one."""
        await rate_limit.give_back_all([self._long, self._short])
