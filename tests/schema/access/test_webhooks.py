"""Webhook endpoints as the API has them, and the documents that their data is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from api.webhooks.answers import DocumentAnswers
from models.edge import registered_query
from models.edge.registered_query import identifier_of
from tests.support.providers import key
from tests.support.staffed_provider import SCHEMA, an_account, an_order, data, give, wire_provider
from tests.support.webhooks import Receiver, a_partner, an_endpoint, deliveries_of, published, sent

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("db", "wired")

CREATE = """mutation ($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) {
    userErrors { code field message }
    secret
    endpoint { id url events document enabled disabledReason deliveries { totalCount } }
  }
}"""
FULL = """query ($event: ID!, $more: Boolean = true) {
  node(id: $event) {
    ... on Event {
      type
      sequence
      account @include(if: $more) { name }
      subject { ... on Invoice { number total { amount } lines { description } } }
    }
  }
}"""
NO_DOCUMENTS = [
    "mutation ($event: ID!) { signOut { userErrors { code } } }",
    "mutation ($event: ID!) { endSession(input: {sessionId: $event}) { userErrors { code } } }",
    "subscription ($event: ID!) { invoiceUpdated(id: $event) { id } }",
    "{ viewer { role } }",
    "query ($event: String!) { invoice(number: $event) { id } }",
    "query ($event: ID) { invoice(id: $event) { id } }",
    "query ($id: ID!) { node(id: $id) { id } }",
    "query ($event: ID!, $n: String!) { node(id: $event) { id } invoice(number: $n) { id } }",
    "query A ($event: ID!) { node(id: $event) { id } } query B { viewer { role } }",
    "fragment F on Event { id }",
    "query ($event: ID!) { nonsense(id: $event) }",
    "query ($event: ID!) { node(id: $event) { id }",
    f"query ($event: ID!) {{ {' '.join(f'a{n}: node(id: $event) {{ id }}' for n in range(40))} }}",
]


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


async def create(by: Actor, **wish: Any) -> Any:
    given = {"url": "https://hooks.example.com/", "events": ["*"], "idempotencyKey": key(), **wish}
    return (await data(CREATE, by, input=given))["createWebhookEndpoint"]


async def test_an_endpoint_is_created_listed_and_found_by_its_id() -> None:
    partner = await a_partner()
    made = await create(partner, events=["invoice.*", "credit.changed"])
    assert made["userErrors"] == []
    assert made["secret"].startswith("whsec_")
    endpoint = made["endpoint"]
    assert endpoint["events"] == ["invoice.*", "credit.changed"]
    shown = (endpoint["enabled"], endpoint["disabledReason"], endpoint["document"])
    assert shown == (True, None, None)
    found = await data("{ webhookEndpoints { id } }", partner)
    assert found == {"webhookEndpoints": [{"id": endpoint["id"]}]}
    node = "query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { url } } }"
    assert (await data(node, partner, id=endpoint["id"]))["node"] == {"url": endpoint["url"]}


@pytest.mark.parametrize("text", NO_DOCUMENTS)
async def test_a_document_that_is_no_query_of_an_event_is_refused_at_its_field(text: str) -> None:
    partner = await a_partner()
    await registered_query.register({identifier_of(text): text})
    made = await create(partner, document=identifier_of(text))
    [error] = made["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["document"])
    assert made["endpoint"] is None
    assert await data("{ webhookEndpoints { id } }", partner) == {"webhookEndpoints": []}


async def test_refusals_are_told_at_their_fields_in_the_callers_words() -> None:
    partner = await a_partner()
    for wish, field in (
        ({"url": "https://169.254.169.254/"}, ["url"]),
        ({"events": ["*", "invoice.lost"]}, ["events", "1"]),
        ({"document": "unknown"}, ["document"]),
    ):
        [error] = (await create(partner, **wish))["userErrors"]
        assert (error["code"], error["field"]) == ("INVALID", field)
        assert error["message"] not in {"", "This value isn't valid."}


async def test_data_is_what_the_document_answers_with_the_rights_of_the_key() -> None:
    ada = await an_account()
    await registered_query.register({"of-event": FULL})
    wide = await an_endpoint(await a_partner([ada.id]), "invoice.*", document="of-event")
    narrow_key = await a_partner([ada.id], ("invoices:read", "webhooks:manage"))
    narrow = await an_endpoint(narrow_key, "invoice.*", document="of-event")
    await give(ada, "25.00")
    bill = await an_order(ada)
    await published()
    answers = DocumentAnswers(lambda: SCHEMA, lambda file, locale, /, **_: f"{locale}/{file}")
    bodies = []
    for given in (wide, narrow):
        receiver = Receiver()
        await sent(given, receiver, answers)  # type: ignore[arg-type]
        [message] = receiver.messages
        bodies.append(orjson.loads(message.body))
    told = bodies[0]["data"]["node"]
    assert (told["type"], told["subject"]["number"]) == ("invoice.issued", bill.number)
    assert told["account"] == {"name": ada.name}
    assert bodies[0]["subjectId"] == bill.public_id
    # What its scopes do not reach is null as for any caller; here, all that hangs on it.
    assert bodies[1]["data"] == {"node": None}


async def test_deliveries_show_their_event_and_attempts() -> None:
    ada, partner = await an_account(), await a_partner()
    given = await an_endpoint(partner, "credit.*")
    await give(ada, "25.00")
    await published()
    await sent(given, Receiver())
    [one] = await deliveries_of(given)
    look = """query ($id: ID!) { node(id: $id) { ... on WebhookDelivery {
      type state nextAttemptAt endpoint { id } event { id type } attempts { status problem answer }
    } } }"""
    found = (await data(look, partner, id=one.public_id))["node"]
    assert found["event"]["type"] == found["type"] == "credit.changed"
    assert found["endpoint"] == {"id": given.endpoint.public_id}
    assert (found["state"], found["nextAttemptAt"]) == ("DELIVERED", None)
    assert found["attempts"] == [{"status": 200, "problem": None, "answer": ""}]
    assert (await data(look, await a_partner(), id=one.public_id))["node"] is None
