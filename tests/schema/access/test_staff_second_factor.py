"""Staff without a second factor can do nothing but set one up, whatever they ask."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from models.access import session
from models.access.api_key import create_key
from models.access.credential import actor_of_credential, holding
from models.access.user import User, create_staff
from models.provider import provider as providers
from tests.support.access import table
from tests.support.factors import an_app, code_of
from tests.support.identities import ADDRESS, PASSWORD, a_client, wire_small_provider
from tests.support.staffed_provider import SCHEMA, ask, context, data
from tests.support.subscriptions import responses

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.provider.provider import Provider

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db")]

#: What works before: it says who asks, shows and ends their sessions, proves it again, and sets one
#: up. What needs nobody to be signed in is as for everybody.
TO_ENROL = {
    *("viewer", "creditPolicy", "signIn", "signOut", "completeSignIn"),
    *("signUp", "requestPasswordReset", "setPassword", "confirmEmail"),
    *("sessions", "endSession"),
    *("beginTotp", "confirmTotp", "beginPasskey", "confirmPasskey"),
    *("confirmIdentity", "beginConfirmIdentity"),
}
#: Values for every variable of the table's documents.
GIVEN = {
    "account": f"acc_{'0' * 32}",
    "id": f"inv_{'0' * 32}",
    "target": f"acc_{'0' * 32}",
    "number": "INV-1",
    "text": "text@example.com",
    "key": "a-key",
    "until": "2030-01-01T00:00:00Z",
}


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    wired = replace(wire_small_provider(monkeypatch), staff_second_factor=True)
    monkeypatch.setattr(providers, "_provider", wired)
    return wired


async def staff() -> tuple[User, Actor]:
    user = await create_staff("staff@example.com", PASSWORD)
    actor, _ = await session.open_session(user)
    return user, actor


def codes(result: Any) -> set[Any]:
    """The codes of all that was refused, at the top or in a payload."""
    found = {(error.extensions or {}).get("code") for error in result.errors or ()}
    payloads = [one for one in (result.data or {}).values() if isinstance(one, dict)]
    return found | {error["code"] for one in payloads for error in one.get("userErrors", ())}


async def first_answer(document: str, actor: Actor, variables: dict[str, str]) -> Any:
    if not document.startswith("subscription"):
        return await ask(document, actor, **variables)
    async with aclosing(responses(SCHEMA, document, context(actor), **variables)) as told:
        return await anext(told)


def fields_of(kind: str) -> list[str]:
    type_: Any = SCHEMA.core.type_map[kind]
    return list(type_.fields)


ROOTS = sorted(
    f"{kind}.{name}" for kind in ("Query", "Mutation", "Subscription") for name in fields_of(kind)
)


async def test_every_operation_is_asked() -> None:
    asked = {field for row in table.rows() for field in row.verdicts}
    assert set(ROOTS) - asked == {"Query.node", "Query.nodes"}


async def test_whatever_else_they_ask_is_refused() -> None:
    _, actor = await staff()
    assert actor.must_enrol
    for row in table.rows():
        name = next(iter(row.verdicts)).partition(".")[2]
        if next(iter(row.verdicts)) not in ROOTS or name in TO_ENROL:
            continue
        declared = {name: value for name, value in GIVEN.items() if f"${name}:" in row.document}
        result = await first_answer(row.document, actor, declared)
        assert codes(result) == {"SECOND_FACTOR_REQUIRED"}, row.document
    result = await ask(f'{{ node(id: "{GIVEN["account"]}") {{ id }} }}', actor)
    assert codes(result) == {"SECOND_FACTOR_REQUIRED"}
    result = await ask(f'{{ nodes(ids: ["{GIVEN["account"]}"]) {{ id }} }}', actor)
    assert codes(result) == {"SECOND_FACTOR_REQUIRED"}


async def test_a_mutation_says_so_in_its_payload_and_a_query_at_the_top() -> None:
    _, actor = await staff()
    document = """mutation { createAccount(input: {name: "A", email: "a@b.example",
        currency: "USD", idempotencyKey: "k"}) { userErrors { code message field } } }"""
    (error,) = (await data(document, actor))["createAccount"]["userErrors"]
    assert (error["code"], error["field"]) == ("SECOND_FACTOR_REQUIRED", None)
    assert await User.all().count() == 1
    (top,) = (await ask("{ accounts { totalCount } }", actor)).errors
    assert top.message == error["message"]


async def test_they_set_one_up_and_then_may_do_everything() -> None:
    _, actor = await staff()
    assert (await data("{ viewer { role secondFactors } }", actor))["viewer"] == {
        "role": "STAFF",
        "secondFactors": [],
    }
    begun = await data("mutation { beginTotp { secret uri userErrors { code } } }", actor)
    done = await data(
        """mutation ($code: String!) { confirmTotp(input: {code: $code}) {
            recoveryCodes viewer { secondFactors } userErrors { code } } }""",
        actor,
        code=code_of(begun["beginTotp"]["secret"]),
    )
    assert done["confirmTotp"]["viewer"]["secondFactors"] == ["TOTP", "RECOVERY_CODE"]
    assert len(done["confirmTotp"]["recoveryCodes"]) == 10
    enrolled = await session.as_it_is(actor)
    assert (await data("{ accounts { totalCount } }", enrolled))["accounts"]["totalCount"] == 0
    # What was open under the other rights is looked at again.
    assert await holding({actor, enrolled}) == {enrolled}


async def test_clients_partners_and_the_command_line_are_asked_for_none() -> None:
    client, _ = await session.open_session(await a_client())
    _, key = await create_key("Order desk", ["accounts:read"])
    partner = await actor_of_credential(key, ADDRESS)
    user, _ = await staff()
    assert partner is not None
    assert {one.must_enrol for one in (client, partner, user.actor())} == {False}


async def test_where_it_is_optional_staff_may_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_small_provider(monkeypatch)
    user, actor = await staff()
    assert not actor.must_enrol
    await an_app(user)
    assert not (await session.as_it_is(actor)).must_enrol
