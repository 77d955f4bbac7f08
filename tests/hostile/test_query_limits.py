"""No request costs more than its limit: the real application, asked by somebody signed in."""

from __future__ import annotations

import json
from time import process_time
from typing import TYPE_CHECKING

import httpx
import pytest
from asyncpg import QueryCanceledError
from graphql import GraphQLObjectType, parse

from models.access import session
from models.access.user import create_staff
from models.db import sql, transactions
from schema import make_schema
from schema.engine.costs import lists
from schema.engine.limits import LimitExceeded, Limits, check
from tests.support.application import demo_settings, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.once


SECONDS_MAX = 0.1
#: The documents that take longest to refuse stop just within the length that is read at all.
LONGEST = 60_000


@pytest.fixture(scope="module")
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A member of staff, who may ask for everything."""
    async with running(demo_settings(url)) as client:
        _, token = await session.open_session(await create_staff("staff@example.com", None))
        client.headers["authorization"] = f"Bearer {token}"
        await client.post("/graphql", json={"query": "{ viewer { role } }"})
        yield client


def bomb(levels: int, spread: str) -> str:
    """Fragments that each spread the next one twice."""
    chain = [f"fragment F{n} on Account {{ {spread.format(n + 1)} }}" for n in range(levels)]
    last = f"fragment F{levels} on Account {{ id }}"
    return "{ viewer { account { ...F0 } } } " + " ".join([*chain, last])


def many(text: str, count: int) -> str:
    return " ".join(text.replace("#", str(n)) for n in range(count))


WIDE = "a#: invoices(first: 100) { edges { node { id number } } }"
REFUSED: dict[str, str] = {
    "2^25 by nested fields": bomb(25, "balance {{ updatedAt }} a: balance {{ ...F{0} }} ...F{0}"),
    "2^25 by spreads": bomb(25, "...F{0} ...F{0}"),
    "2^25 by inline fragments": bomb(25, "... {{ ...F{0} }} ... {{ ...F{0} }}"),
    "a circle of fragments as long as can be": (
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 60} }}" for n in range(60))
    ),
    "tokens": "{ " + "viewer { role } " * 600 + "}",
    "tokens without end": "{ " + "a " * (LONGEST // 2) + "}",
    "depth": "{ node(id: 1) " + "{ a " * 50 + "}" * 50 + " }",
    "depth that the parser recurses into": "{ a" * (LONGEST // 4),
    "lists in arguments": "{ nodes(ids: " + "[" * 900 + "]" * 900 + ") { id } }",
    "objects in arguments": "{ node(id: " + "{a: " * 400 + "1" + "}" * 400 + ") { id } }",
    "aliases": "{ viewer { " + many("a#: role", 60) + " } }",
    "a thousand aliases": "{ " + many("a#: viewer { role }", 1000) + " }",
    "directives": "{ viewer { role " + "@skip(if: false) " * 60 + "} }",
    "unknown directives": "{ viewer @a" + "@a" * 500 + " { role } }",
    "root fields": "{ " + many("viewer { role }", 30) + " }",
    "mutations": "mutation { " + many("a#: signOut { userErrors { code } }", 11) + " }",
    "operations": many("query Q# { viewer { role } }", 500),
    "cost": "{ " + many(WIDE, 30) + " }",
    "cost by nesting": (
        "{ accounts(first: 100) { edges { node { balances { available { amount } reserved "
        "{ amount } debt { amount } "
        "promotional { amount } pending { amount } } id name email locale currency } } }"
        + many("b#: accounts(first: 100) { edges { node { balances { id version } } } }", 25)
        + " }"
    ),
    "the same again": "{ viewer { " + "account { id } " * 60 + "} }",
    "comments": "#\n" * 20_000 + "{ viewer { role } }",
    "a long name": "{ " + "a" * (LONGEST * 2) + " }",
    "many voucher codes": (
        "mutation { "
        + many(
            'a#: redeemVoucher(input: {code: "#", idempotencyKey: "#"}) { userErrors { code } }', 9
        )
        + " }"
    ),
    "many voucher codes in fragments": (
        "mutation { ...A ...B } "
        'fragment A on Mutation { a: redeemVoucher(input: {code: "1", idempotencyKey: "1"}) '
        "{ userErrors { code } } } "
        'fragment B on Mutation { b: redeemVoucher(input: {code: "2", idempotencyKey: "2"}) '
        "{ userErrors { code } } }"
    ),
    "many passwords": (
        "mutation { " + many('a#: signIn(input: {email: "a", password: "#"}) { token }', 9) + " }"
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_hostile_document_is_refused_at_once_and_with_a_code(
    http: httpx.AsyncClient, name: str
) -> None:
    body = json.dumps({"query": REFUSED[name]}).encode()
    headers = {"content-type": "application/json"}
    # Of the processor, and the least of three: other tests keep the machine busy.
    seconds = []
    for _ in range(3):
        began = process_time()
        answer = await http.post("/graphql", content=body, headers=headers)
        seconds.append(process_time() - began)
        assert answer.status_code == 400, answer.text
        codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
        assert codes <= {"LIMIT_EXCEEDED", "BAD_USER_INPUT"}
        assert "data" not in answer.json()
        assert len(answer.content) < 5000
    assert min(seconds) < SECONDS_MAX


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in REFUSED
        if name
        not in {
            "depth that the parser recurses into",
            "a circle of fragments as long as can be",
            "lists in arguments",
            "objects in arguments",
        }
    ],
)
async def test_what_is_too_much_is_said_to_be(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.post("/graphql", json={"query": REFUSED[name]})
    assert answer.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"


async def test_page_sizes_in_variables_count(http: httpx.AsyncClient) -> None:
    wide = WIDE.replace("100", "$n").replace("number", "number kind status")
    query = "query ($n: Int!) { " + many(wide, 18) + " }"
    for n, status in ((1, 200), (100, 400), (2_000_000_000, 400)):
        answer = await http.post("/graphql", json={"query": query, "variables": {"n": n}})
        assert answer.status_code == status, (n, answer.text)


PAGED = [
    name
    for name, one in make_schema()._schema.query_type.fields.items()  # type: ignore[union-attr]
    if "first" in one.args
]


@pytest.mark.parametrize("field", PAGED)
@pytest.mark.parametrize(
    "page",
    [
        "first: 101",
        "first: 1000000000",
        "last: 101",
        "first: -1",
        "last: -1",
        "first: 1, last: 1",
        'after: "nonsense"',
        'before: "AAAA"',
        'after: "' + "A" * 5000 + '"',
        "first: 99999999999999999999",
        "first: 1.5",
    ],
)
async def test_no_page_is_larger_than_a_hundred(
    http: httpx.AsyncClient, field: str, page: str
) -> None:
    whose = f'accountId: "acc_{"0" * 32}", ' if field == "creditTransactions" else ""
    answer = await http.post(
        "/graphql", json={"query": f"{{ {field}({whose}{page}) {{ totalCount }} }}"}
    )
    assert answer.status_code < 500
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] in {"BAD_USER_INPUT", "NOT_FOUND", "LIMIT_EXCEEDED"}


def test_every_list_of_the_schema_is_a_page_or_says_how_long_it_can_be() -> None:
    """A list that grows with the data is a connection; all others are in schema/engine/costs.py."""
    found = {
        f"{one.name}.{name}"
        for one in make_schema()._schema.type_map.values()
        if isinstance(one, GraphQLObjectType) and not one.name.startswith("__")
        for name, field in one.fields.items()
        if "[" in str(field.type) and name not in {"edges", "userErrors", "field"}
    }
    assert found == set(lists(payments_per_invoice=50, currencies=30))


async def test_no_more_than_a_hundred_nodes_are_fetched_at_once(http: httpx.AsyncClient) -> None:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = [f"inv_{n:032x}" for n in range(101)]
    for count, refused in ((100, False), (101, True)):
        answer = await http.post(
            "/graphql", json={"query": query, "variables": {"ids": ids[:count]}}
        )
        assert ("errors" in answer.json()) == refused


async def test_a_body_beyond_a_mebibyte_is_413(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    within = await http.post("/graphql", content=b" " * 2**20, headers=headers)
    beyond = await http.post("/graphql", content=b" " * (2**20 + 1), headers=headers)
    assert (within.status_code, beyond.status_code) == (400, 413)
    assert beyond.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"


@pytest.mark.postgres_only
@pytest.mark.usefixtures("http")
async def test_the_database_stops_a_statement_that_takes_too_long() -> None:
    [row] = await sql.fetch("SELECT setting FROM pg_settings WHERE name = 'statement_timeout'")
    assert row["setting"] == "15000"

    async def dawdle() -> None:
        await sql.execute("SET LOCAL statement_timeout = 50")
        await sql.fetch("SELECT pg_sleep(10)")

    with pytest.raises(QueryCanceledError, match="statement timeout"):
        await transactions.transaction(dawdle)
    [row] = await sql.fetch("SELECT 1 AS one")
    assert row["one"] == 1


def test_a_fragment_bomb_costs_the_same_however_deep_it_is() -> None:
    """Linear: forty-eight levels cost about twice what twenty-four do, not 2^24 times."""

    def quickest(levels: int) -> float:
        document = parse(bomb(levels, "...F{0} ...F{0}"))
        seconds: list[float] = []
        for _ in range(20):
            began = process_time()
            with pytest.raises(LimitExceeded):
                check(document, Limits())
            seconds.append(process_time() - began)
        return min(seconds)

    assert quickest(48) < 10 * quickest(24) + 0.001
