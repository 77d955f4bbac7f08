"""Every field of the API, asked for by every kind of caller: the answer, and that nothing changed.

The table is `tests.support.access.table`; `callers.py` beside it says who the callers are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from httpx_ws import WebSocketDisconnect, aconnect_ws

from tests.support.access import table
from tests.support.access.callers import CALLERS, DEAD, PDF, PopulatedServer
from tests.support.access.verdicts import SCHEMA, Body, a_target, verdict
from tests.support.providers import key

if TYPE_CHECKING:
    from httpx_ws import AsyncWebSocketSession

    from tests.support.access.table import Ask

pytestmark = pytest.mark.once


NONE: Final = "0" * 32
#: The same answer for what is not yours and for what there is not.
HIDDEN: Final = frozenset("N-0")


def test_the_table_has_every_field_of_the_schema() -> None:
    every = table.fields_of(SCHEMA)
    common = {field for name in SCHEMA.type_map for field in table.common(name)} & every
    assert every - table.covered() - common == set(), "a field without a row"
    assert table.covered() - every == set(), "a row without a field"
    nodes = {each.name for each in SCHEMA.get_possible_types(SCHEMA.type_map["Node"])}
    assert set(table.NODES) == nodes
    for ask in table.rows():
        assert {len(letters) for _, letters in ask.verdicts.values()} == {len(CALLERS)}


# ------------------------------------------------------------------------------- verdicts


def assert_verdicts(populated: PopulatedServer, ask: Ask, caller: str, body: Body) -> None:
    for field, (path, letters) in ask.verdicts.items():
        expected = letters[CALLERS.index(caller)]
        assert (field, caller, verdict(populated, body, path)) == (field, caller, expected), body
        if expected not in "+~" and not body.get("data"):
            assert not populated.shows_ada(json.dumps(body)), body


def assert_dead(response: httpx.Response) -> None:
    assert response.status_code == 401
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}


def hers(populated: PopulatedServer, ask: Ask) -> Body:
    """The variables of a query: Ada's."""
    on_payment = "... on Payment" in ask.document
    what = "refund" if "on Refund" in ask.document else "payment" if on_payment else "invoice"
    what = "bank_credit" if "on BankCredit" in ask.document else what
    what = "hold" if "on Hold" in ask.document else what
    return populated.ids | {"id": populated.ids[what]}


def absent(variables: Body) -> Body:
    """The same, of what does not exist."""
    return {
        name: f"{value.partition('_')[0]}_{NONE}" if "_" in value else "INV-1999-000001"
        for name, value in variables.items()
    }


def first_letter(ask: Ask, caller: str) -> str:
    (_, letters) = next(iter(ask.verdicts.values()))
    return letters[CALLERS.index(caller)]


def name_of(ask: Ask) -> str:
    return next(iter(ask.verdicts))


# ------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("ask", [*table.QUERIES, *table.EDGES], ids=name_of)
async def test_a_query_tells_each_caller_their_own_and_changes_nothing(
    populated: PopulatedServer, ask: Ask
) -> None:
    before, variables = await populated.digest(), hers(populated, ask)
    for caller in CALLERS:
        response = await populated.post(ask.document, caller, variables)
        assert_verdicts(populated, ask, caller, response.json())
        if first_letter(ask, caller) in HIDDEN and "$" in ask.document:
            nothing = await populated.post(ask.document, caller, absent(variables))
            assert (nothing.status_code, nothing.json()) == (response.status_code, response.json())
    for caller in DEAD:
        assert_dead(await populated.post(ask.document, caller, variables))
    assert await populated.digest() == before


