"""What is sent again: one delivery, all since an event, a test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from models.db import sql
from models.db.record import new_id, public_id
from models.errors import Forbidden, Invalid, NotAllowed, NotFound
from models.journal.command import run
from models.journal.outbox import Event
from models.partners import resend
from models.partners.resend import ResendWebhooks, SendTestEvent
from tests.support.factories import STAFF, a_client
from tests.support.providers import key
from tests.support.webhooks import (
    BROKEN,
    Receiver,
    a_partner,
    an_endpoint,
    deliveries_of,
    published,
    sent,
)

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.partners.delivery import WebhookDelivery
    from models.partners.manage import GivenEndpoint
    from tests.support.factories import Client

pytestmark = pytest.mark.usefixtures("provider")


async def told(count: int, *events: str) -> tuple[Client, Actor, GivenEndpoint, Receiver]:
    """An endpoint that has had so many changes of a balance."""
    client, receiver = await a_client(), Receiver()
    partner = await a_partner([client.id])
    given = await an_endpoint(partner, *events)
    for _ in range(count):
        await client.given(100)
    await published()
    await sent(given, receiver)
    return client, partner, given, receiver


async def again(
    given: GivenEndpoint, by: Actor, one: WebhookDelivery | None = None, after: str | None = None
) -> list[WebhookDelivery]:
    command = ResendWebhooks(given.endpoint.id, None if one is None else one.id, after)
    return await run(command, by, key())


async def test_one_delivery_is_sent_again_as_it_was() -> None:
    _, partner, given, receiver = await told(2)
    first, _ = receiver.fetched()
    one = (await deliveries_of(given))[0]
    [resent] = await again(given, partner, one)
    assert (resent.id, resent.state) == (one.id, "PENDING")
    await sent(given, receiver)
    [message] = receiver.messages
    assert (message.id, message.body) == (first.id, first.body)
    assert len(await deliveries_of(given)) == 2


async def test_a_delivery_that_was_given_up_has_all_its_attempts_again() -> None:
    _, partner, given, receiver = await told(1)
    one = (await deliveries_of(given))[0]
    await sql.execute(
        "UPDATE webhook_delivery SET state = 'FAILED', tries = 10 WHERE id = $1", one.id
    )
    await again(given, partner, one)
    receiver.answer = BROKEN
    await sent(given, receiver)
    [one] = await deliveries_of(given)
    assert (one.state, one.tries) == ("PENDING", 1)


async def test_all_since_an_event_are_sent_again_and_those_that_were_missed() -> None:
    client, partner, given, receiver = await told(3)
    first, *later = receiver.fetched()
    await sql.execute(
        "UPDATE webhook_endpoint SET disabled_at = created_at, disabled_reason = 'FAILING'"
        " WHERE id = $1",
        given.endpoint.id,
    )
    await client.given(100)
    await published()
    with pytest.raises(NotAllowed):
        await again(given, partner, after=first.id)
    await sql.execute(
        "UPDATE webhook_endpoint SET disabled_at = NULL, disabled_reason = NULL WHERE id = $1",
        given.endpoint.id,
    )
    resent = await again(given, partner, after=first.id)
    assert len(resent) == 3
    await sent(given, receiver)
    messages = receiver.fetched()
    assert len({message.id for message in messages}) == 3
    assert {message.id for message in messages} > {message.id for message in later}
    assert first.id not in {message.id for message in messages}
    bodies = {message.id: message.body for message in messages}
    assert all(bodies[message.id] == message.body for message in later)


async def test_a_key_sends_once_however_often_it_is_used() -> None:
    _, partner, given, receiver = await told(2)
    receiver.fetched()
    one, again_key = (await deliveries_of(given))[0], key()
    command = ResendWebhooks(given.endpoint.id, one.id, None)
    for _ in range(2):
        [resent] = await run(command, partner, again_key)
        assert resent.id == one.id
        await sent(given, receiver)
    assert len(receiver.messages) == 1


async def test_what_is_under_way_is_sent_again_all_the_same() -> None:
    client, slow = await a_client(), Receiver(BROKEN, held=asyncio.Event())
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    await client.given(100)
    await published()
    late = asyncio.create_task(sent(given, slow))
    async with asyncio.timeout(30):
        while not slow.under_way:  # noqa: ASYNC110 - it is the far side that is waited for
            await asyncio.sleep(0.001)
    [one] = await deliveries_of(given)
    await again(given, partner, one)
    quick = Receiver()
    assert await sent(given, quick) == 1
    assert slow.held is not None
    slow.held.set()
    await late
    [one] = await deliveries_of(given)
    assert one.state == "DELIVERED"


async def test_what_makes_no_sense_is_refused_at_its_field() -> None:
    _, partner, given, _ = await told(1)
    [one] = await deliveries_of(given)
    with pytest.raises(Invalid):
        await again(given, partner)
    with pytest.raises(Invalid):
        await again(given, partner, one, after="evt_1")
    for cursor in ("", "1", "evt_1", public_id("evt", new_id()), public_id("acc", new_id())):
        with pytest.raises(Invalid) as refusal:
            await again(given, partner, after=cursor)
        assert refusal.value.field == ("after",)


async def test_more_events_than_can_be_sent_at_once_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, partner, given, receiver = await told(4)
    monkeypatch.setattr(resend, "EVENTS_MAX", 2)
    with pytest.raises(Invalid) as refusal:
        await again(given, partner, after=receiver.messages[0].id)
    assert (refusal.value.field, refusal.value.problem) == (("after",), "too_many_events")
    assert {one.state for one in await deliveries_of(given)} == {"DELIVERED"}


async def test_what_happens_to_others_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    _, partner, given, receiver = await told(2)
    other = await a_client()
    for _ in range(3):
        await other.given(100)
    await published()
    monkeypatch.setattr(resend, "EVENTS_MAX", 2)
    assert len(await again(given, partner, after=receiver.messages[0].id)) == 1


async def test_nobody_sends_what_is_anothers() -> None:
    _, partner, given, _ = await told(1)
    _, stranger, other, _ = await told(1)
    [one], [theirs] = await deliveries_of(given), await deliveries_of(other)
    for refused in (again(given, stranger, one), again(other, stranger, one)):
        with pytest.raises(NotFound):
            await refused
    with pytest.raises(NotFound):
        await run(SendTestEvent(given.endpoint.id), stranger, key())
    with pytest.raises(Forbidden):
        await again(given, (await a_client()).actor, one)
    [resent] = await again(other, STAFF, theirs)
    assert resent.id == theirs.id
    assert await again(given, partner, one)


async def test_a_resend_tells_nothing_that_the_key_may_not_see() -> None:
    own, other = await a_client(), await a_client()
    partner = await a_partner([own.id])
    given = await an_endpoint(partner, "credit.*")
    before = await Event.filter(position__not_isnull=True).order_by("-position").first()
    for client in (own, other):
        await client.given(100)
    await published()
    assert before is not None
    resent = await again(given, partner, after=before.public_id)
    assert len(resent) == 1
    receiver = Receiver()
    await sent(given, receiver)
    assert {message.told["accountId"] for message in receiver.messages} == {own.account.public_id}


async def test_a_test_that_is_repeated_with_its_key_is_the_same_one() -> None:
    _, partner, given, receiver = await told(0)
    again_key = key()
    one, two = [await run(SendTestEvent(given.endpoint.id), partner, again_key) for _ in range(2)]
    assert one[0].id == two[0].id
    await sent(given, receiver)
    assert [message.told["type"] for message in receiver.messages] == ["webhook.test"]
