"""Who a connection comes from, the browser's cookie, and signed links."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from api.downloads.signing import LinkExpired, LinkSigner
from api.endpoint.auth import SessionCookie, actor_of, actor_of_bearer
from api.endpoint.http import Connection
from models.access import session
from models.access.api_key import create_key
from models.clock import now
from models.errors import Unauthenticated
from models.provider.provider import Provider
from tests.support.identities import ADDRESS, a_client, wire_small_provider

pytestmark = pytest.mark.once

COOKIE = SessionCookie(secure=True, lifetime=timedelta(hours=12))
PLAIN = SessionCookie(secure=False, lifetime=timedelta(hours=12))


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


@pytest.fixture
async def token(db: str) -> str:  # noqa: ARG001 - the session is in it
    return (await session.open_session(await a_client()))[1]


def connection(*headers: tuple[str, str], kind: str = "http", query: str = "") -> Connection:
    return Connection.of(
        {
            "type": kind,
            "path": "/graphql",
            "query_string": query.encode(),
            "client": (ADDRESS, 50000),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        }
    )


def kept(cookie: SessionCookie, token: str) -> tuple[str, str]:
    return "cookie", f"theme=dark; {cookie.name}={token}"


# ------------------------------------------------------------------------------- connections


async def test_a_bearer_token_says_who_asks_and_from_where(token: str) -> None:
    actor = await actor_of(connection(("authorization", f"Bearer {token}")), COOKIE)
    assert actor is not None
    assert actor.address == ADDRESS
    assert await actor_of(connection(("authorization", f"bearer  {token}")), COOKIE) == actor


async def test_an_api_key_is_a_bearer_token_too(token: str) -> None:
    key, given = await create_key("Order desk", ["credit:read"])
    actor = await actor_of(
        connection(("authorization", f"Bearer {given}"), kept(COOKIE, token)), COOKIE
    )
    assert actor is not None
    assert actor.key_id == key.id


@pytest.mark.usefixtures("db")
async def test_nobody_is_nobody() -> None:
    assert await actor_of(connection(), COOKIE) is None


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer acs_x", "Bearer é", "Basic YTpi", "acs_x", "Token x"]
)
async def test_a_bad_authorization_is_refused_even_beside_a_good_cookie(
    token: str, value: str
) -> None:
    with pytest.raises(Unauthenticated):
        await actor_of(connection(("authorization", value), kept(COOKIE, token)), COOKIE)


async def test_two_authorizations_are_none(token: str) -> None:
    good = ("authorization", f"Bearer {token}")
    with pytest.raises(Unauthenticated):
        await actor_of(connection(good, good), COOKIE)


@pytest.mark.parametrize("cookie", [COOKIE, PLAIN])
async def test_the_cookie_says_who_asks(token: str, cookie: SessionCookie) -> None:
    actor = await actor_of(connection(kept(cookie, token)), cookie)
    assert actor is not None
    assert actor.session_id is not None


async def test_a_bad_cookie_is_nobodys(token: str) -> None:
    for cookie in (kept(COOKIE, token + "x"), kept(COOKIE, ""), kept(PLAIN, token)):
        assert await actor_of(connection(cookie), COOKIE) is None


@pytest.mark.usefixtures("db")
async def test_an_api_key_is_never_a_cookie() -> None:
    _, given = await create_key("Order desk", ["credit:read"])
    assert await actor_of(connection(kept(COOKIE, given)), COOKIE) is None


async def test_a_token_in_the_address_is_not_read(token: str) -> None:
    query = f"token={token}&access_token={token}&authorization=Bearer {token}"
    assert await actor_of(connection(query=query), COOKIE) is None


async def test_a_websockets_cookie_counts_from_a_page_only(token: str) -> None:
    page = ("origin", "https://portal.example.com")
    assert await actor_of(connection(kept(COOKIE, token), kind="websocket"), COOKIE) is None
    assert await actor_of(connection(kept(COOKIE, token), page, kind="websocket"), COOKIE)


async def test_a_token_that_comes_later_is_good_or_refused(token: str) -> None:
    assert (await actor_of_bearer(token, ADDRESS)).address == ADDRESS
    with pytest.raises(Unauthenticated):
        await actor_of_bearer(token[:-1], ADDRESS)


def test_a_caller_on_a_unix_socket_has_no_address() -> None:
    assert connection().address == ADDRESS
    assert Connection.of({"type": "http", "headers": [], "client": None}).address == ""


# ------------------------------------------------------------------------------- the cookie


def test_the_cookie_is_out_of_reach_for_scripts_other_sites_and_other_hosts() -> None:
    cookie = _parsed(COOKIE.put("acs_x"))["__Host-account_credit_session"]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("acs_x", "43200", "/")
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")
    assert cookie["domain"] == ""


def test_on_loopback_the_cookie_works_without_tls() -> None:
    cookie = _parsed(PLAIN.put("acs_x"))["account_credit_session"]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, "", "Lax")


def test_clearing_takes_the_same_cookie_away() -> None:
    given, cleared = _parsed(COOKIE.put("acs_x")), _parsed(COOKIE.clear())
    assert given.keys() == cleared.keys()
    assert cleared[COOKIE.name]["max-age"] == "0"
    assert cleared[COOKIE.name].value == ""


def _parsed(header: tuple[bytes, bytes]) -> SimpleCookie:
    name, value = header
    assert name == b"set-cookie"
    return SimpleCookie(value.decode())


# ------------------------------------------------------------------------------- signed links

PATH = "/documents/inv_1.pdf"


def _query(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


def _sign(signer: LinkSigner, **params: Any) -> dict[str, str]:
    return _query(signer.sign(PATH, expires_at=now() + timedelta(minutes=1), **params))


def test_a_signed_link_gives_back_what_was_signed() -> None:
    signer = LinkSigner(b"s" * 32)
    link = signer.sign(PATH, expires_at=now() + timedelta(minutes=1), locale="ja & 日本")
    assert link.startswith(PATH + "?")
    assert link.isascii()
    assert signer.verify(PATH, _query(link)) == {"locale": "ja & 日本"}


@pytest.mark.parametrize(
    "change",
    [
        {"locale": "en"},
        {"expires": "9999999999"},
        {"expires": "soon"},
        {"signature": ""},
        {"signature": "é"},
        {"signature": "A" * 43},
        {"more": "x"},
        {"locale": "ja&more=x"},
        {"locale": "\ud800"},
    ],
)
def test_a_changed_link_is_no_link(change: dict[str, str]) -> None:
    signer = LinkSigner(b"s" * 32)
    assert signer.verify(PATH, _sign(signer, locale="ja") | change) is None


def test_a_link_is_good_for_its_path_and_its_key_alone() -> None:
    signer = LinkSigner(b"s" * 32)
    query = _sign(signer)
    assert signer.verify(PATH, query) == {}
    assert signer.verify("/documents/inv_2.pdf", query) is None
    assert signer.verify(PATH + "\ud800", query) is None
    assert LinkSigner(b"t" * 32).verify(PATH, query) is None
    for missing in query:
        rest = {name: value for name, value in query.items() if name != missing}
        assert signer.verify(PATH, rest) is None


def test_a_link_expires_and_says_so_only_to_who_has_it() -> None:
    signer = LinkSigner(b"s" * 32)
    query = _query(signer.sign(PATH, expires_at=now() - timedelta(seconds=1)))
    with pytest.raises(LinkExpired):
        signer.verify(PATH, query)
    assert signer.verify(PATH, query | {"signature": "x"}) is None
