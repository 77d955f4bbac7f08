"""A PayPal of the test's own, and our gateway to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from api.gateways.paypal.gateway import PayPalGateway
from api.gateways.paypal.merchant import Merchant
from tests.support.paypal.fake import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, FakePayPal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fake() -> Iterator[FakePayPal]:
    """In the end PayPal's contract has nothing against what was said."""
    paypal = FakePayPal()
    yield paypal
    assert paypal.faults == []


@pytest.fixture
def merchant(fake: FakePayPal) -> Merchant:
    return Merchant(CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, fake.url, (fake.url,))


@pytest.fixture
def gateway(fake: FakePayPal, merchant: Merchant) -> PayPalGateway:
    return PayPalGateway(merchant, "Kaze Hosting", transport=httpx.ASGITransport(fake.app))