@pytest.mark.parametrize("type_", table.NODES)
async def test_an_id_finds_its_object_for_those_who_may_see_it(
    populated: PopulatedServer, type_: str
) -> None:
    what, letters = table.NODES[type_]
    id = populated.ids.get(what, "gtw_sandbox")
    before = await populated.digest()
    one = "query ($id: ID!) { node(id: $id) { __typename id } }"
    many = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
    for caller, letter in zip(CALLERS, letters, strict=True):
        alone = await populated.post(one, caller, {"id": id})
        together = await populated.post(many, caller, {"ids": [id, f"{what}_{NONE}"]})
        if letter == "U":
            assert verdict(populated, alone.json(), "node") == "U"
            assert verdict(populated, together.json(), "nodes") == "U"
            continue
        found = None if letter == "-" else {"__typename": type_, "id": id}
        assert (caller, alone.json()) == (caller, {"data": {"node": found}})
        assert (caller, together.json()) == (caller, {"data": {"nodes": [found, None]}})
    for caller in DEAD:
        assert_dead(await populated.post(one, caller, {"id": id}))
        assert_dead(await populated.post(many, caller, {"ids": [id]}))
    assert await populated.digest() == before


def plain_selection(type_: str) -> str:
    """All plain fields of a type, with what their arguments and values need."""
    arguments = {
        "minimum": '(currency: "USD")',
        "maximum": '(currency: "USD")',
        "fee": '(amount: {amount: "5.00", currency: "USD"})',
    }
    of = SCHEMA.type_map[type_].fields
    names = table.PLAIN[type_].split()
    given = {name: arguments.get(name, "") if of[name].args else "" for name in names}
    return " ".join(f"{name}{given[name]} {inside(of[name].type)}" for name in names)


def inside(type_: Any) -> str:
    named = get_named_type(type_)
    if is_leaf_type(named):
        return ""
    assert isinstance(named, GraphQLObjectType)
    return "{ id }" if named.name == "Gateway" else "{ __typename }"


@pytest.mark.parametrize("type_", table.PLAIN)
async def test_whoever_has_an_object_reads_all_that_is_plain_of_it(
    populated: PopulatedServer, type_: str
) -> None:
    what, letters = table.NODES[type_]
    id = populated.ids.get(what, "gtw_sandbox")
    selection = f"... on {type_} {{ {plain_selection(type_)} }}"
    document = f"query ($id: ID!) {{ node(id: $id) {{ {selection} }} }}"
    for caller, letter in zip(CALLERS, letters, strict=True):
        answer = (await populated.post(document, caller, {"id": id})).json()
        if letter in "+~":
            assert answer["data"]["node"]["id"] == id, answer
        else:
            assert not answer.get("data") or answer["data"] == {"node": None}


# ------------------------------------------------------------------------------- doing


def nowhere(variables: Body) -> Body:
    prefix = variables["target"].partition("_")[0]
    return variables | {"target": f"{prefix}_{NONE}", "key": key()}


@pytest.mark.parametrize("name", table.MUTATIONS)
async def test_a_mutation_is_done_by_those_who_may_and_changes_nothing_otherwise(
    populated: PopulatedServer, name: str
) -> None:
    ask = table.MUTATIONS[name]
    for caller in CALLERS:
        variables = await a_target(populated, name)
        before = await populated.digest()
        response = await populated.post(ask.document, caller, variables)
        assert_verdicts(populated, ask, caller, response.json())
        letter = first_letter(ask, caller)
        if letter in "UFN":
            if letter == "N":
                none = await populated.post(ask.document, caller, nowhere(variables))
                assert (none.status_code, none.json()) == (response.status_code, response.json())
            assert (caller, await populated.digest()) == (caller, before)
        elif letter != "R" and name not in {"signOut", "updateAccount", "switchAccount"}:
            assert (caller, await populated.digest()) != (caller, before)
        if name == "signOut" and caller in populated.users:
            assert_dead(await populated.post("{ viewer { role } }", caller))
            populated.callers[caller] = await populated.signed_in(caller)


@pytest.mark.parametrize("name", table.MUTATIONS)
async def test_who_is_somebody_no_more_does_nothing(populated: PopulatedServer, name: str) -> None:
    variables = await a_target(populated, name)
    before = await populated.digest()
    for caller in DEAD:
        assert_dead(await populated.post(table.MUTATIONS[name].document, caller, variables))
    assert await populated.digest() == before


# ------------------------------------------------------------------------------- listening


