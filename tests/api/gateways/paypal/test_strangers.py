"""What anybody may send: it costs PayPal, and us, no more than a few questions a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.gateways.paypal import allowance
from models.gateway import GatewayUnreachable, MessageRefused, SignatureRefused, sender
from tests.support.paypal.orders import captured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.gateways.paypal.gateway import PayPalGateway
    from tests.support.paypal.fake import FakePayPal

Message = tuple[dict[str, str], bytes]


class Clock:
    """What `time.monotonic` says."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(allowance, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _from_one_address() -> Iterator[None]:
    token = sender.set("203.0.113.7")
    yield
    sender.reset(token)


async def genuine(gateway: PayPalGateway, fake: FakePayPal) -> Message:
    paid = await captured(gateway, fake)
    return fake.signer.message("PAYMENT.CAPTURE.COMPLETED", fake.back_office.captured(paid.id))


def unsigned(fake: FakePayPal, certificate: str = "") -> Message:
    headers, body = fake.signer.message("PAYMENT.CAPTURE.COMPLETED", {"id": "1"})
    headers |= {"paypal-transmission-sig": "A" * 344}
    headers["paypal-cert-url"] += certificate
    return headers, body + b" "  # not what PayPal has sent


async def flood(gateway: PayPalGateway, fake: FakePayPal, messages: int) -> list[str]:
    """So many messages, each with a certificate of its own; how each was answered."""
    answers = []
    for number in range(messages):
        try:
            await gateway.parse_message(*unsigned(fake, f"-{number}"))
        except (MessageRefused, GatewayUnreachable) as problem:
            answers.append(type(problem).__name__)
    return answers


async def test_certificates_that_strangers_name_are_fetched_a_few_times_a_minute(
    gateway: PayPalGateway, fake: FakePayPal, clock: Clock
) -> None:
    answers = await flood(gateway, fake, 50)
    assert answers == ["SignatureRefused"] * 6 + ["GatewayUnreachable"] * 44
    assert fake.asked == ["certificate"] * 6
    clock.seconds += 61
    await gateway.parse_message(*await genuine(gateway, fake))


async def test_who_floods_us_takes_nothing_from_the_others(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    await flood(gateway, fake, 50)
    token = sender.set("198.51.100.1")
    assert await gateway.parse_message(*await genuine(gateway, fake))
    sender.reset(token)


async def test_a_network_is_one_sender_and_all_together_have_a_limit(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    for number in range(20):
        token = sender.set(f"2001:db8::{number}")
        await flood(gateway, fake, 5)
        sender.reset(token)
    assert len(fake.asked) <= 6
    for number in range(20):
        token = sender.set(f"2001:db8:0:{number}::1")
        await flood(gateway, fake, number + 10)
        sender.reset(token)
    assert len(fake.asked) <= 30


async def test_with_a_certificate_that_is_known_nobody_is_shut_out(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    await gateway.parse_message(*await genuine(gateway, fake))
    await flood(gateway, fake, 50)
    assert await gateway.parse_message(*await genuine(gateway, fake))


async def test_a_certificate_that_paypal_does_not_have_is_looked_for_once(
    gateway: PayPalGateway, fake: FakePayPal, clock: Clock
) -> None:
    for _ in range(4):
        with pytest.raises(SignatureRefused, match="no such certificate"):
            await gateway.parse_message(*unsigned(fake, "-none"))
    assert fake.asked == ["certificate"]
    clock.seconds += 601
    with pytest.raises(SignatureRefused, match="no such certificate"):
        await gateway.parse_message(*unsigned(fake, "-none"))
    assert fake.asked == ["certificate"] * 2


async def test_paypal_is_asked_about_a_transmission_once_where_it_says_no(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.certificate = b"<html>"
    message = unsigned(fake)
    for _ in range(4):
        with pytest.raises(SignatureRefused):
            await gateway.parse_message(*message)
    assert [one for one in fake.asked if one != "token"] == ["certificate", "verify"]


async def test_paypal_is_asked_about_a_few_messages_a_minute(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.certificate = b"<html>"
    for _ in range(50):
        with pytest.raises((SignatureRefused, GatewayUnreachable)):
            await gateway.parse_message(*unsigned(fake))
    assert len([one for one in fake.asked if one != "token"]) == 6


@pytest.mark.parametrize("change", ["id", "time", "signature", "body", "no id"])
async def test_what_can_be_seen_at_once_makes_nobody_ask(
    gateway: PayPalGateway, fake: FakePayPal, change: str
) -> None:
    headers, body = unsigned(fake)
    changed = {
        "id": ({**headers, "paypal-transmission-id": "a|b"}, body),
        "time": ({**headers, "paypal-transmission-time": "2020-01-01T00:00:00Z"}, body),
        "signature": ({**headers, "paypal-transmission-sig": "AAAA"}, body),
        "body": (headers, b"no JSON"),
        "no id": (headers, b'{"event_type": "PAYMENT.CAPTURE.COMPLETED"}'),
    }
    with pytest.raises(MessageRefused):
        await gateway.parse_message(*changed[change])
    assert fake.asked == []


async def test_a_transmission_that_named_what_is_not_there_rests_for_a_minute(
    gateway: PayPalGateway, fake: FakePayPal, clock: Clock
) -> None:
    message = fake.signer.message("PAYMENT.CAPTURE.COMPLETED", {"id": "4L335234718889942"})
    for _ in range(3):
        with pytest.raises(MessageRefused):
            await gateway.parse_message(*message)
    assert fake.asked.count("read_capture") == 1
    clock.seconds += 61
    with pytest.raises(MessageRefused):
        await gateway.parse_message(*message)
    assert fake.asked.count("read_capture") == 2


def test_what_is_remembered_does_not_pile_up(clock: Clock) -> None:
    names = allowance.remembered(60)
    for number in range(5000):
        names[str(number)] = True
    assert ("0" in names, "4999" in names, len(names)) == (False, True, 1000)
    clock.seconds += 60
    assert "4999" not in names
