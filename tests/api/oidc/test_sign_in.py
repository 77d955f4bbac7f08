"""Signing in with an identity provider, as a browser does it."""

from __future__ import annotations

import base64
import hmac
import json
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import RSAKey

from api.app import create_app
from api.issuers.keys import READS_MAX
from api.oidc import route
from api.oidc.provider import IdentityProvider
from models.access.external_identity import ExternalIdentity
from models.access.user import User
from tests.support.application import ask, demo_settings, running
from tests.support.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    OwnProvider,
    agree,
    mock_provider,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import httpx

    from api.settings.settings import Settings
    from tests.support.servers import Databases

VIEWER = "{ viewer { role account { email } } }"
MINA = {"sub": "mina", "email": "mina@client.example", "email_verified": True}


def wired(url: str, issuer: str, **more: Any) -> Settings:
    provider = {
        "name": "id",
        "label": "Example ID",
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    return demo_settings(url, oidc_providers=[provider | more])


@pytest.fixture
def filled(databases: Databases) -> Iterator[str]:
    url = databases.filled()
    yield url
    databases.drop(url)


@pytest.fixture
def own() -> OwnProvider:
    return OwnProvider()


class Browser:
    """A browser, which keeps its cookies."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def start(self, to: str = "/billing") -> str:
        """Where it is sent to sign in."""
        answer = await self.client.get("/oidc/id/start", params={"to": to})
        assert answer.status_code == 303
        assert answer.headers["cache-control"] == "no-store"
        return answer.headers["location"]

    async def back(self, **params: str) -> str:
        """It comes back; where it is sent to then."""
        answer = await self.client.get("/oidc/id/callback", params=params)
        assert answer.status_code == 303
        assert answer.headers["referrer-policy"] == "no-referrer"
        return answer.headers["location"]

    async def viewer(self) -> dict[str, Any] | None:
        viewer: dict[str, Any] | None = (await ask(self.client, VIEWER))["viewer"]
        return viewer


def outcome(location: str) -> str | None:
    return dict(parse_qsl(urlsplit(location).query)).get("sign-in")


# ------------------------------------------------------------------------------- the real thing


async def test_who_signs_in_there_is_signed_in_here(filled: str) -> None:
    with mock_provider(MINA) as issuer:
        async with running(wired(filled, issuer)) as client:
            mina = Browser(client)
            url = await mina.start("/billing/invoices")
            asked = dict(parse_qsl(urlsplit(url).query))
            assert asked["code_challenge_method"] == "S256"
            assert {"state", "nonce", "code_challenge"} <= asked.keys()
            returned = dict(parse_qsl(urlsplit(agree(url, "mina")).query))
            assert await mina.back(**returned) == "/billing/invoices"
            viewer = await mina.viewer()
            assert viewer == {"role": "CLIENT", "account": {"email": "mina@client.example"}}
            # The code is spent, and so is the browser's cookie.
            assert outcome(await mina.back(**returned)) == "expired"


async def test_who_declines_there_is_told_so_and_nobody(filled: str) -> None:
    with mock_provider(MINA) as issuer:
        async with running(wired(filled, issuer)) as client:
            mina = Browser(client)
            asked = dict(parse_qsl(urlsplit(await mina.start()).query))
            location = await mina.back(error="access_denied", state=asked["state"])
            assert outcome(location) == "canceled"
            assert await mina.viewer() is None


# ------------------------------------------------------------------------------- a hostile one


@asynccontextmanager
async def at_own(
    url: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> AsyncIterator[Browser]:
    """A browser of a server that reaches this provider alone."""
    reaching = partial(IdentityProvider, transport=own.transport)
    monkeypatch.setattr(route, "IdentityProvider", reaching)
    async with running(wired(url, own.issuer, **more)) as client:
        yield Browser(client)


async def back_from(browser: Browser, own: OwnProvider, **more: str) -> str:
    asked = own.begun(await browser.start())
    return await browser.back(code="c0de", state=asked["state"], **more)


def _spoil(**claims: object) -> Callable[[OwnProvider], None]:
    return lambda own: own.claims.update(claims)


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _unsigned(own: OwnProvider) -> None:
    header = _part(json.dumps({"alg": "none"}).encode())
    own.token = f"{header}.{_part(json.dumps(own.claims).encode())}."


def _signed_with_the_public_key(own: OwnProvider) -> None:
    _sign_with(own, own.key.as_pem(private=False))


def _signed_with_the_client_secret(own: OwnProvider) -> None:
    _sign_with(own, CLIENT_SECRET.encode())


def _sign_with(own: OwnProvider, secret: bytes) -> None:
    """HS256, by hand: libraries refuse to."""
    header = _part(json.dumps({"alg": "HS256", "kid": "one"}).encode())
    signed = f"{header}.{_part(json.dumps(own.claims).encode())}"
    own.token = f"{signed}.{_part(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _signed_by_another(own: OwnProvider) -> None:
    own.signer = RSAKey.generate_key(2048, {"kid": "one"})


def _brings_its_own_key(own: OwnProvider) -> None:
    other = RSAKey.generate_key(2048)
    own.header = {"alg": "RS256", "jwk": other.as_dict(private=False)}
    own.signer = other


HOSTILE: dict[str, Callable[[OwnProvider], None]] = {
    "unsigned": _unsigned,
    "HS256 with the public key": _signed_with_the_public_key,
    "HS256 with the client's secret": _signed_with_the_client_secret,
    "signed by another key of that name": _signed_by_another,
    "a key in the header": _brings_its_own_key,
    "another issuer": _spoil(iss="https://evil.example"),
    "another client": _spoil(aud="another"),
    "another nonce": _spoil(nonce="another"),
    "expired": lambda own: own.claims.update(exp=int(time.time()) - 120),
    "not yet": lambda own: own.claims.update(nbf=int(time.time()) + 600),
    "no subject": _spoil(sub=""),
    "a subject that is no text": _spoil(sub=7),
    "for several, and another asked": _spoil(aud=[CLIENT_ID, "another"], azp="another"),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_an_id_token_that_is_not_right_signs_nobody_in(
    filled: str,
    own: OwnProvider,
    hostile: Callable[[OwnProvider], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with at_own(filled, own, monkeypatch) as browser:
        asked = own.begun(await browser.start())
        own.claims["email"] = "mina@client.example"
        hostile(own)
        assert outcome(await browser.back(code="c0de", state=asked["state"])) == "failed"
        assert await browser.viewer() is None
        assert not await ExternalIdentity.exists()


async def test_the_control_a_right_id_token_signs_in(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.claims["email"] = "mina@client.example"
    async with at_own(filled, own, monkeypatch) as browser:
        assert await back_from(browser, own) == "/billing"
        assert await browser.viewer() is not None
        token = next(one for one in own.asked if one.url.path == "/token")
        assert CLIENT_SECRET not in token.content.decode()  # it is in the header


async def test_an_answer_that_another_browser_began_signs_nobody_in(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.claims["email"] = "mina@client.example"
    async with at_own(filled, own, monkeypatch) as browser:
        asked = own.begun(await browser.start())
        browser.client.cookies.clear()
        assert outcome(await browser.back(code="c0de", state=asked["state"])) == "expired"
        await browser.start()
        assert outcome(await browser.back(code="c0de", state=asked["state"])) == "expired"
        assert await browser.viewer() is None
        assert not [one for one in own.asked if one.url.path == "/token"]


async def test_an_answer_of_another_issuer_is_not_taken_here(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9207: the mix-up attack."""
    own.metadata["authorization_response_iss_parameter_supported"] = True
    own.claims["email"] = "mina@client.example"
    async with at_own(filled, own, monkeypatch) as browser:
        assert outcome(await back_from(browser, own, iss="https://evil.example")) == "failed"
        assert outcome(await back_from(browser, own)) == "failed"
        assert await back_from(browser, own, iss=own.issuer) == "/billing"


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "/billing//evil", "/x"]
)
async def test_the_browser_goes_to_the_portal_alone(
    filled: str, own: OwnProvider, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.claims["email"] = "mina@client.example"
    async with at_own(filled, own, monkeypatch) as browser:
        asked = own.begun(await browser.start(to))
        assert await browser.back(code="c0de", state=asked["state"]) == "/"


async def test_an_address_starts_so_often_and_asks_the_provider_no_more(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "_VISITS", 3)
    own.metadata["issuer"] = "https://evil.example"  # so that each would ask again
    async with at_own(filled, own, monkeypatch) as browser:
        assert [outcome(await browser.start()) for _ in range(5)] == [
            *["unavailable"] * 3,
            *["failed"] * 2,
        ]
        assert len(own.asked) == 3


# ------------------------------------------------------------------------------- its keys


async def test_a_provider_that_changes_its_key_signs_in_at_once(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.claims["email"] = "mina@client.example"
    async with at_own(filled, own, monkeypatch) as browser:
        assert await back_from(browser, own) == "/billing"
        own.key, own.header = (
            RSAKey.generate_key(2048, {"kid": "two"}),
            {"alg": "RS256", "kid": "two"},
        )
        assert await back_from(browser, own) == "/billing"


async def test_tokens_that_name_new_keys_have_them_read_only_so_often(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_own(filled, own, monkeypatch) as browser:
        for n in range(8):
            own.header = {"alg": "RS256", "kid": f"invented-{n}"}
            assert outcome(await back_from(browser, own)) == "failed"
        assert sum(one.url.path == "/jwks" for one in own.asked) == READS_MAX


async def test_what_a_provider_publishes_is_kept_while_it_cannot_be_read(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.claims["email"] = "mina@client.example"
    async with at_own(filled, own, monkeypatch) as browser:
        assert await back_from(browser, own) == "/billing"
        own.away = {"/jwks", "/.well-known/openid-configuration"}
        later = time.monotonic() + 3500
        monkeypatch.setattr("api.issuers.keys.FRESH_SECONDS", 0.0)
        monkeypatch.setattr("api.oidc.provider.monotonic", lambda: later + 200)
        assert await back_from(browser, own) == "/billing"
        monkeypatch.setattr("api.oidc.provider.monotonic", lambda: later + 24 * 3600)
        assert outcome(await browser.start()) == "unavailable"


# ------------------------------------------------------------------------------- who it is here


async def test_an_address_that_is_not_verified_is_nobodys(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.claims |= {"email": "mina@client.example", "email_verified": False}
    async with at_own(filled, own, monkeypatch) as browser:
        assert outcome(await back_from(browser, own)) == "unknown"
        assert await browser.viewer() is None


async def test_from_then_on_the_subject_counts_and_not_the_address(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.claims["email"] = "mina@client.example"
    async with at_own(filled, own, monkeypatch) as browser:
        assert await back_from(browser, own) == "/billing"
        # She is called otherwise there now,
        own.claims = {"email": "mina@new.example"}
        assert await back_from(browser, own) == "/billing"
        assert (await browser.viewer() or {})["account"]["email"] == "mina@client.example"
        # and whoever got her old address is not her.
        browser.client.cookies.clear()
        own.claims = {"email": "mina@client.example", "sub": "another"}
        assert outcome(await back_from(browser, own)) == "unknown"


async def test_staff_come_in_only_where_the_provider_is_for_them(
    filled: str, own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_own(filled, own, monkeypatch) as browser:
        found = await User.filter(role="STAFF").first()
        assert found is not None
        own.claims["email"] = found.email
        assert outcome(await back_from(browser, own)) == "unknown"
    own.claims = {"email": found.email}
    async with at_own(filled, own, monkeypatch, people="all") as browser:
        assert await back_from(browser, own) == "/billing"
        assert (await browser.viewer() or {})["role"] == "STAFF"


async def test_without_a_provider_there_is_no_such_route(filled: str) -> None:
    app = create_app(demo_settings(filled))
    assert not [route for route in app.routes if "oidc" in getattr(route, "path", "")]
