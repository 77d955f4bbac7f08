"""Refusals: why a rule said no.

A refusal carries facts, never prose; the edge that shows it writes the sentence. Raised inside a
transaction it rolls everything back, so a refused operation has changed nothing.

    Refusal
    ├── InvalidCredentials          AccountFrozen            InvoiceNotVoidable
    ├── AmountOutOfRange            AmountPrecision          BalanceLimitExceeded
    ├── CurrencyNotSupported        GatewayNotAvailable      GatewayFailed
    ├── InsufficientCredit          CreditNotApplicable      InvoiceNotPayable
    ├── PaymentNotCancelable        PaymentInProgress        PolicyNotAccepted
    ├── VoucherRefused              RateLimited              NotRefundable
    ├── IdempotencyKeyReused        IdempotencyInFlight      NotAllowed
    ├── NotFound                    Invalid                  PossibleDuplicate
    ├── TokenRefused                WeakPassword             EmailTaken
    ├── CodeRefused                 SignUpClosed             StepUpRequired
    └── SecondFactorRequired        HoldNotOpen              PriceChanged
    Unauthenticated                 no valid sign-in or API key
    Forbidden                       the role or the scope does not allow it
    Busy                            not now: nothing was done, and it may be retried
    ├── TooManyAtOnce               too many of this caller's requests are in progress
    └── TryAgain                    the database is busy, full or away
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from models.bank.line import BankCredit
    from models.money import Money


class UserErrorCode(StrEnum):
    """The rule that was violated. More may be added: treat unknown codes like INVALID."""

    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    "Unknown e-mail address or wrong password; never says which."
    ACCOUNT_FROZEN = "ACCOUNT_FROZEN"
    "Spending is stopped by a debt, a dispute, or staff."
    INVOICE_NOT_VOIDABLE = "INVOICE_NOT_VOIDABLE"
    "The invoice is already void, or is for a deposit that money was received for."
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
    PRICE_CHANGED = "PRICE_CHANGED"
    "Paying would come out differently from the preview that `quote` is of. Preview it again."
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
    HOLD_NOT_OPEN = "HOLD_NOT_OPEN"
    "The hold has been captured or released, or has expired."
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE"
    "It looks like a transfer that has already been booked; see `PossibleDuplicate`."
    TOKEN_REFUSED = "TOKEN_REFUSED"  # noqa: S105 - no password
    "The link is unknown, used or expired; never says which."
    WEAK_PASSWORD = "WEAK_PASSWORD"  # noqa: S105 - as above
    "The password is easily guessed, or known from a leak. Choose another."
    EMAIL_TAKEN = "EMAIL_TAKEN"
    "Somebody else uses this e-mail address."
    CODE_REFUSED = "CODE_REFUSED"
    "The code or passkey is wrong, used or expired; never says which."
    SIGN_UP_CLOSED = "SIGN_UP_CLOSED"
    "The provider doesn't let people sign up by themselves."
    STEP_UP_REQUIRED = "STEP_UP_REQUIRED"
    "Call `confirmIdentity` first: the session is older than ten minutes."
    SECOND_FACTOR_REQUIRED = "SECOND_FACTOR_REQUIRED"
    "Set up a second factor first."
    INVALID = "INVALID"
    "The value at `field` isn't valid; see `message`."


class Unauthenticated(Exception):
    """There are no credentials, or they are wrong, expired or revoked."""


class Forbidden(Exception):
    """The caller's role or scopes do not include this."""

    def __init__(self, needs: str) -> None:
        super().__init__(needs)
        self.needs = needs


class Busy(Exception):
    """Nothing was done, because it could not be done now. It may be retried with the same
    idempotency key after `retry_after_seconds`. `code` is that of a top-level error.
    """

    code: ClassVar[str]
    retry_after_seconds: ClassVar[int] = 1


class TooManyAtOnce(Busy):
    """Too many of this caller's requests are in progress."""

    code = "RATE_LIMITED"


class TryAgain(Busy):
    """A lock was not free in time, or the database is busy, full or away."""

    code = "TRY_AGAIN"


class Refusal(Exception):
    """A rule said no, at a path into the input (`field`)."""

    code: ClassVar[UserErrorCode]

    def __init__(self, *field: str, **facts: object) -> None:
        super().__init__(self.code, field, facts)
        self.field = field
        self.facts = facts


class InvalidCredentials(Refusal):
    """Unknown, wrong and disabled: one answer for all."""

    code = UserErrorCode.INVALID_CREDENTIALS


class AccountFrozen(Refusal):
    """A debt, a dispute or staff has stopped this account's spending."""

    code = UserErrorCode.ACCOUNT_FROZEN


class InvoiceNotVoidable(Refusal):
    """Already void or refunded, or a deposit that money was received for (`status`)."""

    code = UserErrorCode.INVOICE_NOT_VOIDABLE


class AmountOutOfRange(Refusal):
    """Below `minimum` or above `maximum`; None where that side is open."""

    code = UserErrorCode.AMOUNT_OUT_OF_RANGE

    def __init__(
        self, *field: str, minimum: Money | None = None, maximum: Money | None = None
    ) -> None:
        super().__init__(*field, minimum=minimum, maximum=maximum)
        self.minimum = minimum
        self.maximum = maximum


