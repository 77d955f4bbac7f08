"""A gateway's messages from outside: signed ones count once, forged ones not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.server.live import CREDIT, watching
from tests.support.server.sandbox_messages import captured, message, send, signed

if TYPE_CHECKING:
    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer


def test_a_signed_message_is_money_and_is_money_once(server: DemoServer) -> None:
    client = server.new_client()
    payment = client.begin(client.add_funds("25.00"))
    with watching(client, CREDIT) as pushed:
        pushed()
        body = captured(payment, f"cap-{payment['id']}")
        headers = signed(body)
        assert send(server, body, headers) == 200
        assert pushed()["balance"]["available"] == "25.00"
        assert send(server, body, headers) == 200
        assert send(server, body) == 200
        assert send(server, message("payment.failed", payment)) == 200
        assert send(server, message("payment.processing", payment)) == 200
        other = captured(payment, f"another-{payment['id']}", "1.00")
        assert send(server, other) == 200
        assert pushed()["transaction"]["kind"] == "OVERPAYMENT"
    assert [line["amount"] for line in client.statement()] == ["1.00", "25.00"]


def test_a_forged_old_or_changed_message_changes_nothing(server: DemoServer) -> None:
    client = server.new_client()
    payment = client.begin(client.add_funds("25.00"))
    body = captured(payment, "forged")
    good = signed(body)
    ago = datetime.now(UTC) - timedelta(minutes=6)
    ahead = datetime.now(UTC) + timedelta(minutes=6)
    forged = {
        "another secret": signed(body, secret="whsec_" + "A" * 32),
        "too old": signed(body, at=ago),
        "from the future": signed(body, at=ahead),
        "another id": good | {"webhook-id": "msg_other"},
        "another time": good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)},
        "no signature": {name: good[name] for name in good if name != "webhook-signature"},
        "an empty signature": good | {"webhook-signature": "v1,"},
        "a signature of nothing": good | {"webhook-signature": "v1a,AAAA"},
        "no headers": {},
    }
    for what, headers in forged.items():
        assert send(server, body, headers) == 401, what
    assert send(server, body.replace(b"25.00", b"99.00"), good) == 401
    assert client.balance()["version"] == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"type": "payment.captured"}',
        b'{"type": "payment.captured", "data": {"payment": 5}}',
        b"\xff\xfe",
    ],
    ids=str,
)
def test_a_signed_message_that_cannot_be_read_is_refused(server: DemoServer, body: bytes) -> None:
    if body == b"\xff\xfe":
        assert send(server, body, signed(b"{}")) in {400, 401}
    else:
        assert send(server, body) == 400


@pytest.mark.parametrize("amount", ["0", "-5.00", "25.001", "NaN", "1e3", "", "٢٥"])
def test_an_amount_that_is_none_is_refused(server: DemoServer, client: Portal, amount: str) -> None:
    payment = client.begin(client.add_funds("25.00"))
    assert send(server, captured(payment, "odd", amount)) == 400
    assert client.available() == "40.00"


def test_a_readable_message_about_nothing_of_ours_is_kept_and_does_nothing(
    server: DemoServer,
) -> None:
    client = server.new_client()
    payment = client.begin(client.add_funds("25.00"))
    assert send(server, captured({"id": "pay_" + "0" * 32}, "nowhere")) == 200
    assert send(server, captured({"id": "nothing-like-it"}, "nobody")) == 200
    assert send(server, captured(payment, "yen", "25", "JPY")) == 200
    assert send(server, message("payment.something_new", payment)) == 200
    assert client.balance()["version"] == 0


def test_there_is_no_other_door(server: DemoServer) -> None:
    body = b"{}"
    assert httpx.post(f"{server.url}/webhooks/bank-transfer", content=body).status_code == 400
    assert httpx.post(f"{server.url}/webhooks/unknown", content=body).status_code == 404
    assert httpx.get(f"{server.url}/webhooks/sandbox").status_code == 405
    huge = httpx.post(f"{server.url}/webhooks/sandbox", content=b"x" * 300_000)
    assert huge.status_code == 413
