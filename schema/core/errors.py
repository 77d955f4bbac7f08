"""Two ways to say no: `userErrors` of a payload, and top-level errors for all else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, ParamSpec, TypeVar, cast

import strawberry
from graphql import GraphQLError

from models import errors
from models.errors import Busy, Forbidden, Unauthenticated
from models.errors import Refusal as Refused
from schema.core import texts
from schema.core.context import Info
from schema.core.money import Money

if TYPE_CHECKING:
    from schema.bank import BankCredit

P = ParamSpec("P")
R = TypeVar("R")


class SessionEnded(Unauthenticated):
    """The session that opened a subscription has expired or been revoked."""


@strawberry.enum
class UserErrorCode(Enum):
    """The rule that was violated. More may be added: treat unknown codes like INVALID."""

    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    "Unknown e-mail address or wrong password; never says which."
    ACCOUNT_FROZEN = "ACCOUNT_FROZEN"
    "Spending is stopped by a debt, a dispute, or staff."
    INVOICE_NOT_VOIDABLE = "INVOICE_NOT_VOIDABLE"
    "It is already void, or it is a deposit that money was received for."
    AMOUNT_OUT_OF_RANGE = "AMOUNT_OUT_OF_RANGE"
    "Too small or too large; see `AmountOutOfRange`."
    AMOUNT_PRECISION = "AMOUNT_PRECISION"
    "More decimal places than the currency has. Amounts are never rounded."
    BALANCE_LIMIT_EXCEEDED = "BALANCE_LIMIT_EXCEEDED"
    "The balance would exceed `FundsLimits.maximumBalance`."
    CURRENCY_NOT_SUPPORTED = "CURRENCY_NOT_SUPPORTED"
    "An unknown currency, or one that the provider doesn't support."
    GATEWAY_NOT_AVAILABLE = "GATEWAY_NOT_AVAILABLE"
    "An unknown gateway, or one that doesn't accept this amount or currency."
    GATEWAY_FAILED = "GATEWAY_FAILED"
    "The gateway couldn't be reached, or declined to start the payment."
    INSUFFICIENT_CREDIT = "INSUFFICIENT_CREDIT"
    "Not enough credit to pay the whole amount; see `InsufficientCredit`."
    CREDIT_NOT_APPLICABLE = "CREDIT_NOT_APPLICABLE"
    "An invoice that adds funds can't be paid with credit."
    INVOICE_NOT_PAYABLE = "INVOICE_NOT_PAYABLE"
    "The invoice is paid, void or refunded."
    PAYMENT_NOT_CANCELABLE = "PAYMENT_NOT_CANCELABLE"
    "The payment is being processed, or has ended."
    PAYMENT_IN_PROGRESS = "PAYMENT_IN_PROGRESS"
    "Another payment for the invoice is open: complete or cancel it first."
    POLICY_NOT_ACCEPTED = "POLICY_NOT_ACCEPTED"
    "The accepted version isn't the current `CreditPolicy.version`."
    VOUCHER_REFUSED = "VOUCHER_REFUSED"
    "Unknown, used, expired or for another currency; never says which."
    RATE_LIMITED = "RATE_LIMITED"
    "Too many attempts; see `RateLimited`."
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    "This `idempotencyKey` was already used with a different operation or input."
    IDEMPOTENCY_IN_FLIGHT = "IDEMPOTENCY_IN_FLIGHT"
    "The same request is still being processed. Send it again in a moment."
    NOT_REFUNDABLE = "NOT_REFUNDABLE"
    "The credit policy or the gateway doesn't allow this refund."
    NOT_FOUND = "NOT_FOUND"
    "It doesn't exist, or isn't visible to the caller."
    NOT_ALLOWED = "NOT_ALLOWED"
    "The caller has permission, but a rule forbids this case."
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE"
    "It looks like a transfer that has already been booked; see `PossibleDuplicate`."
    INVALID = "INVALID"
    "The value at `field` isn't valid; see `message`."


@strawberry.interface
class UserError:
    """Why a mutation did nothing.

    A mutation that is refused changes nothing, and says so here. The top-level `errors` are for
    requests that never reach a rule; their `extensions.code` is BAD_USER_INPUT (a value that cannot
    be read as its type), UNAUTHENTICATED, FORBIDDEN (role or scope), NOT_FOUND (a query for what
    does not exist or is not yours, and cannot be null), LIMIT_EXCEEDED, RATE_LIMITED (you have too
    much under way), TRY_AGAIN (something else is in the way, or the database is full or away),
    INTERNAL, or of persisted documents PERSISTED_QUERY_NOT_FOUND, _NOT_SUPPORTED or _ONLY. After
    RATE_LIMITED and TRY_AGAIN send the same again a moment later, with the same `idempotencyKey`.
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
    """An amount is too small or too large."""

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
    "The amount that was to be paid."


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
    """What every mutation answers."""

    user_errors: list[UserError] = strawberry.field(default_factory=list)
    "Why nothing was done; empty on success."


