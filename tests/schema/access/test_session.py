"""Signing in and out through GraphQL."""

from __future__ import annotations

import pytest

from models.access import session
from models.access.api_key import create_key
from models.access.credential import actor_of_credential
from models.provider.provider import Provider
from schema import make_schema
from tests.support.edge import Edge
from tests.support.identities import ADDRESS, PASSWORD, a_client, wire_small_provider

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db")]

SCHEMA = make_schema()
VIEWER = "viewer { role scopes account { email locale } }"
SIGN_IN = (
    "mutation ($email: String!, $password: String!) {"
    "  signIn(input: {email: $email, password: $password}) {"
    f"    token {VIEWER} userErrors {{ __typename code field message }} }} }}"
)
ADA = {"role": "CLIENT", "scopes": [], "account": {"email": "ada@example.com", "locale": "ja"}}


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


@pytest.fixture
def edge() -> Edge:
    return Edge(SCHEMA)


async def test_signing_in_answers_who_it_is_with_a_token_and_a_cookie(edge: Edge) -> None:
    await a_client()
    payload = (await edge.run(SIGN_IN, email="ada@example.com", password=PASSWORD))["signIn"]
    assert payload["viewer"] == ADA
    assert payload["userErrors"] == []
    assert edge.cookies == [payload["token"]]
    assert await actor_of_credential(payload["token"], ADDRESS) == edge.context.actor


async def test_a_refused_sign_in_says_so_at_its_field_and_opens_nothing(edge: Edge) -> None:
    await a_client()
    payload = (await edge.run(SIGN_IN, email="ada@example.com", password="wrong horse"))["signIn"]
    assert (payload["token"], payload["viewer"]) == (None, None)
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID_CREDENTIALS", ["password"])
    assert error["message"]
    assert edge.cookies == []
    assert await session.Session.all().count() == 0


async def test_too_many_guesses_are_told_when_to_come_back(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_GUESSES_PER_EMAIL", 0)
    payload = (await edge.run(SIGN_IN, email="ada@example.com", password=PASSWORD))["signIn"]
    (error,) = payload["userErrors"]
    assert (error["__typename"], error["code"]) == ("RateLimited", "RATE_LIMITED")


async def test_the_viewer_is_who_asks(edge: Edge) -> None:
    assert await edge.run(f"{{ {VIEWER} }}") == {"viewer": None}
    edge.context.actor, _ = await session.open_session(await a_client())
    assert await edge.run(f"{{ {VIEWER} }}") == {"viewer": ADA}
    _, key = await create_key("Order desk", ["invoices:write", "credit:read"])
    edge.context.actor = await actor_of_credential(key, ADDRESS)
    scopes = ["credit:read", "invoices:write"]
    partner = {"role": "PARTNER", "scopes": scopes, "account": None}
    assert await edge.run(f"{{ {VIEWER} }}") == {"viewer": partner}


async def test_signing_out_ends_the_session_and_takes_the_cookie_away(edge: Edge) -> None:
    edge.context.actor, token = await session.open_session(await a_client())
    document = "mutation { signOut { userErrors { code } } again: signOut { userErrors { code } } }"
    assert await edge.run(document) == {"signOut": {"userErrors": []}, "again": {"userErrors": []}}
    assert edge.cookies == [None, None]
    assert await edge.run(f"{{ {VIEWER} }}") == {"viewer": None}
    assert await actor_of_credential(token, ADDRESS) is None
