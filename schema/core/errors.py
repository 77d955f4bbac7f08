"""Two ways to say no: `userErrors` of a payload, and top-level errors for all else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, ParamSpec, TypeVar, cast

import strawberry
from graphql import GraphQLError

from models import errors
from models.access.identity import SCOPES
from models.credit import balance
from models.errors import Busy, Forbidden, Unauthenticated, UserErrorCode
from schema.core import texts
from schema.core.context import Info
from schema.core.money import Money

if TYPE_CHECKING:
    from schema.bank import BankCredit

P = ParamSpec("P")
R = TypeVar("R")


class SessionEnded(Unauthenticated):
    """The session that opened a subscription has expired or been revoked."""


#: Each value is the code of a class of refusals in the domain.
strawberry.enum(UserErrorCode)


@strawberry.interface
class UserError:
    """Why a mutation was refused. A refused mutation changes nothing.

    Top-level `errors` are for requests that never reach a rule. Their `extensions.code` is
    BAD_USER_INPUT (a value isn't valid for its type), UNAUTHENTICATED, FORBIDDEN (role or scope),
    SECOND_FACTOR_REQUIRED (staff must set one up first), NOT_FOUND (it doesn't exist or isn't
    visible to the caller, and the field can't be null), LIMIT_EXCEEDED, RATE_LIMITED (too many of
    your requests are in progress), TRY_AGAIN (the database is busy, full or unavailable), INTERNAL,
    or, for persisted documents, PERSISTED_QUERY_NOT_FOUND, _NOT_SUPPORTED or _ONLY. After
    RATE_LIMITED or TRY_AGAIN, send the same request again a moment later, with the same
    `idempotencyKey`.
    """

    code: UserErrorCode
    "The rule that was violated."
    message: str
    "A message for people, in the caller's language."
    field: list[str] | None
    'Path into `input`, so that a form can show the message at its field: `["amount", "currency"]`.'


@strawberry.type
class Refusal(UserError):
    """An error with just a code and a message."""


@strawberry.type
class AmountOutOfRange(UserError):
    """The amount is too small or too large."""

    minimum: Money | None
    "The minimum; null where there is none."
    maximum: Money | None
    "The maximum; null where there is none."


@strawberry.type
class InsufficientCredit(UserError):
    """There isn't enough credit to pay the whole amount."""

    available: Money
    "Credit that can be spent now."
    required: Money
    "The amount that is needed."


@strawberry.type
class RateLimited(UserError):
    """Too many attempts."""

    retry_after_seconds: int
    "How many seconds to wait before the next attempt."


@strawberry.type
class PossibleDuplicate(UserError):
    """The transfer looks like one that has already been booked."""

    bank_credit: Annotated["BankCredit", strawberry.lazy("schema.bank")]  # noqa: UP037 - strawberry
    "The bank statement line or recorded transfer that it looks like."


#: Every type that `userErrors` may hold; the schema names them, as no field does.
TYPES = (Refusal, AmountOutOfRange, InsufficientCredit, RateLimited, PossibleDuplicate)


@strawberry.type
class Payload:
    """What every mutation returns."""

    user_errors: list[UserError] = strawberry.field(default_factory=list)
    "Why the mutation was refused; empty on success."


def user_error(refusal: errors.Refusal, locale: str) -> UserError:
    """The entry of `userErrors` that tells of a refusal."""
    common: dict[str, Any] = {
        "code": refusal.code,
        "message": texts.explain(refusal, locale),
        "field": [_camel(name) for name in refusal.field] or None,
    }
    match refusal:
        case errors.AmountOutOfRange():
            low, high = refusal.minimum, refusal.maximum
            return AmountOutOfRange(
                minimum=Money.of(low) if low else None,
                maximum=Money.of(high) if high else None,
                **common,
            )
        case errors.InsufficientCredit():
            return InsufficientCredit(
                available=Money.of(refusal.available),
                required=Money.of(refusal.required),
                **common,
            )
        case errors.RateLimited():
            return RateLimited(retry_after_seconds=refusal.retry_after_seconds, **common)
        case errors.PossibleDuplicate():
            from schema.bank import BankCredit  # noqa: PLC0415 - it is made of what is in here

            return PossibleDuplicate(bank_credit=BankCredit.of(refusal.line), **common)
        case _:
            return Refusal(**common)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def busy_error(busy: Busy, locale: str = texts.FALLBACK) -> GraphQLError:
    """The top-level error for what could not be done just now."""
    extensions = {"code": busy.code, "retryAfterSeconds": busy.retry_after_seconds}
    message = texts.say(f"BUSY.{busy.code}", locale)
    return GraphQLError(message, original_error=busy, extensions=extensions)


def top_level_error(error: Exception, locale: str) -> GraphQLError:
    """The top-level error for what no payload can hold."""
    match error:
        case SessionEnded():
            code, message = "UNAUTHENTICATED", texts.say("SESSION_ENDED", locale)
        case Unauthenticated():
            code, message = "UNAUTHENTICATED", texts.say("UNAUTHENTICATED", locale)
        case Forbidden():
            code, message = "FORBIDDEN", _forbidden(error, locale)
        case Busy():
            return busy_error(error, locale)
        case errors.NotFound():
            code, message = "NOT_FOUND", texts.explain(error, locale)
        case errors.SecondFactorRequired():
            code, message = error.code.value, texts.explain(error, locale)
        case errors.Refusal():
            code, message = "BAD_USER_INPUT", texts.explain(error, locale)
        case _:
            raise AssertionError(error)
    return GraphQLError(message, original_error=error, extensions={"code": code})


def _forbidden(error: Forbidden, locale: str) -> str:
    """Which scope is missing, where it is one: whoever integrates asks for it by name."""
    if error.needs in SCOPES:
        return texts.say("FORBIDDEN.scope", locale, scope=error.needs)
    return texts.say("FORBIDDEN", locale)


@contextmanager
def top_level(info: Info, *kinds: type[Exception]) -> Iterator[None]:
    """What is raised of these `kinds` in here becomes a top-level error."""
    try:
        yield
    except kinds as error:
        raise top_level_error(error, info.context.locale) from error


_FOR_ALL: Final = (Unauthenticated, Forbidden, Busy)
#: Errors that are not ours, for fields without a payload to report them in.
REFUSED_AT_TOP: Final = (*_FOR_ALL, errors.Refusal)


def refused_at_top(resolver: Callable[P, R]) -> Callable[P, R]:
    """For everything but mutations: whatever is refused becomes a top-level error.

    Works for functions and coroutine functions that take `info`.
    """
    if inspect.iscoroutinefunction(resolver):
        return cast("Callable[P, R]", _awaited_refused_at_top(resolver))

    @functools.wraps(resolver)
    def answered(*args: P.args, **kwargs: P.kwargs) -> R:
        with top_level(_info(kwargs), *REFUSED_AT_TOP):
            return resolver(*args, **kwargs)

    return answered


def _awaited_refused_at_top(resolver: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
    @functools.wraps(resolver)
    async def answered(*args: object, **kwargs: object) -> R:
        with top_level(_info(kwargs), *REFUSED_AT_TOP):
            return await resolver(*args, **kwargs)

    return answered


def refused_in_payload(resolver: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """For mutations: a refusal becomes a payload that has `userErrors` and nothing else."""

    @functools.wraps(resolver)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> R:
        info = _info(kwargs)
        info.context.forget()  # what the mutation before this one read is the past
        try:
            with top_level(info, *_FOR_ALL):
                return await resolver(*args, **kwargs)
        except errors.Refusal as refusal:
            payload: Callable[..., R] = cast("Any", info.return_type)
            told = balance.told(refusal, info.context.actor)
            return payload(user_errors=[user_error(told, info.context.locale)])

    return answered


def _info(kwargs: Mapping[str, object]) -> Info:
    return cast("Info", kwargs["info"])