def user_error(refusal: Refused, locale: str, *, reads_credit: bool = True) -> UserError:
    """The entry of `userErrors` that tells of a refusal; how much credit there is, it tells only
    those who may read that.
    """
    if isinstance(refusal, errors.InsufficientCredit) and not reads_credit:
        refusal = _WithoutFigures(*refusal.field)
    common: dict[str, Any] = {
        "code": UserErrorCode(refusal.code),
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


class _WithoutFigures(Refused):
    """InsufficientCredit, for a key that does not read credit."""

    code = errors.InsufficientCredit.code


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def busy_error(busy: Busy, locale: str = texts.FALLBACK) -> GraphQLError:
    """The top-level error for what could not be done just now."""
    extensions = {"code": busy.code, "retryAfterSeconds": busy.retry_after_seconds}
    message = texts.say(f"BUSY.{busy.code}", locale)
    return GraphQLError(message, original_error=busy, extensions=extensions)


def top_level_error(error: Exception, locale: str) -> GraphQLError:
    """The top-level error for what cannot be told in a payload."""
    match error:
        case SessionEnded():
            code, message = "UNAUTHENTICATED", texts.say("SESSION_ENDED", locale)
        case Unauthenticated():
            code, message = "UNAUTHENTICATED", texts.say("UNAUTHENTICATED", locale)
        case Forbidden():
            code, message = "FORBIDDEN", texts.say("FORBIDDEN", locale)
        case Busy():
            return busy_error(error, locale)
        case errors.NotFound():
            code, message = "NOT_FOUND", texts.explain(error, locale)
        case Refused():
            code, message = "BAD_USER_INPUT", texts.explain(error, locale)
        case _:
            raise AssertionError(error)
    return GraphQLError(message, original_error=error, extensions={"code": code})


@contextmanager
def top_level(info: Info, *kinds: type[Exception]) -> Iterator[None]:
    """What is raised of these `kinds` in here becomes a top-level error."""
    try:
        yield
    except kinds as error:
        raise top_level_error(error, info.context.locale) from error


_FOR_ALL: Final = (Unauthenticated, Forbidden, Busy)
_FOR_QUERIES: Final = (*_FOR_ALL, Refused)


def refused_at_top(resolver: Callable[P, R]) -> Callable[P, R]:
    """For everything but mutations: whatever is refused becomes a top-level error.

    Works for functions, coroutine functions and asynchronous generators that take `info`.
    """
    if inspect.isasyncgenfunction(resolver):
        return cast("Callable[P, R]", _stream_refused_at_top(resolver))
    if inspect.iscoroutinefunction(resolver):
        return cast("Callable[P, R]", _awaited_refused_at_top(resolver))

    @functools.wraps(resolver)
    def answered(*args: P.args, **kwargs: P.kwargs) -> R:
        with top_level(_info(kwargs), *_FOR_QUERIES):
            return resolver(*args, **kwargs)

    return answered


def _awaited_refused_at_top(resolver: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
    @functools.wraps(resolver)
    async def answered(*args: object, **kwargs: object) -> R:
        with top_level(_info(kwargs), *_FOR_QUERIES):
            return await resolver(*args, **kwargs)

    return answered


def _stream_refused_at_top(
    resolver: Callable[..., AsyncGenerator[R, None]],
) -> Callable[..., AsyncGenerator[R, None]]:
    @functools.wraps(resolver)
    async def answered(*args: object, **kwargs: object) -> AsyncGenerator[R, None]:
        with top_level(_info(kwargs), *_FOR_QUERIES):
            async with aclosing(resolver(*args, **kwargs)) as results:
                async for result in results:
                    yield result

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
        except Refused as refusal:
            payload: Callable[..., R] = cast("Any", info.return_type)
            reads_credit = (actor := info.context.actor) is not None and actor.may("credit:read")
            told = user_error(refusal, info.context.locale, reads_credit=reads_credit)
            return payload(user_errors=[told])

    return answered


def _info(kwargs: Mapping[str, object]) -> Info:
    return cast("Info", kwargs["info"])
