"""Payments and refunds as our side asks for them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from models.gateway import PaymentOrder, RefundOrder
from models.money import Money
from tests.support.gateways.contract import order

if TYPE_CHECKING:
    from api.gateways.paypal.gateway import PayPalGateway
    from tests.support.paypal.fake import FakePayPal

USD: Final = Money(2500, "USD")
RETURN_URL: Final = "https://credit.example/return"


async def begun(gateway: PayPalGateway, amount: Money = USD) -> PaymentOrder:
    """A payment that the payer has been sent to PayPal with."""
    asked = order(amount, return_url=RETURN_URL)
    started = await gateway.start(asked)
    return replace(asked, gateway_ref=started.gateway_ref)


async def approved(gateway: PayPalGateway, fake: FakePayPal, amount: Money = USD) -> PaymentOrder:
    """One that the payer has agreed to."""
    asked = await begun(gateway, amount)
    fake.back_office.approve(asked.gateway_ref)
    return asked


async def captured(gateway: PayPalGateway, fake: FakePayPal, amount: Money = USD) -> PaymentOrder:
    """One that has been paid."""
    asked = await approved(gateway, fake, amount)
    await gateway.fetch(asked)
    return asked


def refund_order(fake: FakePayPal, asked: PaymentOrder, minor: int = 1000) -> RefundOrder:
    """What we would ask to be given back."""
    capture = fake.back_office.captured(asked.id)["id"]
    amount = Money(minor, asked.amount.currency)
    return RefundOrder(f"rfd_{secrets.token_hex(16)}", asked, capture, amount)
