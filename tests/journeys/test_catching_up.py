"""A partner that was away catches up by the feed: all that has happened meanwhile, in its order."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.support.server.actions import order
from tests.support.server.api_client import nodes
from tests.support.server.demo_server import open_demo_server
from tests.support.server.people import findings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server.api_client import Answer, Portal
    from tests.support.servers import Databases

EVENTS = """
query ($account: ID, $after: String, $types: [String!]) {
  events(accountId: $account, after: $after, types: $types, first: 3) {
    edges { node { id type sequence account { id } subject { __typename id } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def read(partner: Portal, after: str | None, **wish: object) -> list[Answer]:
    """All that there is after that cursor."""
    found, more = [], True
    while more:
        events = partner.ask(EVENTS, after=after, **wish)["events"]
        found += nodes(events)
        more, after = events["pageInfo"]["hasNextPage"], events["pageInfo"]["endCursor"] or after
    return found


def read_until(partner: Portal, last: str, after: str | None, **wish: object) -> list[Answer]:
    """As `read`, once that it has happened is published; a second later, or two."""
    while True:
        found = read(partner, after, **wish)
        if found and found[-1]["type"] == last:
            return found


def test_a_partner_that_was_away_catches_up(databases: Databases, tmp_path: Path) -> None:
    with open_demo_server(tmp_path, databases) as server:
        client, partner = server.new_client(credit="100.00"), server.partner
        account = client.account_id
        seen = read_until(partner, "credit.changed", None, account=account)
        before = seen[-1]

        bill = order(partner, client, "30.00", applyCredit=True)["invoice"]
        unpaid = order(partner, client, "5.00")["invoice"]
        server.stop(signal.SIGKILL)
        server.connections.close()
        server.start()
        partner.do("voidInvoice", "invoice { status }", invoiceId=unpaid["id"], reason="Mistaken")
        server.staff.do("voidInvoice", "invoice { id }", invoiceId=bill["id"], reason="Returned")

        events = read_until(partner, "invoice.credited", before["id"], account=account)
        assert sorted(event["type"] for event in events) == [
            "credit.changed",  # paid
            "credit.changed",  # given back
            "invoice.credited",
            "invoice.issued",
            "invoice.issued",
            "invoice.paid",
            "invoice.voided",
            "invoice.voided",
        ]
        assert [event["sequence"] for event in events] == list(
            range(before["sequence"] + 1, before["sequence"] + 9)
        )
        subjects = {event["subject"]["id"] for event in events if "invoice" in event["type"]}
        assert subjects == {bill["id"], unpaid["id"]}
        assert {event["account"]["id"] for event in events} == {account}

        voided = read(partner, before["id"], account=account, types=["invoice.voided"])
        assert [event["subject"]["id"] for event in voided] == [unpaid["id"], bill["id"]]
        assert read(partner, events[-1]["id"], account=account) == []
        own = [event for event in read(partner, None) if event["account"]["id"] == account]
        assert own == [*seen, *events], "whoever reads everything reads the same"
        assert [one["id"] for one in read(client, before["id"])] == [one["id"] for one in events]
        assert findings(server.database_url) == []
