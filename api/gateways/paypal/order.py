"""Orders: what we ask PayPal to begin, and where its answer sends the payer."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from babel.core import get_global

from api.gateways.paypal import amounts
from api.gateways.paypal.reading import Json, links, text
from models.gateway import GatewayProblem

if TYPE_CHECKING:
    from models.gateway import PaymentOrder

#: How long a payer may take to approve, and how long that can be captured then (Orders v2; PayPal's
#: account managers can make it more).
APPROVAL_TIME: Final = timedelta(hours=3)
CAPTURE_TIME: Final = timedelta(hours=3)
#: How long PayPal knows the PayPal-Request-Id of an order.
REMEMBERED: Final = timedelta(hours=6)

_LOCALE: Final = re.compile(r"[a-z]{2}-[A-Z]{2}", re.ASCII)


def request(order: PaymentOrder, brand: str) -> Json:
    """The body that creates an order. The same each time, since PayPal compares."""
    return {
        "intent": "CAPTURE",
        "purchase_units": [
            {
                "custom_id": order.id,
                "invoice_id": invoice_id(order),
                "description": order.invoice_number,
                "amount": amounts.written(order.amount),
            }
        ],
        "payment_source": {"paypal": {"experience_context": _experience(order, brand)}},
    }


def invoice_id(order: PaymentOrder) -> str:
    """Ours, unique per payment: PayPal captures no second payment with the same one."""
    return f"{order.invoice_number}-{order.id.rpartition('_')[2]}"


def _experience(order: PaymentOrder, brand: str) -> dict[str, Any]:
    optional = {
        "brand_name": brand[:127],
        "locale": locale(order.locale),
        "return_url": order.return_url,
        "cancel_url": order.return_url,
    }
    return {
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
        # No payment that stays pending for days where it can be helped.
        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
        **{name: value for name, value in optional.items() if value},
    }


def locale(tag: str) -> str:
    """`tag` (BCP 47) in the five characters that PayPal knows: `ja-JP`; empty where it has none."""
    parts = tag.replace("_", "-").split("-")
    likely = str(get_global("likely_subtags").get(parts[0], "")).split("_")
    regions = [part for part in (*parts[1:], *likely[1:]) if re.fullmatch(r"[A-Z]{2}", part)]
    found = f"{parts[0]}-{regions[0]}" if regions else ""
    return found if _LOCALE.fullmatch(found) else ""


def approval_url(order: Json) -> str:
    """Where the payer approves. Raises GatewayProblem."""
    url = next(links(order, "payer-action", "approve"), "")
    if urlsplit(url).scheme not in {"https", "http"}:
        raise GatewayProblem("PayPal returned no approval URL")
    return url


def is_approved(order: Json) -> bool:
    """Whether the payer has agreed, and the money has not been taken."""
    return text(order, "status") == "APPROVED"


def request_id(order: PaymentOrder, operation: str, state: str = "") -> str:
    """Makes asking twice asking once: the same for the same operation in the same `state`."""
    mark = f"-{hashlib.sha256(state.encode()).hexdigest()[:16]}" if state else ""
    return f"{order.id}-{operation}{mark}"
