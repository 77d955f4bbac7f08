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
    └── NotFound                    Invalid                  PossibleDuplicate
    Unauthenticated                 nobody is signed in
    Forbidden                       the role or the scope does not allow it
    Busy                            not now: nothing was done, and the same may be asked again
    ├── TooManyAtOnce               this caller has too much under way already
    └── TryAgain                    something else is in the way
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from models.bank.line import BankCredit
    from models.money import Money


class Unauthenticated(Exception):
    """Nobody is signed in, or the credentials that came are not good (any more)."""


class Forbidden(Exception):
    """The caller's role or scopes do not include this."""

    def __init__(self, needs: str) -> None:
        super().__init__(needs)
        self.needs = needs


class Busy(Exception):
    """Nothing was done, because it could not be done just now: the same may be asked again, with
    the same idempotency key, after `retry_after_seconds`. `code` is that of a top-level error.
    """

    code: ClassVar[str]
    retry_after_seconds: ClassVar[int] = 1


class TooManyAtOnce(Busy):
    """This caller has too much under way already."""

    code = "RATE_LIMITED"


class TryAgain(Busy):
    """Somebody else's work is in the way: a lock that did not come, a database that is busy."""

    code = "TRY_AGAIN"


class Refusal(Exception):
    """A rule said no: `code` is the contract's UserErrorCode, `field` a path into the input."""

    code: ClassVar[str]

    def __init__(self, *field: str, **facts: object) -> None:
        super().__init__(self.code, field, facts)
        self.field = field
        self.facts = facts


class InvalidCredentials(Refusal):
    """Unknown, wrong and disabled: one answer for all."""

    code = "INVALID_CREDENTIALS"


class AccountFrozen(Refusal):
    """A debt, a dispute or staff has stopped this account's spending."""

    code = "ACCOUNT_FROZEN"


class InvoiceNotVoidable(Refusal):
    """Void or returned already, or a deposit that money came in for (`status`)."""

    code = "INVOICE_NOT_VOIDABLE"


class AmountOutOfRange(Refusal):
    """Below `minimum` or above `maximum`; None where that side is open."""

    code = "AMOUNT_OUT_OF_RANGE"

    def __init__(
        self, *field: str, minimum: Money | None = None, maximum: Money | None = None
    ) -> None:
        super().__init__(*field, minimum=minimum, maximum=maximum)
        self.minimum = minimum
        self.maximum = maximum


class AmountPrecision(Refusal):
    """More decimals than the currency has (`decimals`)."""

    code = "AMOUNT_PRECISION"


class BalanceLimitExceeded(Refusal):
    """The credit would pass the policy's maximum balance (`maximum`)."""

    code = "BALANCE_LIMIT_EXCEEDED"


class CurrencyNotSupported(Refusal):
    """Not a currency of the house, or not the account's (`currency`)."""

    code = "CURRENCY_NOT_SUPPORTED"


class GatewayNotAvailable(Refusal):
    """No such gateway, or it does not take this currency or amount."""

    code = "GATEWAY_NOT_AVAILABLE"


class GatewayFailed(Refusal):
    """The gateway could not be asked, or said no before a payment began."""

    code = "GATEWAY_FAILED"


class InsufficientCredit(Refusal):
    """Less credit is `available` than is `required`."""

    code = "INSUFFICIENT_CREDIT"

    def __init__(self, *field: str, available: Money, required: Money) -> None:
        super().__init__(*field, available=available, required=required)
        self.available = available
        self.required = required


class CreditNotApplicable(Refusal):
    """A FUNDS invoice is never paid with credit."""

    code = "CREDIT_NOT_APPLICABLE"


class InvoiceNotPayable(Refusal):
    """The invoice is paid, void or refunded (`status`)."""

    code = "INVOICE_NOT_PAYABLE"


class PaymentNotCancelable(Refusal):
    """The payment is under way, or over (`status`)."""

    code = "PAYMENT_NOT_CANCELABLE"


class PaymentInProgress(Refusal):
    """A payment of this invoice is under way."""

    code = "PAYMENT_IN_PROGRESS"


class PolicyNotAccepted(Refusal):
    """The accepted version is not the one in force (`version`)."""

    code = "POLICY_NOT_ACCEPTED"


class VoucherRefused(Refusal):
    """Unknown, used, expired and foreign codes: one answer for all."""

    code = "VOUCHER_REFUSED"


class RateLimited(Refusal):
    """Too many attempts; good again after `retry_after_seconds`."""

    code = "RATE_LIMITED"

    def __init__(self, *field: str, retry_after_seconds: int) -> None:
        super().__init__(*field, retry_after_seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class IdempotencyKeyReused(Refusal):
    """The key was used for another operation, or another input."""

    code = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyInFlight(Refusal):
    """The first request with this key is still being worked on."""

    code = "IDEMPOTENCY_IN_FLIGHT"


class NotRefundable(Refusal):
    """This money does not go back; `problem`: policy, gateway, not_paid, disputed, too_many
    or spent.
    """

    code = "NOT_REFUNDABLE"


class NotFound(Refusal):
    """Not there, or not the caller's: the two are never told apart."""

    code = "NOT_FOUND"


class NotAllowed(Refusal):
    """The caller may do such things, and policy forbids this one (`why`)."""

    code = "NOT_ALLOWED"


class PossibleDuplicate(Refusal):
    """It looks like a line of a bank statement that has come before (`line`)."""

    code = "POSSIBLE_DUPLICATE"

    def __init__(self, *field: str, line: BankCredit) -> None:
        super().__init__(*field)
        self.line = line


class Invalid(Refusal):
    """A value that can be read and is not acceptable; `problem` says what is wrong with it."""

    code = "INVALID"

    def __init__(self, *field: str, problem: str) -> None:
        super().__init__(*field, problem=problem)
        self.problem = problem
