"""PayPal: checkout by redirect (Orders v2), refunds (Payments v2), disputes and signed webhooks.

https://developer.paypal.com/docs/api/orders/v2/ is what the requests and answers follow.
"""

from api.gateways.paypal.gateway import PayPalGateway

__all__ = ["PayPalGateway"]