@pytest.mark.parametrize("ask", table.SUBSCRIPTIONS, ids=name_of)
async def test_a_stream_is_for_those_who_may_listen(populated: PopulatedServer, ask: Ask) -> None:
    before, variables = await populated.digest(), hers(populated, ask)
    for caller in CALLERS:
        body = await first_event(populated, ask, caller, variables)
        assert_verdicts(populated, ask, caller, body)
        if first_letter(ask, caller) == "N":
            assert await first_event(populated, ask, caller, absent(variables)) == body
    for caller in DEAD:
        accept = {"accept": "text/event-stream"}
        assert_dead(await populated.post(ask.document, caller, variables, **accept))
    assert await populated.digest() == before


@pytest.mark.parametrize("ask", table.SUBSCRIPTIONS, ids=name_of)
async def test_a_socket_is_for_those_who_may_listen(populated: PopulatedServer, ask: Ask) -> None:
    variables = hers(populated, ask)
    for caller in CALLERS:
        body = await first_message(populated, ask, caller, variables)
        assert_verdicts(populated, ask, caller, body)
    for caller in DEAD:
        assert await first_message(populated, ask, caller, variables) == {"closed": 4403}


async def first_event(populated: PopulatedServer, ask: Ask, caller: str, variables: Body) -> Body:
    async with populated.http.stream(
        "POST",
        "/graphql",
        json={"query": ask.document, "variables": variables},
        headers={"accept": "text/event-stream", **populated.callers[caller]},
    ) as response:
        async for line in response.aiter_lines():
            if line.startswith("data:") and len(line) > len("data: "):
                body: Body = json.loads(line.removeprefix("data:"))
                return body
    raise AssertionError("nothing came")


async def first_message(populated: PopulatedServer, ask: Ask, caller: str, variables: Body) -> Body:
    headers = dict(populated.callers[caller])
    payload = {"authorization": headers.pop("authorization", "")}
    socket: AsyncWebSocketSession
    async with aconnect_ws(
        f"{populated.url}/graphql",
        populated.http,
        subprotocols=["graphql-transport-ws"],
        headers=headers,
        keepalive_ping_interval_seconds=None,
    ) as socket:
        await socket.send_json({"type": "connection_init", "payload": payload})
        try:
            assert await socket.receive_json(20) == {"type": "connection_ack"}
        except WebSocketDisconnect as closed:
            return {"closed": closed.code}
        asked = {"query": ask.document, "variables": variables}
        await socket.send_json({"type": "subscribe", "id": "1", "payload": asked})
        message = await socket.receive_json(20)
    if message["type"] == "error":
        return {"errors": message["payload"]}
    body: Body = message["payload"]
    return body


# ------------------------------------------------------------------------------- documents


async def test_a_pdf_link_works_for_its_invoice_alone_whoever_has_it(
    populated: PopulatedServer,
) -> None:
    asked = "query ($id: ID!) { invoice(id: $id) { pdfUrl } }"
    url = (await populated.data(asked, "client", id=populated.ids["invoice"]))["invoice"]["pdfUrl"]
    link = url.removeprefix(populated.settings.public_url)
    other = (await populated.an_order()).public_id
    before = await populated.digest()
    wrong = [
        link.partition("?")[0],
        link.replace(populated.ids["invoice"], other),
        link.replace(populated.ids["invoice"], f"inv_{NONE}"),
        link.replace("locale=en", "locale=ja"),
        link.replace("expires=", "expires=9"),
        link.replace("signature=", "signature=A"),
    ]
    answers = set()
    for caller in (*CALLERS, *DEAD):
        headers = populated.callers[caller]
        good = await populated.http.get(link, headers=headers)
        assert (good.status_code, good.content) == (200, PDF)
        for one in wrong:
            answer = await populated.http.get(one, headers=headers)
            answers.add((answer.status_code, answer.text))
        # Credentials open no document: a link is asked for.
        token = headers.get("authorization", "").removeprefix("Bearer ")
        bare = f"/documents/{populated.ids['invoice']}.pdf?token={token}"
        assert (await populated.http.get(bare)).status_code == 404
    assert answers == {(404, "This document doesn't exist.\n")}
    assert await populated.digest() == before
