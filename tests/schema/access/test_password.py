"""Passwords, addresses and sign-up through GraphQL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from models.access import session
from models.access.credential import actor_of_credential
from models.access.user import User
from models.money import Money
from models.provider import provider as providers
from models.provider.provider import Limits, Provider
from schema import make_schema
from tests.support.edge import Edge
from tests.support.identities import ADDRESS, a_client, wire_small_provider
from tests.support.identities import PASSWORD as OLD
from tests.support.people import OTHER, Postbox
from tests.support.providers import key

if TYPE_CHECKING:
    from models.mail.mailer import Letter

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db")]

SCHEMA = make_schema()
ERRORS = "userErrors { __typename code field message }"
RESET = (
    "mutation ($email: String!) { requestPasswordReset(input: {email: $email})"
    f" {{ {ERRORS} }} }}"
)
SET = (
    "mutation ($token: String!, $password: String!) {"
    " setPassword(input: {token: $token, password: $password}) {"
    f" token viewer {{ role account {{ email }} }} {ERRORS} }} }}"
)
CONFIRM = (
    "mutation ($token: String!) { confirmEmail(input: {token: $token}) {"
    f" viewer {{ account {{ email name currency locale }} }} {ERRORS} }} }}"
)
SIGN_UP = (
    'mutation ($email: String!, $key: String!) { signUp(input: {email: $email, name: "Bo",'
    f' password: "{OTHER}", currency: "USD", idempotencyKey: $key}}) {{'
    f" token viewer {{ role }} {ERRORS} }} }}"
)


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    wired = wire_small_provider(monkeypatch)
    limits = {"USD": Limits(Money(500, "USD"), Money(50_000, "USD"))}
    opened = replace(wired, sign_up="open", limits=limits)
    monkeypatch.setattr(providers, "_provider", opened)
    return opened


@pytest.fixture
def edge() -> Edge:
    return Edge(SCHEMA)


async def mailed() -> Letter:
    return await Postbox().only()


async def test_a_reset_ends_in_a_session_with_a_cookie(edge: Edge) -> None:
    await a_client()
    assert await edge.run(RESET, email="ADA@example.com") == {
        "requestPasswordReset": {"userErrors": []}
    }
    token = (await mailed()).token
    weak = (await edge.run(SET, token=token, password="password12345"))["setPassword"]
    assert (weak["token"], weak["viewer"], edge.cookies) == (None, None, [])
    assert [(one["code"], one["field"]) for one in weak["userErrors"]] == [
        ("WEAK_PASSWORD", ["password"])
    ]
    done = (await edge.run(SET, token=token, password=OTHER))["setPassword"]
    assert done["viewer"] == {"role": "CLIENT", "account": {"email": "ada@example.com"}}
    assert edge.cookies == [done["token"]]
    assert await actor_of_credential(done["token"], ADDRESS) == edge.context.actor
    again = (await edge.run(SET, token=token, password=OTHER))["setPassword"]
    assert [(one["code"], one["field"]) for one in again["userErrors"]] == [
        ("TOKEN_REFUSED", ["token"])
    ]


async def test_signing_up_answers_alike_and_confirming_signs_in(edge: Edge) -> None:
    await a_client()
    answers: list[Any] = [
        await edge.run(SIGN_UP, email=email, key=key())
        for email in ("ada@example.com", "bo@example.com")
    ]
    assert answers[0] == answers[1]
    assert answers[0] == {"signUp": {"token": None, "viewer": None, "userErrors": []}}
    assert edge.cookies == []
    letters = {letter.recipient: letter for letter in await Postbox().fetched()}
    token = letters["bo@example.com"].token
    done = (await edge.run(CONFIRM, token=token))["confirmEmail"]
    account = {"email": "bo@example.com", "name": "Bo", "currency": "USD", "locale": "en"}
    assert done == {"viewer": {"account": account}, "userErrors": []}
    assert len(edge.cookies) == 1


async def test_a_changed_password_keeps_the_session_that_changed_it(edge: Edge) -> None:
    edge.context.actor, mine = await session.open_session(await a_client())
    _, other = await session.open_session(await User.get(email="ada@example.com"))
    change = (
        "mutation ($old: String!, $new: String!) {"
        " changePassword(input: {currentPassword: $old, newPassword: $new})"
        f" {{ {ERRORS} }} }}"
    )
    wrong = (await edge.run(change, old="wrong horse battery", new=OTHER))["changePassword"]
    assert [(one["code"], one["field"]) for one in wrong["userErrors"]] == [
        ("INVALID_CREDENTIALS", ["currentPassword"])
    ]
    assert (await edge.run(change, old=OLD, new=OTHER)) == {"changePassword": {"userErrors": []}}
    assert await actor_of_credential(mine, ADDRESS) is not None
    assert await actor_of_credential(other, ADDRESS) is None


async def test_an_address_is_changed_by_the_link_sent_there(edge: Edge) -> None:
    edge.context.actor, _ = await session.open_session(await a_client())
    change = (
        "mutation ($email: String!, $password: String!) {"
        f" changeEmail(input: {{email: $email, password: $password}}) {{ {ERRORS} }} }}"
    )
    await edge.run(change, email="ada@new.example", password=OLD)
    letter = await mailed()
    assert letter.recipient == "ada@new.example"
    done = (await edge.run(CONFIRM, token=letter.token))["confirmEmail"]
    assert done["viewer"]["account"]["email"] == "ada@new.example"
    assert (await mailed()).recipient == "ada@example.com"
