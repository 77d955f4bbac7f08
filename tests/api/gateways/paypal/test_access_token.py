"""The access token: fetched once for all, renewed in time, and shown to nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from api.gateways.paypal.gateway import PayPalGateway
from models.gateway import EventKind, GatewayProblem
from tests.support.gateways.contract import order
from tests.support.paypal.fake import CLIENT_SECRET
from tests.support.paypal.orders import USD, approved, begun

if TYPE_CHECKING:
    from api.gateways.paypal.merchant import Merchant
    from tests.support.paypal.fake import FakePayPal


async def test_one_token_serves_all_requests_and_is_fetched_once(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    await asyncio.gather(*(gateway.start(order(USD)) for _ in range(5)))
    assert fake.asked.count("token") == 1


async def test_a_token_that_expires_on_the_way_is_renewed_once_for_all(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    waiting = [await approved(gateway, fake) for _ in range(3)]
    fake.expire_tokens()
    told = await asyncio.gather(*(gateway.fetch(asked) for asked in waiting))
    assert [event.kind for [event] in told] == [EventKind.CAPTURED] * 3
    assert fake.asked.count("token") == 2


async def test_a_token_is_renewed_before_it_expires(
    gateway: PayPalGateway, fake: FakePayPal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await begun(gateway)
    monkeypatch.setattr("api.gateways.paypal.access_token._MARGIN_SECONDS", 40_000.0)
    gateway._client._connections.token._good_until = 0.0
    await gateway.fetch(asked)
    await gateway.fetch(asked)
    assert fake.asked.count("token") == 3


async def test_wrong_credentials_name_the_settings_and_show_no_secret(
    fake: FakePayPal, merchant: Merchant, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(merchant, client_secret=f"{CLIENT_SECRET}-not")
    gateway = PayPalGateway(wrong, transport=httpx.ASGITransport(fake.app))
    with pytest.raises(GatewayProblem, match="PAYPAL_CLIENT_SECRET") as raised:
        await gateway.start(order(USD))
    logged = capsys.readouterr()
    assert "PAYPAL_CLIENT_ID" in logged.out + logged.err
    assert CLIENT_SECRET not in f"{raised.value!r} {wrong!r} {logged.out} {logged.err}"
    await gateway.close()
