"""Every operation of the API by every role: done, or refused and nothing has changed.

The table is `tests.support.access.roles`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from models.access.identity import MemberRole, Role
from models.access.member import Member
from models.access.user import add_user
from models.db import sql
from models.db.transactions import transaction
from tests.support.access import table
from tests.support.access.roles import MATRIX, ROLES
from tests.support.access.table import Ask
from tests.support.access.verdicts import SCHEMA, a_target, verdict
from tests.support.providers import key

if TYPE_CHECKING:
    from models.access.user import User
    from tests.support.access.callers import PopulatedServer
    from tests.support.access.verdicts import Body

pytestmark = pytest.mark.once

CALLERS: Final = {"anonymous": "nobody", "OWNER": "client"}
MEMBERS: Final = (MemberRole.BILLING, MemberRole.VIEWER)

#: Those that the table of access has no document for.
ASKS: Final = {
    "Query.node": Ask(
        "query ($account: ID!) { node(id: $account) { id } }", {"Query.node": ("node", "")}
    ),
    "Query.nodes": Ask(
        "query ($account: ID!) { nodes(ids: [$account]) { id } }", {"Query.nodes": ("nodes", "")}
    ),
}


def operations() -> set[str]:
    kinds = (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
    return {f"{kind.name}.{name}" for kind in kinds for name in kind.fields}


def document_of(operation: str) -> tuple[Ask, str]:
    """An operation's document, and where its answer is."""
    found = ASKS.get(operation) or next(ask for ask in table.rows() if operation in ask.verdicts)
    return found, operation.partition(".")[2]


async def members(populated: PopulatedServer) -> None:
    """Two people who use Ada's account beside her."""
    for role in MEMBERS:
        populated.users[role] = await a_member(populated, role)
        populated.callers[role] = await populated.signed_in(role)


async def a_member(populated: PopulatedServer, role: MemberRole) -> User:
    async def add() -> User:
        user = await add_user(role=Role.CLIENT, email=f"{key()}@member.example")
        account_id = populated.account_id
        await sql.add(Member(account_id=account_id, user_id=user.id, role=role.value))
        return user

    return await transaction(add)


async def variables_of(populated: PopulatedServer, operation: str, caller: str) -> Body:
    kind, _, name = operation.partition(".")
    if kind != "Mutation":
        return populated.ids | {"id": populated.ids["invoice"]}
    given = await a_target(populated, name)
    if name == "endSession" and caller in populated.users:
        given["target"] = await populated.a_session(caller)
    return given


def test_the_table_has_every_operation_of_the_schema() -> None:
    assert operations() - set(MATRIX) == set(), "an operation without a row"
    assert set(MATRIX) - operations() == set(), "a row without an operation"
    assert {len(letters) for letters in MATRIX.values()} == {len(ROLES)}


@pytest.mark.parametrize("operation", MATRIX)
async def test_an_operation_is_for_the_roles_that_may_and_changes_nothing_for_others(
    populated: PopulatedServer, operation: str
) -> None:
    if MemberRole.VIEWER not in populated.callers:
        await members(populated)
    ask, path = document_of(operation)
    for role, letter in zip(ROLES, MATRIX[operation], strict=True):
        if letter == "-":
            continue
        caller = CALLERS.get(role, role)
        variables = await variables_of(populated, operation, caller)
        before = await populated.digest()
        body = await answer(populated, operation, ask, caller, variables)
        told = verdict(populated, body, path)
        assert (role, told if told in "UFN" else "y") == (role, letter), body
        if letter != "y":
            assert (role, await populated.digest()) == (role, before)
            assert not populated.shows_ada(json.dumps(body)), body
        if path == "signOut" and caller in populated.users:
            populated.callers[caller] = await populated.signed_in(caller)


async def answer(
    populated: PopulatedServer, operation: str, ask: Ask, caller: str, variables: Body
) -> Body:
    if not operation.startswith("Subscription"):
        body: Body = (await populated.post(ask.document, caller, variables)).json()
        return body
    asked = {"query": ask.document, "variables": variables}
    headers: dict[str, Any] = {"accept": "text/event-stream", **populated.callers[caller]}
    async with populated.http.stream("POST", "/graphql", json=asked, headers=headers) as response:
        async for line in response.aiter_lines():
            if line.startswith("data:") and len(line) > len("data: "):
                first: Body = json.loads(line.removeprefix("data:"))
                return first
    raise AssertionError("nothing came")
