"""The Stripe tests ask a pretended Stripe; whatever they ask is checked against the SDK's types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from stripe._stripe_service import StripeService

from tests.support.stripe import contracts
from tests.support.stripe.fake import FakeStripe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    """In the end Stripe's own classes have nothing against what it answered."""
    stripe = FakeStripe()
    yield stripe
    assert stripe.faults == []


@pytest.fixture(autouse=True)
def refereed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request of every test is one that Stripe's API has."""
    send: Callable[..., Awaitable[Any]] = StripeService._request_async

    async def checked(self: Any, method: str, url: str, **how: Any) -> Any:
        contracts.check(method, url, how.get("params"))
        return await send(self, method, url, **how)

    monkeypatch.setattr(StripeService, "_request_async", checked)
