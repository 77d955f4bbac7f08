"""Stripe's errors as errors of the port. None repeats what was sent, which may contain a key."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import stripe
import structlog

from models.gateway import GatewayDeclined, GatewayProblem, GatewayUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = structlog.stdlib.get_logger("stripe")

# https://docs.stripe.com/declines/codes. All others become `card_declined`: whoever holds a stolen
# card must not learn that it is known.
_CARD_FAILURES: Final = {
    "authentication_required": "authentication_failed",
    "card_not_supported": "card_not_supported",
    "currency_not_supported": "card_not_supported",
    "expired_card": "expired_card",
    "incorrect_cvc": "incorrect_cvc",
    "incorrect_number": "incorrect_number",
    "insufficient_funds": "insufficient_funds",
    "invalid_cvc": "incorrect_cvc",
    "invalid_expiry_month": "expired_card",
    "invalid_expiry_year": "expired_card",
    "invalid_number": "incorrect_number",
    "payment_intent_authentication_failure": "authentication_failed",
    "processing_error": "processing_error",
}

# https://docs.stripe.com/error-codes
_REFUSALS: Final = {
    "amount_too_large": "amount_too_large",
    "amount_too_small": "amount_too_small",
    "balance_insufficient": "refund_insufficient_funds",
    "charge_already_refunded": "already_refunded",
    "charge_disputed": "payment_disputed",
    "charge_exceeds_transaction_limit": "amount_too_large",
    "currency_not_supported": "currency_not_supported",
    "email_invalid": "email_not_accepted",
    "insufficient_funds": "refund_insufficient_funds",
    "refund_disputed_payment": "payment_disputed",
}
_REFUSED_PARAMETERS: Final = {"customer_email": "email_not_accepted", "expires_at": "expired"}


class StripeRefused(GatewayProblem):
    """Stripe says that the request cannot be; `failure` is a short stable code."""

    def __init__(self, error: stripe.InvalidRequestError) -> None:
        code, param = error.code or "", error.param or ""
        super().__init__(f"Stripe refused the request: {code or param or 'no reason given'}")
        known = _REFUSALS.get(code) or _REFUSED_PARAMETERS.get(param)
        self.failure = known or "gateway_refused"
        self._unexpected = None if known else {"reason": code, "parameter": param}
        self._request = error.request_id

    def log(self) -> StripeRefused:
        """Tell people, where it is nothing that a client can mend; this refusal."""
        if self._unexpected is not None:
            _log.error("stripe refused a request", **self._unexpected, stripe_request=self._request)
        return self


def card_failure(code: str, decline_code: str) -> str:
    """A short stable code for why a card was not charged."""
    return _CARD_FAILURES.get(decline_code) or _CARD_FAILURES.get(code) or "card_declined"


@contextmanager
def asking() -> Iterator[None]:
    """What Stripe's SDK raises becomes GatewayUnreachable, GatewayDeclined or GatewayProblem."""
    try:
        yield
    except stripe.CardError as error:
        decline = getattr(error.error, "decline_code", None)
        raise GatewayDeclined(card_failure(error.code or "", decline or "")) from None
    except stripe.InvalidRequestError as error:
        if error.code == "lock_timeout":
            raise GatewayUnreachable("Stripe is still processing the same payment") from None
        raise StripeRefused(error) from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        _log.error(
            "stripe refused STRIPE_SECRET_KEY",
            status=error.http_status,
            stripe_request=error.request_id,
        )
        raise GatewayProblem("Stripe does not accept STRIPE_SECRET_KEY") from None
    except stripe.IdempotencyError:
        # A setting that goes into the request has changed meanwhile.
        raise GatewayProblem(
            "Stripe already got a different request with this idempotency key"
        ) from None
    except stripe.StripeError as error:
        # No answer, 429 (`lock_timeout` too), 409 (the key is in use) and 5xx.
        said = f"{type(error).__name__} {error.http_status or ''}".strip()
        raise GatewayUnreachable(f"Stripe didn't respond: {said}") from None
