"""What is pushed: in order, without gaps, and on from there after a dropped connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.server.actions import order
from tests.support.server.api_client import at_sandbox
from tests.support.server.live import CREDIT, INVOICE_OF, SECONDS, streaming, watching

if TYPE_CHECKING:
    from tests.support.server.api_client import Portal
    from tests.support.server.demo_server import DemoServer
    from tests.support.server.live import Transport

both = pytest.mark.parametrize("listen", [watching, streaming], ids=["websocket", "events"])


def adjust(server: DemoServer, client: Portal, amount: str) -> None:
    given = {"accountId": client.account_id, "amount": client.money(amount), "reason": "Test"}
    server.staff.do("adjustCredit", "balance { version }", **given)


@both
def test_after_a_dropped_connection_nothing_is_missed_or_repeated(
    server: DemoServer, listen: Transport
) -> None:
    client = server.new_client(credit="1.00")
    with listen(client, CREDIT) as pushed:
        present = pushed()
        assert (present["balance"]["version"], present["transaction"]) == (1, None)
        adjust(server, client, "1.00")
        seen = pushed()["balance"]["version"]
        assert seen == 2
    for _ in range(3):
        adjust(server, client, "1.00")
    with listen(client, CREDIT, afterVersion=seen) as pushed:
        for version in (3, 4, 5):
            update = pushed()
            assert update["transaction"]["version"] == version
            assert update["balance"]["version"] == version
            assert update["balance"]["available"] == f"{version}.00"
        present = pushed()
        assert (present["balance"]["version"], present["transaction"]) == (5, None)
        adjust(server, client, "1.00")
        assert pushed()["transaction"]["version"] == 6


@both
def test_an_invoice_is_pushed_from_unpaid_to_paid(server: DemoServer, listen: Transport) -> None:
    client = server.new_client(credit="10.00")
    invoice = order(server.partner, client, "30.00")["invoice"]
    with listen(client, INVOICE_OF, id=invoice["id"]) as pushed:
        assert pushed()["diagnosis"]["stage"] == "NOT_STARTED"
        payment = client.begin(invoice, gateway="sandbox")
        at_sandbox(payment, "approve")
        while (shown := pushed())["status"] != "PAID":
            assert shown["diagnosis"]["stage"] in {"AWAITING_GATEWAY", "AWAITING_CLIENT"}
    assert shown["diagnosis"]["stage"] == "SETTLED"


def test_everybody_who_listens_hears_it_and_strangers_do_not(server: DemoServer) -> None:
    client, other = server.new_client(), server.new_client()
    theirs = "subscription ($id: ID) { creditUpdated(accountId: $id) { balance { version } } }"
    with (
        watching(client, CREDIT) as phone,
        watching(client, CREDIT) as laptop,
        streaming(server.staff, theirs, id=client.account_id) as staff,
        watching(other, CREDIT) as stranger,
    ):
        for pushed in (phone, laptop, staff, stranger):
            assert pushed()["balance"]["version"] == 0
        adjust(server, client, "5.00")
        adjust(server, other, "7.00")
        for pushed in (phone, laptop):
            assert pushed()["transaction"]["amount"] == "5.00"
        assert staff()["balance"]["version"] == 1
        assert stranger()["transaction"]["amount"] == "7.00"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("subscription { creditUpdated(afterVersion: 99) { balance { version } } }", None),
        ("subscription { creditUpdated(afterVersion: -1) { balance { version } } }", None),
        ('subscription { creditUpdated(accountId: "acc_none") { balance { version } } }', None),
        ('subscription { invoiceUpdated(id: "inv_none") { status } }', None),
        ("subscription { nothing }", "BAD_USER_INPUT"),
        ('subscription { creditUpdated(currency: "usd") { balance { version } } }', None),
    ],
)
def test_what_cannot_be_listened_to_is_an_error(
    client: Portal, document: str, code: str | None
) -> None:
    response = client.http.post(
        f"{client.url}/graphql",
        json={"query": document},
        headers={"accept": "text/event-stream", **client.headers},
        timeout=SECONDS,
    )
    assert response.status_code < 500
    assert '"errors"' in response.text
    assert '"INTERNAL"' not in response.text
    assert code is None or code in response.text
