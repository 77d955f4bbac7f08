from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from standardwebhooks import Webhook

from api.gateways.sandbox import charges
from api.gateways.sandbox.charge import Charge
from api.gateways.sandbox.gateway import SandboxGateway
from api.gateways.sandbox.messages import Notice, Say
from models.clock import now
from models.edge.sandbox_charge import SandboxCharge
from models.gateway import EventKind, MessageRefused, PaymentOrder, Redirect, SignatureRefused
from models.money import Money
from tests.support.gateways.contract import *  # noqa: F403 - the suite
from tests.support.gateways.contract import Case, order

if TYPE_CHECKING:
    from datetime import datetime

SECRET = f"whsec_{base64.b64encode(b'a secret of 24 bytes ...').decode()}"
OTHER = f"whsec_{base64.b64encode(b'another one of 24 bytes.').decode()}"
CURRENCIES = frozenset({"USD", "JPY", "KWD"})
USD = Money(2500, "USD")


@pytest.fixture
def gateway() -> SandboxGateway:
    return SandboxGateway("https://credit.example", [SECRET], CURRENCIES)


@pytest.fixture
def case(gateway: SandboxGateway, db: str) -> Case:  # noqa: ARG001 - charges are kept in it
    return Case(gateway, USD, lambda asked: signed(captured(asked)), approve)


async def approve(asked: PaymentOrder) -> None:
    charge = await charges.by_payment(asked.id)
    assert charge is not None
    await charges.change(charge, Charge.capture)


def captured(asked: PaymentOrder, **changes: object) -> dict[str, Any]:
    data = {"payment": asked.id, "capture": "cap_1", "amount": "25.00", "currency": "USD"}
    return {"type": "payment.captured", "data": data | changes}


def signed(
    message: object, *, secret: str = SECRET, moment: datetime | None = None, id_: str = "msg_1"
) -> tuple[dict[str, str], bytes]:
    """As any sender that follows Standard Webhooks would."""
    body = message if isinstance(message, bytes) else orjson.dumps(message)
    moment = moment or now()
    text = body.decode(errors="replace")
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, moment, text),
    }
    return headers, body


# ------------------------------------------------------------------------------- signatures


async def test_the_exact_message_of_the_documentation_is_read(gateway: SandboxGateway) -> None:
    asked = order(USD)
    [event] = await gateway.parse_message(*signed(captured(asked), id_="msg_42"))
    assert event.event_id == "msg_42"
    assert event.kind is EventKind.CAPTURED
    assert (event.payment, event.reference, event.amount) == (asked.id, "cap_1", USD)
    assert event.raw == captured(asked)


async def test_its_own_messages_are_genuine(gateway: SandboxGateway) -> None:
    data = {"payment": "pay_1", "capture": "cap_1", "amount": "2500", "currency": "JPY"}
    message = Notice("msg_1", Say.CAPTURED, data, now().isoformat())
    headers, body = gateway.signed(message)
    Webhook(SECRET).verify(body, headers)
    [event] = await gateway.parse_message(headers, body)
    assert event.amount == Money(2500, "JPY")


@pytest.mark.parametrize("seconds", [-310, 310])
async def test_an_old_or_future_message_is_refused(gateway: SandboxGateway, seconds: int) -> None:
    headers, body = signed(captured(order(USD)), moment=now() + timedelta(seconds=seconds))
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(headers, body)


@pytest.mark.parametrize("seconds", [-280, 280])
async def test_clocks_may_differ_by_minutes(gateway: SandboxGateway, seconds: int) -> None:
    headers, body = signed(captured(order(USD)), moment=now() + timedelta(seconds=seconds))
    assert await gateway.parse_message(headers, body)


async def test_the_old_secret_works_while_the_new_one_takes_over() -> None:
    gateway = SandboxGateway("https://credit.example", [OTHER, SECRET], CURRENCIES)
    assert await gateway.parse_message(*signed(captured(order(USD)), secret=SECRET))
    assert await gateway.parse_message(*signed(captured(order(USD)), secret=OTHER))


