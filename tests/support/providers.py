"""A provider whose gateways do as they are told, for tests of the domain."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from models.db import record
from models.gateway import (
    EventKind,
    GatewayEvent,
    GatewayKind,
    PaymentOrder,
    Redirect,
    RefundOrder,
    Started,
)
from models.money import Money
from models.provider import provider
from models.provider.provider import CreditPolicy, Limits, Provider
from models.provider.seller import Seller

if TYPE_CHECKING:
    import pytest

VERSION: Final = "2026-01"
_numbers = count(1)


def key() -> str:
    """A text that nobody has used: a key, a reference, an event id."""
    return f"made-{next(_numbers)}-{record.new_id().hex[-8:]}"


class Fake:
    """A gateway that does as it is told."""

    currencies = frozenset({"USD", "JPY", "KWD"})
    refunds = True

    def __init__(self, code: str, kind: GatewayKind = GatewayKind.CARD, fee: int = 0) -> None:
        self.code, self.kind, self.fee_minor = code, kind, fee
        self.orders: list[PaymentOrder] = []
        self.refunded: list[RefundOrder] = []
        self.refunds_are = EventKind.REFUNDED
        self.trouble: BaseException | None = None
        self.events: list[GatewayEvent] = []
        self.expires_at: Any = None

    def name(self, locale: str) -> str:
        return f"{self.code} {locale}"

    def minimum(self, currency: str) -> Money | None:
        return Money(500, currency)

    def maximum(self, currency: str) -> Money | None:
        return Money(1_000_000, currency)

    def fee(self, amount: Money) -> Money:
        return Money(self.fee_minor, amount.currency)

    async def start(self, order: PaymentOrder) -> Started:
        self.orders.append(order)
        if self.trouble is not None:
            raise self.trouble
        return Started(f"at-{order.id}", Redirect("https://pay.example.com/"), self.expires_at)

    async def parse_message(self, headers: Any, body: bytes) -> list[GatewayEvent]:
        raise NotImplementedError

    async def fetch(self, order: PaymentOrder) -> list[GatewayEvent]:
        return [event for event in self.events if event.payment == order.id]

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        return await self.fetch(order) or [GatewayEvent(key(), EventKind.CANCELED, order.id)]

    async def refund(self, order: RefundOrder) -> list[GatewayEvent]:
        self.refunded.append(order)
        if self.trouble is not None:
            raise self.trouble
        reference = f"re-{order.id}"
        return [
            GatewayEvent(
                key(), self.refunds_are, order.payment.id, reference, order.amount, refund=order.id
            )
        ]


def wire_provider(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Provider:
    """Wire a provider: three currencies, cards without and with a fee, and bank transfer."""
    limit = {c: Limits(Money(500, c), Money(50_000, c)) for c in ("USD", "JPY", "KWD")}
    gateways = [Fake("card"), Fake("paid-card", fee=30), Fake("bank", GatewayKind.BANK_TRANSFER)]
    wired = Provider(
        secret=b"s" * 32,
        policy=CreditPolicy(VERSION, "https://example.com/policy"),
        limits=limit,
        gateways={gateway.code: gateway for gateway in gateways},
        seller=Seller("Example"),
        return_origins=frozenset({"https://portal.example.com"}),
    )
    monkeypatch.setattr(provider, "_provider", replace(wired, **changes))
    return provider.provider()


def gateway(code: str = "card") -> Fake:
    fake = provider.provider().gateways[code]
    assert isinstance(fake, Fake)
    return fake