class AmountPrecision(Refusal):
    """More decimals than the currency has (`decimals`)."""

    code = UserErrorCode.AMOUNT_PRECISION


class BalanceLimitExceeded(Refusal):
    """The credit would pass the policy's maximum balance (`maximum`)."""

    code = UserErrorCode.BALANCE_LIMIT_EXCEEDED


class CurrencyNotSupported(Refusal):
    """Not a currency that the provider supports, or not the account's (`currency`)."""

    code = UserErrorCode.CURRENCY_NOT_SUPPORTED


class GatewayNotAvailable(Refusal):
    """No such gateway, or it does not take this currency or amount."""

    code = UserErrorCode.GATEWAY_NOT_AVAILABLE


class GatewayFailed(Refusal):
    """The gateway could not be reached, or declined before a payment began."""

    code = UserErrorCode.GATEWAY_FAILED


class InsufficientCredit(Refusal):
    """Less credit is `available` than is `required`."""

    code = UserErrorCode.INSUFFICIENT_CREDIT

    def __init__(self, *field: str, available: Money, required: Money) -> None:
        super().__init__(*field, available=available, required=required)
        self.available = available
        self.required = required


class CreditNotApplicable(Refusal):
    """A FUNDS invoice is never paid with credit."""

    code = UserErrorCode.CREDIT_NOT_APPLICABLE


class InvoiceNotPayable(Refusal):
    """The invoice is paid, void or refunded (`status`)."""

    code = UserErrorCode.INVOICE_NOT_PAYABLE


class PriceChanged(Refusal):
    """Paying would come out differently from what was quoted."""

    code = UserErrorCode.PRICE_CHANGED


class PaymentNotCancelable(Refusal):
    """The payment is being processed, or has ended (`status`)."""

    code = UserErrorCode.PAYMENT_NOT_CANCELABLE


class PaymentInProgress(Refusal):
    """A payment of this invoice is in progress."""

    code = UserErrorCode.PAYMENT_IN_PROGRESS


class PolicyNotAccepted(Refusal):
    """The accepted version is not the one in force (`version`)."""

    code = UserErrorCode.POLICY_NOT_ACCEPTED


class VoucherRefused(Refusal):
    """Unknown, used, expired and foreign codes: one answer for all."""

    code = UserErrorCode.VOUCHER_REFUSED


class RateLimited(Refusal):
    """Too many attempts; good again after `retry_after_seconds`."""

    code = UserErrorCode.RATE_LIMITED

    def __init__(self, *field: str, retry_after_seconds: int) -> None:
        super().__init__(*field, retry_after_seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class IdempotencyKeyReused(Refusal):
    """The key was used for another operation, or another input."""

    code = UserErrorCode.IDEMPOTENCY_KEY_REUSED


class IdempotencyInFlight(Refusal):
    """The first request with this key is still being processed."""

    code = UserErrorCode.IDEMPOTENCY_IN_FLIGHT


class NotRefundable(Refusal):
    """This payment cannot be refunded; `problem`: policy, gateway, not_paid, disputed, too_many
    or spent.
    """

    code = UserErrorCode.NOT_REFUNDABLE


class NotFound(Refusal):
    """It does not exist, or is not the caller's: the two look the same."""

    code = UserErrorCode.NOT_FOUND


class NotAllowed(Refusal):
    """The caller has permission, but a rule forbids this case (`why`)."""

    code = UserErrorCode.NOT_ALLOWED


class HoldNotOpen(Refusal):
    """Captured, released or expired (`state`), or its time is over."""

    code = UserErrorCode.HOLD_NOT_OPEN


class PossibleDuplicate(Refusal):
    """It looks like a bank statement line that was already recorded (`line`)."""

    code = UserErrorCode.POSSIBLE_DUPLICATE

    def __init__(self, *field: str, line: BankCredit) -> None:
        super().__init__(*field)
        self.line = line


class TokenRefused(Refusal):
    """Unknown, used, expired and foreign links: one answer for all."""

    code = UserErrorCode.TOKEN_REFUSED


class WeakPassword(Refusal):
    """Easily guessed, or known from a leak."""

    code = UserErrorCode.WEAK_PASSWORD


class EmailTaken(Refusal):
    """Another user has this e-mail address."""

    code = UserErrorCode.EMAIL_TAKEN


class CodeRefused(Refusal):
    """A wrong, used or expired code, passkey or challenge: one answer for all."""

    code = UserErrorCode.CODE_REFUSED


class SignUpClosed(Refusal):
    """The provider opens accounts, not the clients."""

    code = UserErrorCode.SIGN_UP_CLOSED


class StepUpRequired(Refusal):
    """It has been too long since the session proved who it is."""

    code = UserErrorCode.STEP_UP_REQUIRED


class SecondFactorRequired(Refusal):
    """Nothing but enrolling is allowed before that; or there is one, and a password is no proof
    (`why`).
    """

    code = UserErrorCode.SECOND_FACTOR_REQUIRED


class Invalid(Refusal):
    """A value that is well-formed but not acceptable; `problem` says what is wrong with it."""

    code = UserErrorCode.INVALID

    def __init__(self, *field: str, problem: str, **facts: object) -> None:
        super().__init__(*field, problem=problem, **facts)
        self.problem = problem