async def test_one_good_signature_among_several_is_enough(gateway: SandboxGateway) -> None:
    headers, body = signed(captured(order(USD)))
    good = headers["webhook-signature"]
    headers["webhook-signature"] = f"v1a,c29tZXRoaW5n v1,AAAA nonsense , {good} v2,x"
    assert await gateway.parse_message(headers, body)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "١٧٦٤٠٠٠٠٠٠"},
        {"webhook-id": "another"},
        {"webhook-id": "x" * 256},
        {"webhook-id": "a b"},
    ],
)
async def test_a_header_that_is_wrong_makes_a_message_refused(
    gateway: SandboxGateway, change: dict[str, str]
) -> None:
    headers, body = signed(captured(order(USD)))
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(headers | change, body)


async def test_another_version_of_signature_is_no_signature(gateway: SandboxGateway) -> None:
    headers, body = signed(captured(order(USD)))
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(headers, body)


async def test_somebody_elses_secret_is_refused(gateway: SandboxGateway) -> None:
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(*signed(captured(order(USD)), secret=OTHER))


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], ["whsec_not base64"], [SECRET, ""]])
def test_an_empty_or_malformed_secret_refuses_to_start(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="SANDBOX_WEBHOOK_SECRET"):
        SandboxGateway("https://credit.example", secrets, CURRENCIES)


# ------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"type": "payment.captured"}',
        b'{"type": "payment.captured", "data": []}',
        b'{"type": 1, "data": {}}',
        b'{"type": "payment.captured", "data": {}} trailing',
        b"[" * 100_000,
        b'{"type": "payment.captured", "data": {"payment": NaN}}',
        b'{"type": "payment.captured\\u0000", "data": {}}',
        b'{"type": "\\ud800", "data": {}}',
    ],
)
async def test_a_signed_body_that_is_no_message_is_refused(
    gateway: SandboxGateway, body: bytes
) -> None:
    with pytest.raises(MessageRefused) as caught:
        await gateway.parse_message(*signed(body))
    assert not isinstance(caught.value, SignatureRefused)


@pytest.mark.parametrize(
    "change",
    [
        {"payment": None},
        {"payment": 7},
        {"payment": ""},
        {"payment": "x" * 256},
        {"payment": "pay_\0"},
        {"capture": None},
        {"capture": ["cap_1"]},
        {"amount": 25},
        {"amount": 25.0},
        {"amount": None},
        {"amount": "25.000"},
        {"amount": "25.001"},
        {"amount": "-25.00"},
        {"amount": "+25.00"},
        {"amount": "0.00"},
        {"amount": "2.5e1"},
        {"amount": "NaN"},
        {"amount": "Infinity"},
        {"amount": "025.00"},
        {"amount": "25,00"},
        {"amount": "٢٥"},
        {"amount": "9" * 15 + ".00"},
        {"amount": "9" * 300},
        {"currency": "usd"},
        {"currency": "US"},
        {"currency": "XXQ"},
        {"currency": None},
        {"currency": "JPY"},
    ],
)
async def test_a_capture_that_is_not_exact_is_refused(
    gateway: SandboxGateway, change: dict[str, object]
) -> None:
    with pytest.raises(MessageRefused):
        await gateway.parse_message(*signed(captured(order(USD), **change)))


@pytest.mark.parametrize(
    ("amount", "money"),
    [
        ({"amount": "25", "currency": "USD"}, Money(2500, "USD")),
        ({"amount": "25.5", "currency": "USD"}, Money(2550, "USD")),
        ({"amount": "2500", "currency": "JPY"}, Money(2500, "JPY")),
        ({"amount": "1.005", "currency": "KWD"}, Money(1005, "KWD")),
    ],
)
async def test_amounts_are_exact_in_every_currency(
    gateway: SandboxGateway, amount: dict[str, object], money: Money
) -> None:
    [event] = await gateway.parse_message(*signed(captured(order(USD), **amount)))
    assert event.amount == money


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("processing", EventKind.PROCESSING),
        ("failed", EventKind.FAILED),
        ("expired", EventKind.EXPIRED),
    ],
)
async def test_what_moves_no_money_needs_the_payment_alone(
    gateway: SandboxGateway, name: str, kind: EventKind
) -> None:
    message = {"type": f"payment.{name}", "data": {"payment": "pay_1"}}
    [event] = await gateway.parse_message(*signed(message))
    assert (event.kind, event.payment, event.reference, event.amount) == (kind, "pay_1", "", None)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("refunded", "refund"),
        ("disputed", "dispute"),
        ("dispute_won", "dispute"),
        ("dispute_lost", "dispute"),
    ],
)
async def test_refunds_and_disputes_carry_their_own_id(
    gateway: SandboxGateway, name: str, key: str
) -> None:
    message = captured(order(USD)) | {"type": f"payment.{name}"}
    with pytest.raises(MessageRefused):
        await gateway.parse_message(*signed(message))
    message["data"][key] = "own_1"
    [event] = await gateway.parse_message(*signed(message))
    assert (event.kind, event.reference) == (EventKind[name.upper()], "own_1")


