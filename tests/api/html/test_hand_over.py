"""The link with which an existing portal sends its client's browser here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from models.access.api_key import create_key
from models.access.client_link import ClientLink
from models.access.identity import SCOPES
from models.access.session import Session
from tests.support.application import ask, demo_settings, running
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = [pytest.mark.once, pytest.mark.anyio]

ORIGIN: Final = "https://shop.example"
CREATE: Final = """mutation ($key: String!, $id: String!, $email: String!) {
  createAccount(input: {name: "Ada", email: $email, currency: "USD", externalId: $id,
    metadata: [{key: "plan", value: "small"}], idempotencyKey: $key}) {
    account { id externalId metadata { key value } } userErrors { code field message } } }"""
HAND_OVER: Final = """mutation ($id: String!, $url: URL, $key: String!) {
  createClientSession(input: {externalId: $id, returnUrl: $url, idempotencyKey: $key}) {
    url token expiresAt userErrors { code field message } } }"""
VIEWER: Final = "{ viewer { role account { externalId } } }"


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = demo_settings(database_url, allowed_origins=ORIGIN)
    async with running(settings) as client:
        yield client


class Shop:
    """A partner's portal with one client."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.client, self.token, self.id = client, token, key()

    async def open(self) -> None:
        email = f"{key()}@client.example"
        made = await ask(self.client, CREATE, self.token, key=key(), id=self.id, email=email)
        assert made["createAccount"]["userErrors"] == []
        assert made["createAccount"]["account"]["externalId"] == self.id
        metadata = made["createAccount"]["account"]["metadata"]
        assert metadata == [{"key": "plan", "value": "small"}]

    async def hand_over(self, url: str | None = None, key_: str = "") -> dict[str, Any]:
        told = await ask(self.client, HAND_OVER, self.token, id=self.id, url=url, key=key_ or key())
        payload: dict[str, Any] = told["createClientSession"]
        return payload


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> Shop:
    _, token = await create_key(key(), SCOPES)
    shop = Shop(client, token)
    await shop.open()
    return shop


async def test_the_link_signs_the_browser_in_once_and_goes_on(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    handed = await shop.hand_over(f"{ORIGIN}/basket?of=ada")
    went = await client.get(handed["url"])
    assert (went.status_code, went.headers["location"]) == (303, f"{ORIGIN}/basket?of=ada")
    assert went.headers["cache-control"] == "no-store"
    assert went.headers["referrer-policy"] == "no-referrer"
    cookie = went.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert (await ask(client, VIEWER))["viewer"]["account"] == {"externalId": shop.id}
    client.cookies.clear()
    again = await client.get(handed["url"])
    assert (again.status_code, "set-cookie" in again.headers) == (410, False)
    assert "no longer valid" in again.text
    assert again.headers["cache-control"] == "no-store"
    nonsense = await client.get("/hand-over", params={"token": "acl_nonsense"})
    assert (nonsense.status_code, nonsense.text) == (410, again.text)
    assert (await client.get("/hand-over")).text == again.text


async def test_without_a_return_url_it_leads_to_the_portal(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    handed = await shop.hand_over()
    went = await client.get(handed["url"] + "&returnUrl=https://evil.example&token=x")
    assert went.status_code == 410, "the last token counts, whatever else the address says"
    went = await client.get(handed["url"] + "&returnUrl=https://evil.example")
    assert urlsplit(went.headers["location"]).path == "/"
    assert went.headers["location"].startswith(str(client.base_url).rstrip("/"))


async def test_an_origin_that_is_allowed_no_more_is_not_gone_to(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    handed = await shop.hand_over(f"{ORIGIN}/")
    await ClientLink.all().update(return_url="https://evil.example/")
    went = await client.get(handed["url"])
    assert "evil" not in went.headers["location"]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("HEAD", {}, 200),
        ("GET", {"sec-purpose": "prefetch"}, 403),
        ("GET", {"sec-purpose": "prefetch;prerender"}, 403),
        ("GET", {"purpose": "prefetch"}, 403),
        ("GET", {"x-moz": "prefetch"}, 403),
        ("GET", {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, 403),
        ("GET", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, 403),
        ("GET", {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, 403),
        ("POST", {}, 405),
    ],
)
async def test_whatever_only_looks_leaves_the_link_unused(
    client: httpx.AsyncClient, shop: Shop, method: str, headers: dict[str, str], status: int
) -> None:
    handed, before = await shop.hand_over(), await Session.all().count()
    looked = await client.request(method, handed["url"], headers=headers)
    assert (looked.status_code, "set-cookie" in looked.headers) == (status, False)
    assert await Session.all().count() == before
    visit = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await client.get(handed["url"], headers=visit)).status_code == 303


async def test_the_token_is_a_bearer_and_a_replay_shows_neither(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    again = key()
    handed = await shop.hand_over(key_=again)
    assert (await ask(client, VIEWER, handed["token"]))["viewer"]["role"] == "CLIENT"
    replayed = await shop.hand_over(key_=again)
    assert (replayed["url"], replayed["token"], replayed["userErrors"]) == (None, None, [])
    assert replayed["expiresAt"]


async def test_no_log_line_holds_a_secret(client: httpx.AsyncClient, shop: Shop) -> None:
    with capture_logs() as lines:
        handed = await shop.hand_over()
        await client.get(handed["url"])
        await client.get(f"/hand-over/{handed['url'].partition('=')[2]}")
    secrets = re.findall(r"ac[ls]_([\w-]{20,})", str(handed))
    assert len(secrets) == 2
    assert not [line for line in lines if any(secret in str(line) for secret in secrets)]


@pytest.mark.parametrize(
    ("accepted", "language", "said"),
    [
        ("ja-JP", "ja", "無効"),
        ("de-AT,en;q=0.5", "de", "gilt nicht mehr"),
        ("fr", "fr", "n’est plus valable"),
        ("it-IT", "en", "no longer valid"),
        ('"><script>', "en", "no longer valid"),
        ("", "en", "no longer valid"),
    ],
)
async def test_who_comes_too_late_is_told_in_their_browsers_language(
    client: httpx.AsyncClient, accepted: str, language: str, said: str
) -> None:
    headers = {"accept-language": accepted}
    answer = await client.get("/hand-over", params={"token": "acl_old"}, headers=headers)
    assert answer.status_code == 410
    assert f'<html lang="{language}">' in answer.text
    assert said in answer.text
