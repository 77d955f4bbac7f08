"""What is due is sent at least once, to whoever may know, and a slow endpoint delays no other."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from models.access.api_key import revoke_key
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.edge import registered_query
from models.errors import Busy
from models.journal.command import run
from models.mail.outgoing import MailKind, OutgoingMail
from models.partners import sending
from models.partners.attempt import Outcome
from models.partners.endpoint import DisabledReason, WebhookEndpoint
from models.partners.manage import RotateWebhookSecret
from models.partners.resend import SendTestEvent
from tests.support.factories import a_client
from tests.support.providers import key, wire_provider
from tests.support.webhooks import (
    BROKEN,
    SCOPES,
    NoAnswers,
    Receiver,
    a_partner,
    an_endpoint,
    as_it_is,
    attempts_of,
    deliveries_of,
    heard,
    published,
    sent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.partners.manage import GivenEndpoint
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")

GONE = Outcome(7, 410, "HTTP 410 Gone")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - it is others' work that is waited for
            await asyncio.sleep(0.001)


async def waiting(count: int = 1) -> GivenEndpoint:
    """An endpoint for which so many events wait."""
    client = await a_client()
    given = await an_endpoint(await a_partner([client.id]), "credit.changed")
    for _ in range(count):
        await client.given(100)
    await published()
    return given


async def test_a_message_says_what_happened_and_is_signed() -> None:
    client, receiver = await a_client(), Receiver()
    given = await an_endpoint(await a_partner([client.id]), "credit.*")
    line = await client.given(100)
    await published()
    await sent(given, receiver)
    [message] = receiver.messages
    assert given.secret is not None
    told = message.verified(given.secret)
    assert list(told) == [
        *("id", "type", "timestamp", "accountId", "externalId", "sequence", "subjectId", "data")
    ]
    assert (told["id"], told["type"]) == (message.id, "credit.changed")
    assert (told["accountId"], told["subjectId"]) == (client.account.public_id, line.public_id)
    assert (told["externalId"], told["data"]) == (None, None)
    assert told["sequence"] >= 1
    [one] = await deliveries_of(given)
    [attempt] = await attempts_of(one)
    assert (one.state, one.next_at, one.leased_until_at) == ("DELIVERED", None, None)
    assert (attempt.status, attempt.problem) == (200, None)


async def test_all_that_happens_arrives_in_order_and_once() -> None:
    client = await a_client()
    given = await an_endpoint(await a_partner([client.id]))
    await client.given(5000)
    await client.spend(await client.order(2500))
    told = await heard(given)
    assert [one["sequence"] for one in told] == sorted({one["sequence"] for one in told})
    assert {"credit.changed", "invoice.issued", "invoice.paid"} <= {one["type"] for one in told}
    assert await heard(given) == []


async def test_what_failed_is_sent_again_with_the_same_id_and_body_and_a_fresh_signature(
    at: At,
) -> None:
    given, receiver = await waiting(), Receiver(BROKEN)
    assert await sent(given, receiver) == 1
    assert await sent(given, receiver) == 0
    at(timedelta(seconds=7))
    receiver.answer = Outcome(5, 204)
    assert await sent(given, receiver) == 1
    first, second = receiver.messages
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    [one] = await deliveries_of(given)
    assert [each.status for each in await attempts_of(one)] == [500, 204]
    assert (await attempts_of(one))[0].answer == "oops"
    assert (await as_it_is(given)).failing_since_at is None


async def test_attempts_are_made_for_three_days_with_growing_gaps_and_then_the_endpoint_is_disabled(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired = wire_provider(monkeypatch)
    wire_provider(monkeypatch, seller=type(wired.seller)(name="Us", email="desk@example.com"))
    given, receiver = await waiting(), Receiver(BROKEN)
    began, gaps = now(), []
    moment = began
    while (await as_it_is(given)).enabled:
        assert await sent(given, receiver) == 1
        [one] = await deliveries_of(given)
        if one.next_at is not None:
            gaps.append(one.next_at - moment)
            moment = one.next_at
            at(moment + timedelta(milliseconds=1))
    assert timedelta(seconds=5) <= gaps[0] <= timedelta(seconds=8)
    # The last of them ends when three days are over.
    assert all(a < b for a, b in pairwise(gaps[:-1]))
    assert timedelta(days=3) <= now() - began <= timedelta(days=3, minutes=1)
    endpoint = await as_it_is(given)
    assert endpoint.disabled_reason == "FAILING"
    letter = await OutgoingMail.get(kind=MailKind.WEBHOOK_FAILING.value)
    assert letter.recipient == "desk@example.com"
    assert letter.facts["endpoint"] == endpoint.public_id
    receiver.answer = Outcome(5, 200)
    assert await sent(given, receiver) == 0


async def test_an_endpoint_that_is_gone_is_disabled_at_once() -> None:
    given = await waiting(2)
    assert await sent(given, Receiver(GONE)) == 1
    assert (await as_it_is(given)).disabled_reason == "GONE"
    assert [one.state for one in await deliveries_of(given)] == ["FAILED", "PENDING"]


async def test_what_happens_while_an_endpoint_is_disabled_does_not_wait_for_it() -> None:
    client = await a_client()
    given = await an_endpoint(await a_partner([client.id]))
    await disabled(given)
    await client.given(100)
    await published()
    assert await deliveries_of(given) == []


async def disabled(given: GivenEndpoint) -> None:
    reason = DisabledReason.REQUESTED
    await transaction(lambda: sending.disable(given.endpoint.id, reason))


async def test_a_failing_endpoint_does_not_use_up_more_than_one_attempt_at_once(at: At) -> None:
    given, receiver = await waiting(6), Receiver(BROKEN)
    await sending.send_next(given.endpoint.id, receiver, NoAnswers())
    at(timedelta(seconds=10))
    receiver.held, receiver.most_under_way = asyncio.Event(), 0
    lanes = [
        asyncio.create_task(sending.send_next(given.endpoint.id, receiver, NoAnswers()))
        for _ in range(5)
    ]
    await until(lambda: receiver.under_way > 0 and sum(lane.done() for lane in lanes) == 4)
    receiver.held.set()
    assert sorted(await asyncio.gather(*lanes)) == [False] * 4 + [True]
    assert receiver.most_under_way == 1


async def test_one_endpoint_is_called_four_times_at_once_at_most_however_many_workers() -> None:
    given, receiver = await waiting(9), Receiver(held=asyncio.Event())
    lanes = [
        asyncio.create_task(sending.send_next(given.endpoint.id, receiver, NoAnswers()))
        for _ in range(8)
    ]
    await until(lambda: receiver.under_way == 4 and sum(lane.done() for lane in lanes) == 4)
    assert receiver.held is not None
    receiver.held.set()
    assert sum(await asyncio.gather(*lanes)) == 4
    assert receiver.most_under_way == 4
    assert len({message.id for message in receiver.messages}) == 4


async def test_many_workers_at_once_send_each_message_once() -> None:
    given = await waiting(12)
    receivers = [Receiver() for _ in range(4)]
    while any(await asyncio.gather(*(sent(given, one) for one in receivers))):
        pass
    ids = [message.id for one in receivers for message in one.messages]
    assert len(ids) == len(set(ids)) == 12
    assert {one.state for one in await deliveries_of(given)} == {"DELIVERED"}


async def test_what_a_killed_worker_had_in_hand_is_sent_by_the_next(at: At) -> None:
    class Killed(BaseException):
        pass

    given, receiver = await waiting(), Receiver(trouble=Killed())
    with pytest.raises(Killed):
        await sent(given, receiver)
    receiver.trouble = None
    assert await sent(given, receiver) == 0
    at(timedelta(minutes=1))
    assert await sent(given, receiver) == 1
    first, second = receiver.messages
    assert (first.id, first.body) == (second.id, second.body)


async def test_a_worker_that_took_too_long_does_not_undo_what_the_next_has_done(at: At) -> None:
    given, slow, quick = await waiting(), Receiver(BROKEN, held=asyncio.Event()), Receiver()
    late = asyncio.create_task(sending.send_next(given.endpoint.id, slow, NoAnswers()))
    await until(lambda: slow.under_way > 0)
    at(timedelta(minutes=1))
    assert await sent(given, quick) == 1
    assert slow.held is not None
    slow.held.set()
    await late
    [one] = await deliveries_of(given)
    assert one.state == "DELIVERED"
    assert sorted(str(each.status) for each in await attempts_of(one)) == ["200", "500"]


async def test_two_secrets_sign_while_one_is_rotated_out(at: At) -> None:
    client, receiver = await a_client(), Receiver()
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    new = await run(RotateWebhookSecret(given.endpoint.id, 24), partner, key())
    await client.given(100)
    await published()
    await sent(given, receiver)
    message = receiver.fetched()[0]
    assert given.secret is not None
    assert new.secret is not None
    assert given.secret != new.secret
    assert message.verified(given.secret) == message.verified(new.secret)
    at(timedelta(hours=25))
    await client.given(100)
    await published()
    await sent(given, receiver)
    signatures = receiver.fetched()[0].headers["webhook-signature"].split()
    assert len(signatures) == 1


async def test_a_secret_that_is_given_up_at_once_signs_nothing_any_more() -> None:
    client, receiver = await a_client(), Receiver()
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    await run(RotateWebhookSecret(given.endpoint.id, 0), partner, key())
    await client.given(100)
    await published()
    await sent(given, receiver)
    assert len(receiver.messages[0].headers["webhook-signature"].split()) == 1


async def test_with_another_secret_key_nothing_is_signed_and_nobody_is_blamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, receiver = await waiting(), Receiver()
    wire_provider(monkeypatch, secret=b"t" * 32)
    await sent(given, receiver)
    assert receiver.messages == []
    [one] = await deliveries_of(given)
    assert "rotate" in str((await attempts_of(one))[0].problem)
    assert (await as_it_is(given)).failing_since_at is None


async def test_a_revoked_key_ends_its_endpoint_before_another_word_is_said() -> None:
    given, receiver = await waiting(3), Receiver()
    await sending.send_next(given.endpoint.id, receiver, NoAnswers())
    await revoke_key(given.endpoint.line_id)
    assert await sent(given, receiver) == 0
    assert len(receiver.messages) == 1
    assert await sending.disable_ended() >= 1
    assert (await as_it_is(given)).disabled_reason == "KEY_ENDED"
    assert await sending.disable_ended() == 0


async def test_what_a_key_may_not_see_any_more_is_not_sent(at: At) -> None:
    given, receiver = await waiting(2), Receiver(BROKEN)
    scopes = "UPDATE api_key SET scopes = $2 WHERE id = $1"
    await sql.execute(scopes, given.endpoint.line_id, "webhooks:manage")
    await sent(given, receiver)
    assert receiver.messages == []
    assert {one.state for one in await deliveries_of(given)} == {"FAILED"}
    at(timedelta(days=5))
    assert await sent(given, receiver) == 0
    # No key loses a scope; the audit would tell of what it was to be told with.
    await sql.execute(scopes, given.endpoint.line_id, " ".join(SCOPES))


async def test_a_body_that_is_made_already_is_not_sent_to_who_may_not_see_it_any_more(
    at: At,
) -> None:
    given, receiver = await waiting(), Receiver(BROKEN)
    await sent(given, receiver)
    assert len(receiver.messages) == 1
    scopes = "UPDATE api_key SET scopes = $2 WHERE id = $1"
    await sql.execute(scopes, given.endpoint.line_id, "webhooks:manage")
    at(timedelta(minutes=10))
    await sent(given, receiver)
    assert len(receiver.messages) == 1
    assert {one.state for one in await deliveries_of(given)} == {"FAILED"}
    await sql.execute(scopes, given.endpoint.line_id, " ".join(SCOPES))


async def test_a_url_that_was_allowed_in_demo_mode_is_not_called_outside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch, webhooks_to_loopback=True)
    client, receiver = await a_client(), Receiver()
    given = await an_endpoint(await a_partner([client.id]), url="http://127.0.0.1:9/in")
    await client.given(100)
    await published()
    wire_provider(monkeypatch)
    await sent(given, receiver)
    assert receiver.messages == []


async def test_a_message_that_cannot_be_made_now_is_made_later(at: At) -> None:
    client, receiver = await a_client(), Receiver()
    answers = NoAnswers(trouble=RuntimeError("away"))
    await registered_query.register({"told": "query ($event: ID!) { node(id: $event) { id } }"})
    given = await an_endpoint(await a_partner([client.id]), "credit.changed", document="told")
    await client.given(100)
    await published()
    await sent(given, receiver, answers)
    assert receiver.messages == []
    assert (await as_it_is(given)).failing_since_at is None
    answers.trouble, answers.answer = None, {"node": {"amount": "1.00"}}
    at(timedelta(seconds=10))
    await sent(given, receiver, answers)
    [message] = receiver.messages
    assert message.told["data"] == {"node": {"amount": "1.00"}}
    assert [event for _, event, _ in answers.asked] == [message.id] * 2
    assert answers.asked[0][2].line_id == given.endpoint.line_id


async def test_that_we_are_busy_costs_a_message_no_attempt() -> None:
    client, receiver = await a_client(), Receiver()
    answers = NoAnswers({"node": None}, trouble=Busy())
    await registered_query.register({"told": "query ($event: ID!) { node(id: $event) { id } }"})
    given = await an_endpoint(await a_partner([client.id]), "credit.changed", document="told")
    await client.given(100)
    await published()
    for _ in range(12):  # more often than an endpoint is tried
        with pytest.raises(Busy):
            await sent(given, receiver, answers)
    [delivery] = await deliveries_of(given)
    assert (delivery.tries, delivery.leased_until_at, await attempts_of(delivery)) == (0, None, [])
    answers.trouble = None
    await sent(given, receiver, answers)
    assert len(receiver.messages) == 1


async def test_a_test_is_sent_once_and_blames_nobody() -> None:
    client, receiver = await a_client(), Receiver(BROKEN)
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    [made] = await run(SendTestEvent(given.endpoint.id), partner, key())
    await sent(given, receiver)
    [message] = receiver.messages
    assert message.told["type"] == "webhook.test"
    assert message.id == message.told["id"] == made.public_id
    assert {message.told[name] for name in ("accountId", "sequence", "subjectId", "data")} == {None}
    [one] = await deliveries_of(given)
    assert one.state == "FAILED"
    assert (await as_it_is(given)).failing_since_at is None


async def test_a_partner_is_told_what_they_themselves_call_the_account() -> None:
    client = await a_client()
    partner, other = await a_partner([client.id]), await a_partner([client.id])
    await transaction(
        lambda: sql.execute(
            "UPDATE account SET partner_id = $1, external_id = 'C-1' WHERE id = $2",
            partner.user_id,
            client.id,
        )
    )
    own, theirs = await an_endpoint(partner), await an_endpoint(other)
    await client.given(100)
    assert {one["externalId"] for one in await heard(own)} == {"C-1"}
    assert {one["externalId"] for one in await heard(theirs)} == {None}


async def test_secrets_are_stored_nowhere_as_they_are() -> None:
    given = await an_endpoint(await a_partner())
    assert given.secret is not None
    for table in ("webhook_endpoint", "audit_entry", "idempotency_key"):
        assert given.secret not in repr(await sql.fetch(f"SELECT * FROM {table}"))
    assert (await WebhookEndpoint.get(id=given.endpoint.id)).secrets(now()) == [given.secret]
