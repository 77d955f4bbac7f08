"""Holds: an order desk reserves credit, bills it when it delivers, or lets it go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.server.actions import HOLD, reserve, reserving
from tests.support.server.api_client import INVOICE, nodes
from tests.support.server.live import CREDIT, watching

if TYPE_CHECKING:
    from tests.support.server.demo_server import DemoServer

HELD = """query ($state: [HoldState!]) { viewer { account { holds(state: $state) {
  totalCount pageInfo { hasNextPage }
  edges { node {
    id state description reference amount { amount } captured { amount } invoice { number status }
  } }
} } } }"""


def test_an_order_is_reserved_billed_in_parts_and_seen_by_its_client(server: DemoServer) -> None:
    client, partner = server.new_client(credit="100.00"), server.partner
    with watching(client, CREDIT) as pushed:
        assert pushed()["balance"]["reserved"] == "0.00"
        reserved = reserve(partner, client, "60.00")
        hold = reserved["hold"]["id"]
        assert reserved["hold"]["state"] == "OPEN"
        assert reserved["balance"]["available"] == "40.00"
        told = pushed()
        assert (told["balance"]["reserved"], told["transaction"]) == ("60.00", None)

        lines = [{"description": "Setup", "unitPrice": "10.00", "taxRate": "0.19"}]
        given = {"holdId": hold, "lines": lines, "keepRest": True}
        setup = partner.do("captureHold", f"{HOLD} {INVOICE}", **given)
        assert setup["hold"]["captured"] == "11.90"
        assert (setup["invoice"]["status"], setup["invoice"]["total"]) == ("PAID", "11.90")
        assert setup["invoice"]["reference"] == "ORDER-7"
        told = pushed()
        assert told["transaction"]["kind"] == "INVOICE_PAYMENT"
        assert told["balance"]["reserved"] == "48.10"

        rest = partner.do("captureHold", f"{HOLD} {INVOICE}", holdId=hold, amount="30.00")
        assert (rest["hold"]["state"], rest["hold"]["captured"]) == ("CAPTURED", "41.90")
        told = pushed()
        assert (told["balance"]["reserved"], told["balance"]["available"]) == ("0.00", "58.10")

    shown = client.ask(HELD)["viewer"]["account"]["holds"]
    [one] = nodes(shown)
    assert (one["state"], one["description"]) == ("CAPTURED", "A dedicated server")
    assert one["invoice"] == {"number": rest["invoice"]["number"], "status": "PAID"}
    none = client.ask(HELD, state=["OPEN"])["viewer"]["account"]["holds"]
    assert (none["totalCount"], none["edges"]) == (0, [])
    refused = partner.refusal("captureHold", holdId=hold, amount="1.00")
    assert (refused["code"], refused["field"]) == ("HOLD_NOT_OPEN", ["holdId"])

    setup_invoice = {"invoiceId": setup["invoice"]["id"], "reason": "Not needed"}
    partner.do("voidInvoice", "", **setup_invoice)
    assert client.available() == "70.00"


def test_what_nobody_bills_is_given_back_by_the_worker_within_half_a_minute(
    server: DemoServer,
) -> None:
    client = server.new_client(credit="10.00")
    with watching(client, CREDIT) as pushed:
        pushed()
        hold = reserve(server.partner, client, "10.00", seconds=2)["hold"]["id"]
        assert pushed()["balance"]["available"] == "0.00"
        while pushed()["balance"]["reserved"] != "0.00":
            pass
    state = server.partner.ask(
        "query ($id: ID!) { node(id: $id) { ... on Hold { state } } }", id=hold
    )
    assert state["node"] == {"state": "EXPIRED"}
    assert client.available() == "10.00"


def test_what_cannot_be_reserved_says_at_its_field_why(server: DemoServer) -> None:
    client, partner = server.new_client(credit="10.00"), server.partner
    given = reserving(client, "10.01")
    refused = partner.refusal("reserveCredit", **given)
    assert (refused["code"], refused["available"]) == ("INSUFFICIENT_CREDIT", "10.00")
    late = partner.refusal("reserveCredit", **reserving(client, "1.00", 40 * 86_400))
    assert (late["code"], late["field"]) == ("INVALID", ["expiresAt"])
    hold = reserve(partner, client, "10.00")["hold"]["id"]
    lines = [{"description": "Setup", "unitPrice": "2.00"}]
    wrong = partner.refusal("captureHold", holdId=hold, lines=lines, amount="3.00")
    assert (wrong["code"], wrong["field"]) == ("INVALID", ["amount"])
    assert partner.refusal("captureHold", holdId="inv_1")["code"] == "NOT_FOUND"
    document = "mutation ($i: ReserveCreditInput!) { reserveCredit(input: $i) { hold { id } } }"
    assert client.error(document, i=given | {"idempotencyKey": "mine"}) == "FORBIDDEN"
    naive = given | {"idempotencyKey": "naive", "expiresAt": "2026-12-01T00:00:00"}
    assert partner.error(document, i=naive) == "BAD_USER_INPUT"
    assert client.balance()["reserved"] == "10.00"
