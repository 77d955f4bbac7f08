"""Signatures, offline and by asking PayPal, and what messages say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from api.gateways.paypal import allowance
from api.gateways.paypal.client import PayPalClient
from api.gateways.paypal.gateway import PayPalGateway
from api.gateways.paypal.merchant import Merchant
from api.gateways.paypal.signature import Signature, certificate_in
from api.gateways.paypal.webhooks import Webhooks
from api.settings.settings import load_settings
from models.clock import now
from models.gateway import (
    EventKind,
    GatewayProblem,
    GatewayUnreachable,
    MessageRefused,
    SignatureRefused,
)
from tests.support.paypal import signer
from tests.support.paypal.fake import WEBHOOK_ID, FakePayPal
from tests.support.paypal.referee import CONTRACT

if TYPE_CHECKING:
    from tests.support.clock import At

GENUINE: Final = CONTRACT.with_name("paypal_webhook_real_2015.json")
PAYMENT: Final = "pay_0123456789abcdef0123456789abcdef"
CAPTURE: Final[dict[str, Any]] = {
    "id": "4L335234718889942",
    "status": "COMPLETED",
    "amount": {"currency_code": "USD", "value": "25.00"},
    "custom_id": PAYMENT,
    "supplementary_data": {"related_ids": {"order_id": "5O190127TN364715T"}},
}


def captured(fake: FakePayPal, **changes: Any) -> tuple[dict[str, str], bytes]:
    """A message of a capture that PayPal has."""
    fake.back_office.captures[CAPTURE["id"]] = CAPTURE | changes
    return fake.signer.message("PAYMENT.CAPTURE.COMPLETED", CAPTURE | changes)


# ------------------------------------------------------------------------------- the real one


@pytest.fixture
def real() -> dict[str, str]:
    """A message that PayPal really sent, with the certificate that was at PayPal then."""
    if not GENUINE.exists():
        pytest.skip(f"PayPal's genuine message is not at {GENUINE}")
    found: dict[str, str] = json.loads(Path(GENUINE).read_text(encoding="utf-8"))
    return found


def real_headers(real: dict[str, str]) -> dict[str, str]:
    names = ("transmission_id", "transmission_time", "transmission_sig", "cert_url", "auth_algo")
    return {f"paypal-{name.replace('_', '-')}": real[name] for name in names}


def test_a_message_that_paypal_really_sent_is_genuine(real: dict[str, str]) -> None:
    chain = "".join(real[name] for name in ("cert_pem", "intermediate_pem", "root_pem"))
    for pem in (real["cert_pem"], chain):
        signature = Signature.of(real_headers(real))
        signature.verify(certificate_in(pem.encode()), real["webhook_id"], real["body"].encode())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("transmission_id", "dfb3be50", "dfb3be51"),
        ("transmission_time", "15:45:13", "15:45:14"),
        ("transmission_sig", "thy4", "thy5"),
        ("webhook_id", "4JH8", "4JH9"),
        ("body", "20.00", "90.00"),
    ],
)
def test_a_real_message_with_anything_changed_is_refused(
    real: dict[str, str], name: str, old: str, new: str
) -> None:
    forged = {**real, name: real[name].replace(old, new, 1)}
    assert forged != real
    certificate = certificate_in(real["cert_pem"].encode())
    with pytest.raises(SignatureRefused):
        Signature.of(real_headers(forged)).verify(
            certificate, forged["webhook_id"], forged["body"].encode()
        )


async def test_on_its_day_the_real_message_was_taken_with_one_look_at_paypal(
    real: dict[str, str], at: At
) -> None:
    asked = []

    def paypal(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=real["cert_pem"].encode())

    settings = load_settings(
        secret_key="0123456789abcdef0123456789abcdef",
        paypal_client_id="id",
        paypal_client_secret="secret",
        paypal_webhook_id=real["webhook_id"],
    )
    merchant = Merchant.from_settings(settings)
    assert merchant is not None
    gateway = PayPalGateway(merchant, transport=httpx.MockTransport(paypal))
    at(datetime(2015, 5, 18, 16, tzinfo=UTC))
    [event] = await gateway.parse_message(real_headers(real), real["body"].encode())
    assert (event.kind, asked) == (EventKind.IGNORED, [real["cert_url"]])
    await gateway.close()


async def test_a_real_message_of_long_ago_is_too_old_now(
    real: dict[str, str], gateway: PayPalGateway
) -> None:
    with pytest.raises(SignatureRefused, match="too old"):
        await gateway.parse_message(real_headers(real), real["body"].encode())


# ------------------------------------------------------------------------------- tampering


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transmission-id", "tx-0"),
        ("transmission-time", "2026-01-01T00:00:00Z"),
        ("transmission-time", "yesterday"),
        ("transmission-sig", "AAAA"),
        ("transmission-sig", "not base64!"),
        ("transmission-sig", "A" * 2000),
        ("auth-algo", "SHA1withRSA"),
        ("auth-algo", "none"),
    ],
)
async def test_a_header_that_was_changed_is_refused(
    gateway: PayPalGateway, fake: FakePayPal, name: str, value: str
) -> None:
    headers, body = captured(fake)
    with pytest.raises(SignatureRefused):
        await gateway.parse_message({**headers, f"paypal-{name}": value}, body)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/notifications/certs/CERT-1",
        "http://api-m.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "https://api-m.sandbox.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://api-m.sandbox.paypal.com@evil.example/v1/notifications/certs/CERT-1",
        "https://api-m.sandbox.paypal.com:444/v1/notifications/certs/CERT-1",
        "https://api-m.sandbox.paypal.com/v1/notifications/certs/../../evil",
        "https://api-m.sandbox.paypal.com/v1/notifications/certs/CERT-1?next=evil",
        "https://api-m.sandbox.paypal.com/v1/notifications/certs/CERT-1\n",
        "https://api.paypal.com/v1/notifications/certs/CERT-1",
    ],
)
async def test_a_certificate_elsewhere_is_never_fetched(
    gateway: PayPalGateway, fake: FakePayPal, url: str
) -> None:
    headers, body = captured(fake)
    with pytest.raises(SignatureRefused, match="isn't hosted by PayPal"):
        await gateway.parse_message({**headers, "paypal-cert-url": url}, body)
    assert fake.asked == []


async def test_a_message_to_another_webhook_is_refused(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.signer.webhook_id = "1JE4291016473214C"
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(*captured(fake))


async def test_a_body_that_was_written_anew_is_refused(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    headers, body = captured(fake)
    with pytest.raises(SignatureRefused):
        await gateway.parse_message(headers, json.dumps(json.loads(body), indent=1).encode())


@pytest.mark.parametrize(
    ("age", "is_read"),
    [
        (timedelta(days=3), True),
        (timedelta(days=30), True),
        (timedelta(days=32), False),
        (timedelta(minutes=-6), False),
    ],
)
async def test_paypal_tells_a_message_again_for_days_but_not_for_ever(
    gateway: PayPalGateway, fake: FakePayPal, age: timedelta, *, is_read: bool
) -> None:
    _, body = captured(fake)
    message = fake.signer.signed(body, at=now() - age)
    if is_read:
        assert await gateway.parse_message(*message)
    else:
        with pytest.raises(SignatureRefused, match="too old or from the future"):
            await gateway.parse_message(*message)


async def test_the_certificate_is_fetched_once(gateway: PayPalGateway, fake: FakePayPal) -> None:
    for _ in range(3):
        await gateway.parse_message(*captured(fake))
    assert fake.asked.count("certificate") == 1


async def test_a_certificate_that_paypal_does_not_have_is_refused(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.certificate_status = 404
    with pytest.raises(SignatureRefused, match="no such certificate"):
        await gateway.parse_message(*captured(fake))
    assert fake.asked == ["certificate"]


# ------------------------------------------------------------------------------- asking PayPal


def unusable(kind: str) -> bytes:
    other = signer.certificate("paypal.com.evil.example")
    return {
        "not one": b"<html>",
        "another name": other,
        "expired": signer.certificate(days=-2),
        "short key": signer.certificate(bits=1024),
        "broken chain": signer.certificate() + other,
    }[kind]


KINDS: Final = ["not one", "another name", "expired", "short key", "broken chain"]


@pytest.mark.parametrize("kind", KINDS)
async def test_with_a_certificate_that_cannot_be_used_paypal_is_asked(
    gateway: PayPalGateway, fake: FakePayPal, kind: str
) -> None:
    fake.certificate = unusable(kind)
    [event] = await gateway.parse_message(*captured(fake))
    assert event.kind is EventKind.CAPTURED
    assert "verify" in fake.asked


@pytest.mark.parametrize("kind", KINDS)
async def test_and_what_paypal_did_not_send_is_refused(
    gateway: PayPalGateway, fake: FakePayPal, kind: str
) -> None:
    fake.certificate = unusable(kind)
    headers, body = captured(fake)
    with pytest.raises(MessageRefused):
        await gateway.parse_message(headers, body.replace(b"25.00", b"95.00"))


async def test_a_body_cannot_break_out_of_the_question(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.certificate_status = 500
    headers, body = captured(fake)
    with pytest.raises(MessageRefused):
        await gateway.parse_message(headers, body + b', "webhook_id": "X"')
    assert "verify" not in fake.asked


async def test_while_nobody_can_tell_the_message_is_not_taken(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    fake.certificate_status = 500
    fake.troubles["verify"].append(503)
    message = captured(fake)
    with pytest.raises(GatewayUnreachable):
        await gateway.parse_message(*message)
    assert await gateway.parse_message(*message)


async def test_a_redirect_is_not_followed_to_a_certificate(merchant: Merchant) -> None:
    def elsewhere(request: httpx.Request) -> httpx.Response:
        assert request.url.host != "evil.example"
        if "certs" in request.url.path:
            return httpx.Response(302, headers={"location": "https://evil.example/cert"})
        return httpx.Response(503)

    client = PayPalClient(merchant, httpx.MockTransport(elsewhere))
    with pytest.raises(GatewayUnreachable):
        await Webhooks(merchant, client).verified(*captured(FakePayPal()))
    await client.aclose()


async def test_certificates_do_not_pile_up(
    fake: FakePayPal, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "EACH_MAX", 100)
    monkeypatch.setattr(allowance, "ALL_MAX", 100)
    pem = httpx.Response(200, content=signer.certificate())
    client = PayPalClient(merchant, httpx.MockTransport(lambda _: pem))
    verifier = Webhooks(merchant, client)
    for number in range(40):
        headers, body = captured(fake)
        headers["paypal-cert-url"] += str(number)
        await verifier.verified(headers, body)
    assert len(verifier._certificates._kept) == 16
    await client.aclose()


# ------------------------------------------------------------------------------- saying


async def tell(gateway: PayPalGateway, fake: FakePayPal, type: str, resource: Any) -> Any:
    """The one event that comes of a message about something that PayPal has as it says."""
    back_office = fake.back_office
    things: dict[str, dict[str, Any]] = {
        "PAYMENT.CAPTURE": back_office.captures,
        "PAYMENT.REFUND": back_office.refunds,
        "CHECKOUT.ORDER": back_office.orders,
        "CHECKOUT.PAYMENT-APPROVAL": back_office.orders,
        "CUSTOMER.DISPUTE": back_office.disputes,
    }
    id = next((resource[n] for n in ("id", "order_id", "dispute_id") if n in resource), "")
    known = {"id" if name == "order_id" else name: told for name, told in resource.items()}
    things.get(type.rpartition(".")[0], {})[id] = known
    [event] = await gateway.parse_message(*fake.signer.message(type, resource))
    return event


@pytest.mark.parametrize(
    ("type", "status", "kind"),
    [
        ("COMPLETED", "COMPLETED", EventKind.CAPTURED),
        ("PENDING", "PENDING", EventKind.PROCESSING),
        ("DENIED", "DECLINED", EventKind.FAILED),
        ("DENIED", "DENIED", EventKind.FAILED),
        ("DECLINED", "DECLINED", EventKind.FAILED),
        ("COMPLETED", "A_STATUS_OF_TOMORROW", EventKind.IGNORED),
    ],
)
async def test_a_capture_is_what_its_status_says(
    gateway: PayPalGateway, fake: FakePayPal, type: str, status: str, kind: EventKind
) -> None:
    event = await tell(gateway, fake, f"PAYMENT.CAPTURE.{type}", CAPTURE | {"status": status})
    assert event.kind is kind
    assert event.payment == ("" if kind is EventKind.IGNORED else PAYMENT)
    fake.faults.clear()  # tomorrow's status is not in the document


async def test_an_approval_is_told_each_time_it_is_given(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    order = {"id": "5O190127TN364715T", "purchase_units": [{"custom_id": PAYMENT}]}
    order |= {"status": "APPROVED"}
    first, second = [await tell(gateway, fake, "CHECKOUT.ORDER.APPROVED", order) for _ in range(2)]
    assert (first.kind, first.payment) == (EventKind.APPROVED, PAYMENT)
    assert first.event_id != second.event_id


async def test_an_approval_that_is_taken_back_expires_the_payment(
    gateway: PayPalGateway, fake: FakePayPal
) -> None:
    order = {"order_id": "5O190127TN364715T", "purchase_units": [{"custom_id": PAYMENT}]}
    order |= {"status": "VOIDED"}
    event = await tell(gateway, fake, "CHECKOUT.PAYMENT-APPROVAL.REVERSED", order)
    assert (event.kind, event.payment) == (EventKind.EXPIRED, PAYMENT)


@pytest.mark.parametrize(
    ("type", "resource"),
    [
        ("PAYMENT.SALE.COMPLETED", {"id": "1"}),
        ("BILLING.SUBSCRIPTION.CREATED", {}),
        ("PAYMENT.CAPTURE.COMPLETED", CAPTURE | {"custom_id": "shop-17"}),
        ("CHECKOUT.ORDER.APPROVED", {"id": "1", "purchase_units": [{"custom_id": "shop-17"}]}),
        ("CHECKOUT.ORDER.APPROVED", {"id": "1", "purchase_units": "none"}),
        ("CHECKOUT.ORDER.APPROVED", {"id": "1", "purchase_units": [{"custom_id": PAYMENT}]}),
        ("CUSTOMER.DISPUTE.CREATED", {"dispute_id": "PP-D-1"}),
    ],
)
async def test_what_is_not_about_a_payment_of_ours_is_ignored(
    gateway: PayPalGateway, fake: FakePayPal, type: str, resource: Any
) -> None:
    event = await tell(gateway, fake, type, resource)
    assert event.kind is EventKind.IGNORED
    fake.faults.clear()  # some of it is nothing that PayPal would answer


@pytest.mark.parametrize(
    "amount",
    [
        None,
        {},
        {"currency_code": "USD"},
        {"currency_code": "USD", "value": "1e9"},
        {"currency_code": "QQQ", "value": "1"},
        {"currency_code": "USD", "value": "1.005"},
    ],
)
async def test_an_amount_that_makes_no_sense_is_not_taken(
    gateway: PayPalGateway, fake: FakePayPal, amount: Any
) -> None:
    with pytest.raises(GatewayProblem, match="can't be read"):
        await gateway.parse_message(*captured(fake, amount=amount))
    fake.faults.clear()  # nor would PayPal answer so


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"id": "WH-1"}', b"\xff", b"nonsense"])
async def test_a_signed_body_that_makes_no_sense_is_refused(
    gateway: PayPalGateway, fake: FakePayPal, body: bytes
) -> None:
    with pytest.raises(MessageRefused):
        await gateway.parse_message(*fake.signer.signed(body))


async def test_who_the_payer_is_is_not_kept(gateway: PayPalGateway, fake: FakePayPal) -> None:
    payer = {"email_address": "aiko@example.com", "name": {"given_name": "Aiko"}}
    [event] = await gateway.parse_message(*captured(fake, payer=payer, payee=payer))
    assert "aiko" not in json.dumps(dict(event.raw)).lower()
    assert event.raw["type"] == "PAYMENT.CAPTURE.COMPLETED"
    assert WEBHOOK_ID not in json.dumps(dict(event.raw))
    fake.faults.clear()  # PayPal's package knows no payer here; should there be one, it is not kept
