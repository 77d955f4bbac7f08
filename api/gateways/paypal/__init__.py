"""PayPal: checkout by redirect (Orders v2), refunds (Payments v2), disputes and signed webhooks.

https://developer.paypal.com/docs/api/orders/v2/ is what the requests and answers follow. Nothing
here imports what it needs before it is known that PayPal is configured: that takes long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.gateways.fee import Fee
from api.gateways.paypal.merchant import Merchant

if TYPE_CHECKING:
    from api.gateways.paypal.gateway import PayPalGateway
    from api.settings.settings import Settings


def from_settings(settings: Settings) -> PayPalGateway | None:
    """The gateway; None without PAYPAL_CLIENT_ID. Raises ValueError, a sentence, where it is half
    done.
    """
    merchant = Merchant.from_settings(settings)
    if merchant is None:
        return None
    from api.gateways.paypal.gateway import PayPalGateway  # noqa: PLC0415 - see the module

    fee = Fee.from_settings(settings, PayPalGateway.code)
    return PayPalGateway(merchant, settings.seller.name, fee)