@pytest.mark.parametrize(
    "message",
    [
        {"type": "payment.blessed", "data": {"payment": "pay_1", "amount": 7}},
        {"type": "payout.sent", "data": {"deep": [[[]]], "payment": ["\0"]}},
        {"type": "payment.canceled", "data": {}},
    ],
)
async def test_an_unknown_type_is_ignored(gateway: SandboxGateway, message: object) -> None:
    [event] = await gateway.parse_message(*signed(message))
    assert event.kind is EventKind.IGNORED


# ------------------------------------------------------------------------------- charges


async def charge_of(asked: PaymentOrder) -> Charge:
    charge = await charges.by_payment(asked.id)
    assert charge is not None
    return charge


@pytest.mark.usefixtures("db")
async def test_the_payer_is_sent_to_an_address_that_nobody_guesses(gateway: SandboxGateway) -> None:
    started = await gateway.start(order(USD))
    assert isinstance(started.action, Redirect)
    start, _, token = started.action.url.rpartition("/")
    assert start == "https://credit.example/sandbox/pay"
    assert len(token) == 32


@pytest.mark.usefixtures("db")
async def test_asking_again_finds_a_capture_whose_message_was_lost(gateway: SandboxGateway) -> None:
    asked = order(USD)
    await gateway.start(asked)
    await charges.change(await charge_of(asked), lambda charge: charge.capture(lost=True))
    first, second = await gateway.fetch(asked), await gateway.fetch(asked)
    assert [(event.kind, event.amount) for event in first] == [(EventKind.CAPTURED, USD)]
    assert first == second


@pytest.mark.usefixtures("db")
async def test_asking_again_tells_nothing_of_what_is_to_be_settled_later(
    gateway: SandboxGateway,
) -> None:
    asked = order(USD)
    await gateway.start(asked)

    def settle_later(charge: Charge) -> None:
        charge.processing()
        charge.capture(after_seconds=600)

    charge = await charges.change(await charge_of(asked), settle_later)
    assert charge.status == "PROCESSING"
    assert [event.kind for event in await gateway.fetch(asked)] == [EventKind.PROCESSING]


@pytest.mark.usefixtures("db")
async def test_the_whole_story_is_told_each_part_once(gateway: SandboxGateway) -> None:
    asked = order(USD)
    await gateway.start(asked)

    def story(charge: Charge) -> None:
        charge.repeat(charge.capture())
        charge.refund(Money(500, "USD"))
        charge.dispute()
        charge.close_dispute(Say.DISPUTE_WON)
        charge.dispute()
        charge.close_dispute(Say.DISPUTE_LOST)

    await charges.change(await charge_of(asked), story)
    events = await gateway.fetch(asked)
    assert [(event.kind.value, event.amount and event.amount.minor) for event in events] == [
        ("CAPTURED", 2500),
        ("REFUNDED", 500),
        ("DISPUTED", 2000),
        ("DISPUTE_WON", 2000),
        ("DISPUTED", 2000),
        ("DISPUTE_LOST", 2000),
    ]
    assert events[2].reference == events[3].reference != events[4].reference
    assert len({event.event_id for event in events}) == len(events)
    assert all(len(event.event_id) < 128 for event in events)


@pytest.mark.usefixtures("db")
async def test_what_is_under_way_cannot_be_canceled(gateway: SandboxGateway) -> None:
    asked = order(USD)
    await gateway.start(asked)
    await charges.change(await charge_of(asked), Charge.processing)
    assert [event.kind for event in await gateway.cancel(asked)] == [EventKind.PROCESSING]


@pytest.mark.usefixtures("db")
async def test_a_payment_that_nobody_paid_in_time_has_expired(gateway: SandboxGateway) -> None:
    asked = order(USD)
    await gateway.start(asked)
    await SandboxCharge.filter(payment=asked.id).update(expires_at=now() - timedelta(seconds=1))
    assert [event.kind for event in await gateway.fetch(asked)] == [EventKind.EXPIRED]
    assert [event.kind for event in await gateway.cancel(asked)] == [EventKind.EXPIRED]
