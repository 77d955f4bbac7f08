"""What pages of other origins try with a visitor's cookie: forms, scripts, sockets and frames."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from httpx_ws import WebSocketUpgradeError, aconnect_ws

from api.settings.shapes import origin
from tests.support.access.callers import COOKIE, PORTAL, PopulatedServer, cookie, the_cookies
from tests.support.providers import key

if TYPE_CHECKING:
    import httpx
    from httpx_ws import AsyncWebSocketSession

pytestmark = pytest.mark.once


VIEWER: Final = "{ viewer { role account { id } } }"
ADD: Final = """mutation ($key: String!) { addFunds(input: {
  amount: {amount: "25.00", currency: "USD"}, gateway: "sandbox",
  acceptedPolicyVersion: "2026-01", idempotencyKey: $key
}) { userErrors { code } invoice { id } } }"""

#: Origins that look like the portal's, and are others.
NOT_THE_PORTAL: Final = (
    "https://evil.example",
    "null",
    "https://portal.example.com.evil",
    "https://portal.example.com.evil.example",
    "https://evil-portal.example.com",
    "https://evil.portal.example.com",
    "https://example.com",
    "http://portal.example.com",
    "https://portal.example.com:8443",
    "https://portal.example.com:443",
    "https://portal.example.com.",
    "https://portal.example.com/",
    "https://portal.example.com@evil.example",
    "https://evil.example#https://portal.example.com",
    "https://evil.example, https://portal.example.com",
    "HTTPS://PORTAL.EXAMPLE.COM",
    "https://portal%2eexample.com",
    "https://xn--prtal-fta.example.com",
    "file://",
    "https://[",
)


def json_of(document: str) -> dict[str, Any]:
    return {"query": document, "variables": {"key": key()}}


# ------------------------------------------------------------------------------- forgery


async def test_no_form_of_another_page_moves_anything(populated: PopulatedServer) -> None:
    ada, before = cookie(populated), await populated.digest()
    body = f'{{"query": "{" ".join(ADD.split())}", "variables": {{"key": "{key()}"}}}}'
    quoted = body.replace('"', '\\"')
    boundary = "multipart/form-data; boundary=x"
    part = f'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{body}\r\n--x--\r\n'
    tries: list[tuple[str, dict[str, str], str]] = [
        ("text/plain", {}, body),
        ("text/plain; charset=utf-8", {}, f"x={quoted}"),
        ("application/x-www-form-urlencoded", {}, f"query={ADD}"),
        ("application/x-www-form-urlencoded; a=application/json", {}, body),
        ("text/plain, application/json", {}, body),
        ("text/plain;application/json", {}, body),
        (boundary, {}, part),
        (boundary, {"graphql-require-preflight": "1", "apollo-require-preflight": "1"}, part),
        ("application/graphql", {}, ADD),
        ("", {}, body),
    ]
    for content_type, more, content in tries:
        headers = {**ada, "content-type": content_type, **more}
        answer = await populated.http.post("/graphql", content=content, headers=headers)
        assert (content_type, answer.status_code) == (content_type, 415)
    assert await populated.digest() == before


async def test_no_address_moves_anything(populated: PopulatedServer) -> None:
    ada, before = cookie(populated), await populated.digest()
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        params = {"query": "mutation { signOut { userErrors { code } } }"}
        answer = await populated.http.request(method, "/graphql", params=params, headers=ada)
        assert (method, answer.status_code) == (method, 405)
    override = {"x-http-method-override": "POST", "x-method-override": "POST"}
    for path in ("/graphql", "/graphql?_method=POST"):
        answer = await populated.http.get(path, headers={**ada, **override})
        assert answer.status_code == 405
    # A POST means what its body says, whatever its address says.
    params = {"query": "mutation { signOut { userErrors { code } } }"}
    answer = await populated.http.post("/graphql", params=params, json=json_of(VIEWER), headers=ada)
    assert answer.json()["data"]["viewer"]["role"] == "CLIENT"
    assert await populated.digest() == before


@pytest.mark.parametrize("foreign", NOT_THE_PORTAL)
async def test_a_foreign_page_is_refused_with_the_visitors_cookie(
    populated: PopulatedServer, foreign: str
) -> None:
    before = await populated.digest()
    for document in (VIEWER, ADD):
        headers = {**cookie(populated), "origin": foreign, "sec-fetch-site": "cross-site"}
        answer = await populated.http.post("/graphql", json=json_of(document), headers=headers)
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert "access-control-allow-origin" not in answer.headers
        assert not populated.shows_ada(answer.text)
    asked = {"origin": foreign, "access-control-request-method": "POST"}
    preflight = await populated.http.options("/graphql", headers=asked)
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers
    assert await populated.digest() == before


async def test_two_origins_are_none(populated: PopulatedServer) -> None:
    headers = [("origin", PORTAL), ("origin", "https://evil.example"), *cookie(populated).items()]
    answer = await populated.http.post("/graphql", json=json_of(VIEWER), headers=headers)
    assert answer.status_code == 403


async def test_the_portal_is_answered_by_name_and_never_by_a_star(
    populated: PopulatedServer,
) -> None:
    headers = {**cookie(populated), "origin": PORTAL, "sec-fetch-site": "cross-site"}
    answer = await populated.http.post("/graphql", json=json_of(VIEWER), headers=headers)
    assert answer.json()["data"]["viewer"]["account"]["id"] == populated.ids["account"]
    assert answer.headers["access-control-allow-origin"] == PORTAL
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"].lower()
    asked = {
        "origin": PORTAL,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, authorization",
    }
    preflight = await populated.http.options("/graphql", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PORTAL
    assert "*" not in "".join(preflight.headers.values())
    assert "PUT" not in preflight.headers["access-control-allow-methods"]


# ------------------------------------------------------------------------------- sockets


async def upgraded(populated: PopulatedServer, protocol: str, headers: dict[str, str]) -> int:
    """The status of the handshake."""
    try:
        async with aconnect_ws(
            f"{populated.url}/graphql",
            populated.http,
            subprotocols=[protocol],
            headers=headers,
            keepalive_ping_interval_seconds=None,
        ):
            return 101
    except WebSocketUpgradeError as refused:
        response: httpx.Response = refused.response
        return response.status_code


async def test_a_foreign_page_opens_no_socket(populated: PopulatedServer) -> None:
    for foreign in NOT_THE_PORTAL:
        headers = {**cookie(populated), "origin": foreign}
        assert (foreign, await upgraded(populated, "graphql-transport-ws", headers)) == (
            foreign,
            403,
        )
    own = {**cookie(populated), "origin": PORTAL}
    assert await upgraded(populated, "graphql-transport-ws", own) == 101


async def test_the_legacy_protocol_opens_no_socket(populated: PopulatedServer) -> None:
    own = {**cookie(populated), "origin": PORTAL}
    for protocol in ("graphql-ws", "graphql-sse", "x"):
        assert await upgraded(populated, protocol, own) == 400


async def test_a_cookie_opens_no_socket_for_who_hides_where_they_come_from(
    populated: PopulatedServer,
) -> None:
    socket: AsyncWebSocketSession
    async with aconnect_ws(
        f"{populated.url}/graphql",
        populated.http,
        subprotocols=["graphql-transport-ws"],
        headers=cookie(populated),
        keepalive_ping_interval_seconds=None,
    ) as socket:
        await socket.send_json({"type": "connection_init"})
        assert await socket.receive_json(20) == {"type": "connection_ack"}
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": VIEWER}})
        assert (await socket.receive_json(20))["payload"] == {"data": {"viewer": None}}


# ------------------------------------------------------------------------------- cookies, pages


async def test_the_cookies_attributes_keep_it_from_scripts_and_other_sites(
    populated: PopulatedServer,
) -> None:
    session, device = await the_cookies(populated)
    name, *attributes = session.split("; ")
    assert name.startswith(f"{COOKIE}=acs_")
    assert set(attributes) == {"Max-Age=43200", "Path=/", "HttpOnly", "SameSite=Lax"}
    name, *attributes = device.split("; ")
    assert name.startswith("account_credit_device=")
    assert set(attributes) == {"Max-Age=34560000", "Path=/", "HttpOnly", "SameSite=Lax"}


async def test_no_redirect_goes_where_the_host_header_says(populated: PopulatedServer) -> None:
    paths = ["/graphql/", "/healthz/", "/readyz/", "/about/", "/sandbox", "/webhooks/sandbox/"]
    paths += ["/graphiql/", "/credit-policy/", "//evil.example", "/assets", "/return/pay_0/"]
    paths += [f"/return/{populated.ids['payment']}", f"/return/{populated.ids['payment']}/"]
    for path in paths:
        for method in ("GET", "POST"):
            headers = {"host": "evil.example", "x-forwarded-host": "evil.example"}
            answer = await populated.http.request(method, path, headers=headers)
            assert "evil.example" not in answer.headers.get("location", ""), path
            assert not answer.is_redirect or path == f"/return/{populated.ids['payment']}", path


async def test_every_page_forbids_scripts_frames_and_foreign_forms(
    populated: PopulatedServer,
) -> None:
    payment = await populated.a_payment()
    document = """query ($id: ID!) { node(id: $id) {
      ... on Payment { nextAction { ... on RedirectAction { url } } } } }"""
    node = (await populated.data(document, "client", id=payment.public_id))["node"]
    pay = node["nextAction"]["url"].removeprefix(populated.settings.public_url)
    # The portal's page has scripts of its own: tests/api/html/test_portal.py.
    pages = ["/about", "/credit-policy", "/sandbox/", pay, "/nowhere", "/healthz", "/readyz"]
    pages += ["/metrics", "/graphql", "/documents/x.pdf", "/page.css", "/webhooks/sandbox"]
    for page in pages:
        answer = await populated.http.get(page)
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'", page
        assert policy["frame-ancestors"] == "'none'", page
        assert policy["base-uri"] == "'none'", page
        assert policy["form-action"].startswith("'self'"), page
        assert policy.keys() <= _SAFE | {"style-src", "img-src"}, page
        assert "unsafe" not in str(policy), page
        assert "*" not in str(policy), page
        assert answer.headers["x-frame-options"] == "DENY", page
        assert answer.headers["x-content-type-options"] == "nosniff", page
        assert answer.headers["referrer-policy"] == "same-origin", page
        assert "server" not in answer.headers or answer.headers["server"] == "uvicorn", page
        # What the policy would stop is not there in the first place.
        assert not re.search(r"<script|<iframe|<style|\son\w+=|\sstyle=", answer.text), page


_SAFE: Final = {"default-src", "frame-ancestors", "base-uri", "form-action"}


# ------------------------------------------------------------------------------- where to return

RETURNS: Final = (
    "https://portal.example.com",
    "https://portal.example.com/",
    "https://portal.example.com/invoices?paid=1#top",
    "https://portal.example.com:443/invoices",
    "https://PORTAL.example.com/",
    "https://portal.example.com/@evil.example",
    "https://portal.example.com/?to=https://evil.example",
)

NO_RETURNS: Final = (
    "https://evil.example/",
    "https://portal.example.com.evil/",
    "https://portal.example.com.evil.example/",
    "https://evil-portal.example.com/",
    "https://evil.portal.example.com/",
    "https://example.com/",
    "http://portal.example.com/",
    "https://portal.example.com:8443/",
    "https://portal.example.com:80/",
    "https://portal.example.com:0/",
    "https://portal.example.com:65536/",
    "https://portal.example.com:٤٤٣/",
    "https://portal.example.com@evil.example/",
    "https://portal.example.com:443@evil.example/",
    "https://portal.example.com%40evil.example/",
    "https://user@portal.example.com/",
    "https://:@portal.example.com/",
    "https://@portal.example.com/",
    "https://evil.example\\@portal.example.com/",
    "https://evil.example\\.portal.example.com/",
    "https:\\\\evil.example\\portal.example.com",
    "https://portal.example.com\\.evil.example/",
    "https:/portal.example.com/",
    "https:portal.example.com",
    "https:///portal.example.com/",
    "//portal.example.com/",
    "/invoices",
    "javascript:alert(1)//portal.example.com",
    "data:text/html,https://portal.example.com",
    "ftp://portal.example.com/",
    "https://portal.example.com./",
    "https://portal。example。com/",
    "https://portal．example．com/",
    "https://pоrtal.example.com/",
    "https://portal.example.com\u200b/",
    "https://portal.example.com\u2044@evil.example/",
    "https://evil.example\uff0fportal.example.com/",
    "https://evil.example\uff03@portal.example.com/",
    "https://portal.example.com\t.evil.example/",
    "https://portal.example.com\n.evil.example/",
    "https://portal.example.com\x00.evil.example/",
    " https://portal.example.com/",
    "https://portal.example.com /",
    "https://portal.example.com,evil.example/",
    "https://portal.example.com;evil.example/",
    "https://[portal.example.com]/",
    "https://[::ffff:portal.example.com",
    "https://",
    "",
    "null",
    "https://portal.example.com/" + "x" * 2048,
)

PAY: Final = """mutation ($id: ID!, $url: URL, $key: String!) { payInvoice(input: {
  invoiceId: $id, gateway: "sandbox", returnUrl: $url, idempotencyKey: $key
}) { userErrors { code field } payment { nextAction { ... on RedirectAction { url } } } } }"""


async def test_a_payer_is_sent_back_to_no_other_origin(populated: PopulatedServer) -> None:
    target = (await populated.an_order()).public_id
    before = await populated.digest()
    for wrong in NO_RETURNS:
        asked = {"id": target, "url": wrong, "key": key()}
        body = (await populated.post(PAY, "client", asked)).json()
        if "errors" in body:
            assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", wrong
        else:
            refused = {"code": "INVALID", "field": ["returnUrl"]}
            assert body["data"]["payInvoice"]["userErrors"] == [refused], wrong
    assert await populated.digest() == before


async def test_a_payer_is_sent_back_to_the_portal(populated: PopulatedServer) -> None:
    for good in RETURNS:
        asked = {"id": (await populated.an_order()).public_id, "url": good, "key": key()}
        paid = (await populated.data(PAY, "client", **asked))["payInvoice"]
        assert paid["userErrors"] == [], good
        pay = paid["payment"]["nextAction"]["url"].removeprefix(populated.settings.public_url)
        sent = await populated.http.post(f"{pay}/approve")
        assert sent.status_code == 303
        here = sent.headers["location"].removeprefix(populated.settings.public_url)
        assert here.startswith("/return/")
        on = await populated.http.get(here)
        assert on.status_code == 303
        assert re.match(r"(?i)https://portal\.example\.com(:443)?(/|\?|$)", on.headers["location"])


@pytest.mark.parametrize(
    "wrong",
    [
        *("*", "null", "https://*", "https://*.example.com", "javascript:x", "https://["),
        *("https://portal.example.com/path", "https://portal.example.com?x", "//portal.example"),
        *("https://user@portal.example.com", "https://@portal.example.com", "portal.example.com"),
        *("https://a.example:x", "https://a.example:99999", "https://pоrtal.example.com"),
    ],
)
def test_an_origin_that_is_none_or_many_cannot_be_allowed(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"origin|URL"):
        origin(wrong)


def test_an_allowed_origin_is_kept_as_browsers_write_it() -> None:
    assert origin("https://Portal.Example.com:443/") == PORTAL
    assert origin("http://localhost:5173") == "http://localhost:5173"
    assert origin("http://[::1]:80") == "http://[::1]"
