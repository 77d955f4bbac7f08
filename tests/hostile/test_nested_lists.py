"""Lists in lists multiply one another: the cost counts it before, the executor while it answers."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from graphql import get_introspection_query, parse

from api.html.portal import Built
from models.db import sql
from models.db.record import new_id
from schema import make_schema
from schema.engine import bounds
from schema.engine.costs import Costs, lists
from schema.engine.guard import Guard, Schema
from schema.engine.limits import LimitExceeded, Limits, check
from schema.engine.masking import ERRORS_MAX, public_errors
from tests.support import staffed_provider
from tests.support.factories import a_client
from tests.support.providers import key
from tests.support.subscriptions import responses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.invoices.invoice import Invoice
    from tests.support.factories import Client

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent
SCHEMA = make_schema()
#: Where every setting is at its largest.
LARGEST = Costs(SCHEMA._schema, lists(payments_per_invoice=200, currencies=180))


def refused(document: str, **variables: Any) -> bool:
    """Whether it is too much, whatever there is in the database."""
    try:
        check(parse(document), Limits(), variables or None, SCHEMA.costs)
    except LimitExceeded:
        return True
    return False


def again(selection: str, times: int, inner: str = "id") -> str:
    """`selection` in itself, and `inner` in the last."""
    parts = selection.split("…")
    return parts[0].join([""] * (times + 1)) + inner + parts[1] * times


# ------------------------------------------------------------------------------- before

ROUND = "payments { invoice { … } }"
DEEP = {
    "a cycle": "{ invoice { " + again(ROUND, 3) + " } }",
    "the issue's own": "{ invoice { " + again(ROUND, 4) + " } }",
    "under a page": "{ invoices(first: 100) { edges { node { " + again(ROUND, 2) + " } } } }",
    "under nodes": "{ nodes(ids: $ids) { ... on Invoice { " + again(ROUND, 2) + " } } }",
    "under a list of ids": (
        "{ nodes(ids: [" + '"inv_1" ' * 100 + "]) { ... on Invoice { " + again(ROUND, 2) + " } } }"
    ),
    "under an interface": "{ node(id: 1) { ... on Payment { invoice { " + again(ROUND, 3) + "}}}}",
    "through fragments": (
        "{ invoice { ...A } } fragment A on Invoice { payments { invoice { ...B } } } "
        "fragment B on Invoice { payments { invoice { ...C } } } "
        "fragment C on Invoice { payments { invoice { payments { id } } } }"
    ),
    "through inline fragments": (
        "{ invoice { " + again("... { payments { ... on Payment { invoice { … } } } }", 3) + " } }"
    ),
    "through aliases": (
        "{ invoices(first: 40) { edges { node { payments { invoice { "
        + " ".join(f"a{n}: payments {{ id fee {{ amount }} }}" for n in range(9))
        + " } } } } } }"
    ),
    "refunds": "{ invoice { " + again("payments { refunds { payment { invoice { … }}}}", 2) + "}}",
    "allocations": "{ invoice { " + again("payments { allocations { invoice { … }}}", 2) + " } }",
    "allocations under a page": (
        "{ invoices(first: 100) { edges { node { payments { allocations { invoice { "
        "payments { id } } } } } } } }"
    ),
    "several in a mutation": (
        'mutation { payInvoices(input: {invoiceIds: ["1"], idempotencyKey: "1"}) '
        "{ invoices { " + again(ROUND, 3) + " } } }"
    ),
    "lines at the end": "{ invoice { " + again(ROUND, 2, "lines { description }") + " } }",
    "leaves at the end": "{ invoice { "
    + again(ROUND, 2, "payments { gateway { currencies }}")
    + " } }",
    "in a subscription": "subscription { invoiceUpdated(id: 1) { " + again(ROUND, 3) + " } }",
    "in a mutation": (
        'mutation { voidInvoice(input: {invoiceId: 1, reason: "", idempotencyKey: "1"}) '
        "{ invoice { " + again(ROUND, 3) + " } } }"
    ),
    "in a second operation": (
        "query A { viewer { role } } query B { invoice { " + again(ROUND, 3) + " } }"
    ),
    "pages in statements": (
        "{ creditTransactions(first: 100) { edges { node { invoice { "
        + again(ROUND, 2)
        + " } } } } }"
    ),
    "pages in pages": (
        "{ accounts(first: 100) { edges { node { balances { currency } "
        + " ".join(f"a{n}: balances {{ available {{ formatted }} }}" for n in range(9))
        + " } } } }"
    ),
}


@pytest.mark.parametrize("name", DEEP)
def test_lists_in_lists_are_refused_before_anything_is_read(name: str) -> None:
    assert refused(DEEP[name])


def test_each_turn_of_a_cycle_costs_fifty_times_as_much() -> None:
    turns = [n for n in range(5) if not refused("{ invoice { " + again(ROUND, n) + " } }")]
    assert turns == [0, 1, 2]


def test_lists_in_variables_are_as_long_as_they_are() -> None:
    document = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Invoice { %s } } }"
    document %= again(ROUND, 2)
    assert not refused(document, ids=["inv_1"])
    assert not refused(document, ids="inv_1")
    assert refused(document, ids=["inv_1"] * 100)
    assert refused(document)
    assert refused(document.replace("!]!", '!] = ["1", "2", "3", "4", "5"]'), x=1)


INTROSPECTION = {
    "types of types": "{ __schema { types { fields { type { fields { type { fields { name }}}}}}}}",
    "interfaces": "{ __type(name: 1) { possibleTypes { interfaces { possibleTypes { name }}}}}",
    "through fragments": (
        "{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B } } } "
        "fragment B on __Type { fields { type { inputFields { name } } } }"
    ),
}


@pytest.mark.parametrize("name", INTROSPECTION)
def test_introspection_does_not_go_round_in_circles(name: str) -> None:
    assert refused(INTROSPECTION[name])


def own_documents() -> Iterable[str]:
    """What the portal, GraphiQL and the reference clients ask."""
    yield from Built().documents.values()
    ready = (ROOT / "api" / "web" / "graphiql" / "documents.ts").read_text(encoding="utf-8")
    yield from re.findall(r"graphql\(`(.*?)`\)", ready, re.DOTALL)
    yield get_introspection_query(input_value_deprecation=True, specified_by_url=True)


def test_our_own_documents_are_far_from_the_limit_whatever_is_set() -> None:
    documents = list(own_documents())
    assert len(documents) > 20
    limits = replace(Limits(), cost=Limits().cost // 4)
    for document in documents:
        check(parse(document), limits, costs=LARGEST)


@pytest.mark.parametrize(
    "document",
    [
        (
            "{ invoices(first: 100) { edges { node { id number lines { description quantity "
            "taxRate unitPrice { amount currency } total { amount } } } } } }"
        ),
        (
            "{ invoices(first: 100) { edges { node { number payments { id status gateway { code } "
            "amount { amount } } } } } }"
        ),
        (
            "{ invoices { edges { node { number lines { description unitPrice { formatted } total "
            "{ formatted } } payments { status failureMessage receiptUrl } } } } }"
        ),
        (
            "{ accounts(first: 100) { edges { node { name balances { currency "
            "available { amount } } } } } }"
        ),
        (
            "{ invoice(id: 1) { payments { id status allocations { amount { amount } "
            "invoice { id number status amountDue { amount } } } } } }"
        ),
        (
            "{ creditTransactions(first: 100) { edges { node { description invoice { number } "
            "payment { status } } } } }"
        ),
    ],
)
def test_what_portals_and_accounting_ask_passes(document: str) -> None:
    assert not refused(document)


# ------------------------------------------------------------------------------- meanwhile


@pytest.fixture
async def client(db: str, monkeypatch: pytest.MonkeyPatch) -> Client:  # noqa: ARG001 - it is open
    staffed_provider.wire_provider(monkeypatch)
    return await a_client()


async def with_payments(client: Client, number: int) -> Invoice:
    """An invoice that so many payments were begun of and given up, whoever let them."""
    invoice = await client.order()
    first = sql.row_of(await client.begin(invoice))
    rows = [
        {**first, "id": new_id(), "reference": key(), "status": "CANCELED", "action": None}
        for _ in range(number - 1)
    ]
    for start in range(0, len(rows), 20):
        await sql.insert("payment", rows[start : start + 20])
    return invoice


def with_bounds(**bounds: Any) -> Schema:
    seconds = bounds.pop("seconds", 60.0)
    return SCHEMA.guarded(Guard(limits=Limits(**bounds), query_seconds_max=seconds))


async def answered(schema: Schema, client: Client, document: str) -> list[dict[str, Any]] | None:
    """The public errors of an operation; None where it has none."""
    result = await schema.execute(document, {}, staffed_provider.context(client.actor))
    return public_errors(result.errors) if result.errors else None


def asked_twice(invoice: Invoice) -> str:
    return f'{{ invoice(id: "{invoice.public_id}") {{ {again(ROUND, 2)} }} }}'


async def test_a_cycle_that_passes_is_answered_with_all_its_objects(client: Client) -> None:
    invoice = await with_payments(client, 50)
    result = await SCHEMA.execute(asked_twice(invoice), {}, staffed_provider.context(client.actor))
    assert result.errors is None
    assert result.data is not None
    payments = result.data["invoice"]["payments"]
    assert [len(payments), len(payments[49]["invoice"]["payments"])] == [50, 50]


async def test_more_data_than_there_may_be_ends_the_whole_query(client: Client) -> None:
    """Each money transfer that comes in is booked, so that a list can be longer than it may be."""
    invoice = await with_payments(client, 40)
    errors = await answered(with_bounds(objects=2_000), client, asked_twice(invoice))
    assert errors is not None
    assert [error["extensions"]["code"] for error in errors] == ["LIMIT_EXCEEDED"]
    assert "2000" in errors[0]["message"]
    assert await answered(with_bounds(objects=5_000), client, asked_twice(invoice)) is None


async def test_plain_lists_are_counted_as_well(client: Client) -> None:
    invoice = await with_payments(client, 30)
    plain = f'{{ invoice(id: "{invoice.public_id}") {{ payments {{ id amount {{ amount }} }} }} }}'
    assert await answered(with_bounds(objects=25), client, plain) is not None
    assert await answered(with_bounds(objects=40), client, plain) is None


async def test_time_is_up_although_nothing_waits(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No timer rings while the processor is at work: each object is a look at the clock."""
    invoice = await with_payments(client, 40)
    ticks = count()
    monkeypatch.setattr(bounds, "monotonic", lambda: next(ticks) / 100)
    errors = await answered(with_bounds(seconds=5.0), client, asked_twice(invoice))
    assert errors is not None
    assert errors[-1]["message"] == "The query took longer than 5 seconds."
    assert len(errors) == 1
    # 501 looks are five seconds; what had begun by then looks once more.
    assert next(ticks) < 1_000


