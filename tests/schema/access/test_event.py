"""Events as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from models.journal import feed
from tests.support.factories import STAFF
from tests.support.query_counter import asked
from tests.support.staffed_provider import (
    SCHEMA,
    an_account,
    an_order,
    client,
    context,
    data,
    give,
    wire_provider,
)

if TYPE_CHECKING:
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("db", "wired")

EVENTS = """
query ($after: String, $types: [String!]) { events(first: 100, after: $after, types: $types) {
  edges { cursor node { id type sequence occurredAt account { id name } subject {
    id ... on Invoice { number } ... on CreditTransaction { version } } } }
  pageInfo { hasNextPage }
} }
"""


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


async def publish_all() -> None:
    while await feed.publish():
        pass


@pytest.mark.parametrize("count", [1, 20])
async def test_a_page_of_events_takes_one_statement_for_each_kind_of_subject(count: int) -> None:
    for n in range(count):
        ada = await an_account(f"Ada{n}")
        await give(ada, "25.00")
        await an_order(ada)
    await publish_all()
    async with asked() as seen:
        found = await data(EVENTS, STAFF)
    assert len(found["events"]["edges"]) == 2 * count
    assert len(seen.statements) == 4, "events, accounts, invoices, lines of the statement"


async def test_an_event_is_found_by_its_id_and_goes_on_from_there() -> None:
    ada = await an_account()
    await give(ada, "25.00")
    bill = await an_order(ada)
    await publish_all()
    [given, issued] = (await data(EVENTS, client(ada)))["events"]["edges"]
    assert given["cursor"] == given["node"]["id"]
    assert (given["node"]["type"], given["node"]["subject"]["version"]) == ("credit.changed", 1)
    assert issued["node"]["subject"] == {"id": bill.public_id, "number": bill.number}
    node = "query ($id: ID!) { node(id: $id) { ... on Event { type sequence } } }"
    found = await data(node, client(ada), id=issued["node"]["id"])
    assert found["node"] == {"type": "invoice.issued", "sequence": 2}
    assert (await data(EVENTS, client(ada), after=given["cursor"]))["events"]["edges"] == [issued]


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"after": "evt_1"}, "This cursor doesn't belong to this list."),
        ({"types": ["*", "invoice.gone"]}, "There is no event of this type."),
    ],
)
async def test_what_makes_no_sense_is_refused(wish: dict[str, Any], says: str) -> None:
    result = await SCHEMA.execute(EVENTS, wish, context(STAFF))
    assert result.errors is not None
    assert says in result.errors[0].message
    assert (result.errors[0].extensions or {})["code"] == "BAD_USER_INPUT"
