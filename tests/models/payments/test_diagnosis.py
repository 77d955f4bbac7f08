"""A try that is declined is said, and is not the end."""

from __future__ import annotations

import pytest

from models.gateway import EventKind as Kind
from models.gateway import GatewayEvent
from models.payments.diagnosis import diagnose
from tests.support.factories import a_client, captured, event, now, tell
from tests.support.providers import key

pytestmark = pytest.mark.usefixtures("provider")


async def test_a_declined_try_is_said_and_the_payment_waits_on() -> None:
    ada = await a_client()
    bill = await ada.funds()
    begun = await ada.begin(bill)
    no = GatewayEvent(key(), Kind.DECLINED, begun.public_id, failure="insufficient_funds")
    await tell(begun, no)
    waiting = await now(begun)
    assert (waiting.status, waiting.failure) == ("REQUIRES_ACTION", "insufficient_funds")
    assert waiting.next_action is not None
    found = diagnose(await now(bill), [waiting])
    assert (found.stage, found.reason) == ("AWAITING_CLIENT", "declined")
    await tell(begun, captured(begun))
    paid = await now(begun)
    assert (paid.status, paid.failure) == ("SUCCEEDED", None)


async def test_a_try_that_is_told_too_late_changes_nothing() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds())
    await tell(begun, event(begun, Kind.PROCESSING), event(begun, Kind.DECLINED))
    assert ((await now(begun)).status, (await now(begun)).failure) == ("PROCESSING", None)
    await tell(begun, captured(begun), event(begun, Kind.DECLINED))
    assert (await now(begun)).failure is None