async def test_a_mutation_is_not_stopped_by_the_clock(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await client.order()
    ticks = count(0, 1_000)
    monkeypatch.setattr(bounds, "monotonic", lambda: float(next(ticks)))
    document = (
        f'mutation {{ payInvoice(input: {{invoiceId: "{invoice.public_id}", gateway: "card", '
        'idempotencyKey: "1"}) { payment { id invoice { number } } userErrors { code } } }'
    )
    assert await answered(with_bounds(seconds=1.0), client, document) is None


async def test_each_event_of_a_subscription_has_bounds_of_its_own(client: Client) -> None:
    few, many = await with_payments(client, 10), await with_payments(client, 40)
    schema = with_bounds(objects=500)
    for invoice, refused in ((few, False), (many, True)):
        document = (
            f'subscription {{ invoiceUpdated(id: "{invoice.public_id}") {{ {again(ROUND, 2)} }} }}'
        )
        events = responses(schema, document, staffed_provider.context(client.actor))
        first = await anext(events)
        await events.aclose()
        codes = [(error.extensions or {}).get("code") for error in first.errors or ()]
        assert codes == ["LIMIT_EXCEEDED"] * refused


async def test_introspection_many_times_over_ends_as_well() -> None:
    everything = "fields { name args { name type { name } } type { fields { name type { name }}}}"
    aliases = " ".join(f"a{n}: types {{ b{n}: {everything} }}" for n in range(14))
    result = await SCHEMA.execute(f"{{ __schema {{ {aliases} }} }}", {}, staffed_provider.context())
    assert [error.extensions for error in result.errors or ()] == [{"code": "LIMIT_EXCEEDED"}]
    standard = get_introspection_query(input_value_deprecation=True)
    assert (await SCHEMA.execute(standard, {}, staffed_provider.context())).errors is None


def test_an_error_a_row_is_not_an_answer_without_end() -> None:
    told = public_errors([LimitExceeded(f"{n}") for n in range(ERRORS_MAX * 30)])
    assert len(told) == ERRORS_MAX + 1
    assert told[-1]["message"] == f"… and {ERRORS_MAX * 29} more errors."
