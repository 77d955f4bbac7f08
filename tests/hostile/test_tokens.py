"""Tokens: what is none, what is one no more, and what guessing them or passwords gets."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import pytest
from httpx_ws import WebSocketDisconnect, aconnect_ws
from pwdlib import PasswordHash

from api.endpoint.revocations import LOOK_SECONDS, RECHECK_SECONDS
from models.access import password, session
from models.access.api_key import create_key, find_key, revoke_key
from models.access.credential import actor_of_credential
from models.access.identity import SCOPES
from models.access.session import Session
from models.access.user import User
from models.accounts.create import CreateAccount
from models.clock import now
from models.credit import redemption
from models.credit.adjustment import AdjustCredit
from models.journal.command import run
from tests.support.access.callers import COOKIE, EMAIL, PopulatedServer, bearer
from tests.support.application import SECRET
from tests.support.identities import PASSWORD
from tests.support.providers import key
from tests.support.query_counter import asked
from tests.support.rate_windows import begin_early_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx_ws import AsyncWebSocketSession


pytestmark = pytest.mark.once

VIEWER: Final = "{ viewer { role } }"
SIGN_OUT: Final = "mutation { signOut { userErrors { code } } }"
SIGN_IN: Final = """mutation ($email: String!, $password: String!) {
  signIn(input: {email: $email, password: $password}) {
    token viewer { role } userErrors {
      __typename code message field ... on RateLimited { retryAfterSeconds }
    }
  }
}"""
CREDIT: Final = "subscription { creditUpdated { balance { version } transaction { kind } } }"
REDEEM: Final = """mutation ($code: String!, $key: String!) {
  redeemVoucher(input: {code: $code, idempotencyKey: $key}) {
    transaction { id } userErrors { __typename code message field }
  }
}"""


# ------------------------------------------------------------------------------- what is none


def jwt(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def made_up(populated: PopulatedServer) -> list[str]:
    """Tokens that other systems would take: ours are random and looked up, never read."""
    claims = {"sub": populated.ids["account"], "role": "STAFF", "exp": 4_000_000_000}
    good = populated.callers["client"]["authorization"].removeprefix("Bearer ")
    partner = populated.callers["partner"]["authorization"].removeprefix("Bearer ")
    return [
        jwt({"alg": "none"}, claims),
        jwt({"alg": "None", "typ": "JWT"}, claims, b"x"),
        jwt({"alg": "HS256"}, claims, SECRET.encode()),
        jwt({"alg": "RS256", "kid": "../../dev/null"}, claims, b"x"),
        jwt({"alg": "HS256", "jku": "https://evil.example/keys"}, claims, b"x"),
        "acs_" + jwt({"alg": "none"}, claims),
        f"acs_{populated.users['client'].id.hex}",
        f"ack_{populated.users['client'].id.hex}_x",
        good[:-1],
        good + "A",
        good.upper(),
        good.replace("acs_", "ack_"),
        partner.replace("ack_", "acs_"),
        partner.rpartition("_")[0],
        partner.rpartition("_")[0] + "_",
        partner[:-1] + ("A" if partner[-1] != "A" else "B"),
        "acs_%",
        "acs_' OR 1=1 --",
        "ack_%_%",
        "null",
        "undefined",
        "x" * 5000,
    ]


async def test_a_token_that_was_made_up_is_nobodys(populated: PopulatedServer) -> None:
    before = await populated.digest()
    for token in made_up(populated):
        answer = await populated.post(SIGN_OUT, **bearer(token))
        assert (token, answer.status_code) == (token, 401)
        [error] = answer.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await populated.digest() == before


async def test_a_good_token_counts_in_its_own_place_only(populated: PopulatedServer) -> None:
    session = populated.callers["client"]["authorization"].removeprefix("Bearer ")
    partner = populated.callers["partner"]["authorization"].removeprefix("Bearer ")
    nobody = {"data": {"viewer": None}}
    for token in (session, partner):
        for name in ("token", "access_token", "apiKey", "authorization"):
            answer = await populated.http.post(
                "/graphql", params={name: token}, json={"query": VIEWER, name: token}
            )
            assert answer.json() == nobody
        for headers in ({"x-api-key": token}, {"x-authorization": f"Bearer {token}"}):
            assert (await populated.post(VIEWER, **headers)).json() == nobody
        for wrong in (token, f"Basic {token}", f"Token {token}", f"Bearer Bearer {token}"):
            assert (await populated.post(VIEWER, authorization=wrong)).status_code == 401
    assert (await populated.post(VIEWER, cookie=f"{COOKIE}={partner}")).json() == nobody
    assert (await populated.post(VIEWER, cookie=f"__Host-{COOKIE}={session}")).json() == nobody


# ------------------------------------------------------------------------------- what ends


@asynccontextmanager
async def a_socket(
    populated: PopulatedServer, headers: dict[str, str]
) -> AsyncIterator[AsyncWebSocketSession]:
    socket: AsyncWebSocketSession
    async with aconnect_ws(
        f"{populated.url}/graphql",
        populated.http,
        subprotocols=["graphql-transport-ws"],
        keepalive_ping_interval_seconds=None,
    ) as socket:
        await socket.send_json({"type": "connection_init", "payload": headers})
        assert await socket.receive_json(20) == {"type": "connection_ack"}
        yield socket


async def ask(socket: AsyncWebSocketSession, document: str, **variables: object) -> Any:
    """The first answer of an operation; or the code that the socket was closed with."""
    payload = {"query": document, "variables": variables}
    await socket.send_json({"type": "subscribe", "id": key(), "payload": payload})
    try:
        while (message := await socket.receive_json(20))["type"] == "complete":
            pass
    except WebSocketDisconnect as closed:
        return closed.code
    return message["payload"]


async def session_of(headers: dict[str, str]) -> Any:
    actor = await actor_of_credential(headers["authorization"].removeprefix("Bearer "), "")
    assert actor is not None
    return Session.filter(id=actor.session_id)


async def test_a_socket_does_nothing_more_once_its_session_was_signed_out(
    populated: PopulatedServer,
) -> None:
    mine = await populated.signed_in("client")
    async with a_socket(populated, mine) as socket:
        assert await ask(socket, VIEWER) == {"data": {"viewer": {"role": "CLIENT"}}}
        await populated.post(SIGN_OUT, **mine)
        before = await populated.digest()
        redeem = {"code": await populated.a_voucher(), "key": key()}
        issued = await populated.digest()
        assert issued != before
        assert await ask(socket, REDEEM, **redeem) == 4403
        assert await populated.digest() == issued


async def test_a_socket_that_signs_out_itself_is_signed_out(populated: PopulatedServer) -> None:
    async with a_socket(populated, await populated.signed_in("client")) as socket:
        await ask(socket, SIGN_OUT)
        assert await ask(socket, "{ balance { id } }") == 4403


async def test_a_socket_does_nothing_more_once_its_session_has_run_out(
    populated: PopulatedServer,
) -> None:
    mine = await populated.signed_in("client")
    async with a_socket(populated, mine) as socket:
        await (await session_of(mine)).update(expires_at=now() - timedelta(seconds=1))
        assert await ask(socket, VIEWER) == 4403


async def test_a_socket_does_nothing_more_once_its_key_was_revoked(
    populated: PopulatedServer,
) -> None:
    made, token = await create_key("partner", SCOPES, [populated.account_id])
    async with a_socket(populated, bearer(token)) as socket:
        assert await ask(socket, VIEWER) == {"data": {"viewer": {"role": "PARTNER"}}}
        await revoke_key(made.id)
        assert await ask(socket, VIEWER) == 4403


async def a_gift(populated: PopulatedServer) -> None:
    """Something for listeners to hear of."""
    by = populated.actor("staff")
    await run(AdjustCredit(populated.account_id, Decimal(1), "USD", "a gift"), by, key())


@asynccontextmanager
async def a_stream(
    populated: PopulatedServer, headers: dict[str, str], document: str = CREDIT
) -> AsyncIterator[AsyncIterator[Any]]:
    """The bodies of a stream of events."""
    async with populated.http.stream(
        "POST",
        "/graphql",
        json={"query": document},
        headers={"accept": "text/event-stream", **headers},
        timeout=20,
    ) as response:

        async def bodies() -> AsyncIterator[Any]:
            async for line in response.aiter_lines():
                if line.startswith("data:") and len(line) > len("data: "):
                    yield json.loads(line.removeprefix("data:"))

        yield bodies()


async def test_a_subscription_ends_with_its_session_and_hears_no_change_after(
    populated: PopulatedServer,
) -> None:
    mine = await populated.signed_in("client")
    async with a_stream(populated, mine) as bodies, a_socket(populated, mine) as socket:
        assert (await anext(bodies))["data"]["creditUpdated"]["transaction"] is None
        assert "data" in await ask(socket, CREDIT)
        await populated.post(SIGN_OUT, **mine)
        await a_gift(populated)
        rest = [body async for body in bodies]
        assert [body["errors"][0]["extensions"]["code"] for body in rest] == ["UNAUTHENTICATED"]
        message = await socket.receive_json(20)
        assert message["type"] in {"error", "next"}
        assert "UNAUTHENTICATED" in json.dumps(message)
        assert "GIFT" not in json.dumps([message, rest]).upper()


async def test_a_subscription_ends_by_itself_when_its_session_runs_out(
    populated: PopulatedServer,
) -> None:
    mine = await populated.signed_in("client")
    await (await session_of(mine)).update(expires_at=now() + timedelta(seconds=0.4))
    async with a_stream(populated, mine) as bodies:
        assert "data" in await anext(bodies)
        rest = [body async for body in bodies]
    assert [body["errors"][0]["extensions"]["code"] for body in rest] == ["UNAUTHENTICATED"]


async def test_a_subscription_of_a_key_ends_with_the_key(populated: PopulatedServer) -> None:
    made, token = await create_key("partner", SCOPES, [populated.account_id])
    document = CREDIT.replace(
        "creditUpdated", f'creditUpdated(accountId: "{populated.ids["account"]}")'
    )
    async with a_socket(populated, bearer(token)) as socket:
        assert "data" in await ask(socket, document)
        await revoke_key(made.id)
        await a_gift(populated)
        assert "UNAUTHENTICATED" in json.dumps(await socket.receive_json(20))


async def end_session(populated: PopulatedServer, headers: dict[str, str]) -> None:
    await populated.post(SIGN_OUT, **headers)


async def end_key(_world: PopulatedServer, headers: dict[str, str]) -> None:
    found = await find_key(headers["authorization"].removeprefix("Bearer "))
    assert found is not None
    await revoke_key(found.id)


async def end_user(populated: PopulatedServer, _headers: dict[str, str]) -> None:
    user = populated.users["other"]
    await User.filter(id=user.id).update(disabled_at=now())


ENDS: Final = {"client": end_session, "partner": end_key, "other": end_user}


@pytest.mark.parametrize("who", ENDS)
async def test_what_is_open_is_closed_as_soon_as_its_credential_ends(
    populated: PopulatedServer, who: str
) -> None:
    """With nothing under way, and with a subscription that nothing rings for."""
    if who == "partner":
        _, token = await create_key("partner", SCOPES, [populated.account_id])
        mine = bearer(token)
        hers = f'creditUpdated(accountId: "{populated.ids["account"]}")'
        document = CREDIT.replace("creditUpdated", hers)
    else:
        mine, document = await populated.signed_in(who), CREDIT
    async with a_socket(populated, mine) as idle, a_socket(populated, mine) as busy:
        assert "data" in await ask(busy, document)
        async with a_stream(populated, mine, document) as bodies:
            assert "data" in await anext(bodies)
            began = monotonic()
            await ENDS[who](populated, mine)
            rest = [body async for body in bodies]
        assert [body["errors"][0]["extensions"]["code"] for body in rest] == ["UNAUTHENTICATED"]
        assert "UNAUTHENTICATED" in json.dumps(await busy.receive_json(20))
        for socket in (busy, idle):
            with pytest.raises(WebSocketDisconnect) as closed:
                await socket.receive_json(20)
            assert closed.value.code == 4403
        # Not by the look that comes once a minute. The second that is promised is LOOK_SECONDS.
        assert monotonic() - began < RECHECK_SECONDS / 2
        assert LOOK_SECONDS < 1
    if who == "other":
        await User.filter(id=populated.users["other"].id).update(disabled_at=None)


async def test_others_stay_when_one_is_signed_out(populated: PopulatedServer) -> None:
    mine, others = await populated.signed_in("client"), await populated.signed_in("client")
    async with a_socket(populated, mine) as gone, a_socket(populated, others) as stays:
        await populated.post(SIGN_OUT, **mine)
        with pytest.raises(WebSocketDisconnect):
            await gone.receive_json(20)
        assert await ask(stays, VIEWER) == {"data": {"viewer": {"role": "CLIENT"}}}


# ------------------------------------------------------------------------------- guessing


async def sign_in(populated: PopulatedServer, email: str, given: str) -> Any:
    body = (await populated.post(SIGN_IN, variables={"email": email, "password": given})).json()
    populated.http.cookies.clear()
    return body["data"]["signIn"]


async def test_unknown_wrong_and_disabled_are_the_same_words_and_work(
    populated: PopulatedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    class Watched(PasswordHash):
        def verify_and_update(
            self,
            password: str | bytes,
            hash: str | bytes,
        ) -> tuple[bool, str | None]:
            checked.append(str(hash).rpartition("$")[0].rpartition("$")[0])
            return super().verify_and_update(password, hash)

    monkeypatch.setattr(password, "hasher", Watched(password.hasher.hashers))
    answers, work = [], []
    for email, given in (
        (EMAIL, "another pass phrase"),
        ("nobody@client.example", PASSWORD),
        ("cy@client.example", PASSWORD),
    ):
        checked.clear()
        async with asked() as statements:
            answers.append(await sign_in(populated, email, given))
        work.append((list(checked), len(statements.statements)))
    assert answers == [answers[0]] * 3
    assert answers[0]["userErrors"][0]["code"] == "INVALID_CREDENTIALS"
    # One hash each, with the same parameters, whether or not there is somebody.
    assert work == [work[0]] * 3
    assert len(work[0][0]) == 1


async def test_sign_in_attempts_are_limited_alike_for_known_and_unknown(
    populated: PopulatedServer,
) -> None:
    begin_early_in(session._GUESS_WINDOW_SECONDS, needed_seconds=30)
    refusals = []
    for email in ("bo@client.example", "who@client.example"):
        for _ in range(10):
            refused = await sign_in(populated, email, "a guess of many")
            assert refused["userErrors"][0]["code"] == "INVALID_CREDENTIALS"
        refused = await sign_in(populated, email.upper(), PASSWORD)
        assert refused["token"] is None
        refusals.append(refused["userErrors"])
    for [error] in refusals:
        assert (error["__typename"], error["code"]) == ("RateLimited", "RATE_LIMITED")
        assert 0 < error["retryAfterSeconds"] <= 900
    # Nobody else is shut out by it.
    assert (await sign_in(populated, EMAIL, PASSWORD))["userErrors"] == []


async def test_a_browser_that_has_signed_in_before_is_not_locked_out_by_strangers(
    populated: PopulatedServer,
) -> None:
    email = f"{key()}@client.example"
    how: dict[str, Any] = {"name": "Di", "currency": "USD", "locale": None}
    by = populated.actor("staff")
    await run(CreateAccount(email=email, password=PASSWORD, **how), by, key())
    right, wrong = ({"email": email, "password": given} for given in (PASSWORD, "a guess of many"))
    first = await populated.post(SIGN_IN, variables=right)
    device = first.cookies["account_credit_device"]
    populated.http.cookies.clear()
    known = {"cookie": f"account_credit_device={device}"}
    begin_early_in(session._GUESS_WINDOW_SECONDS, needed_seconds=30)
    for _ in range(12):
        await sign_in(populated, email, "a guess of many")
    assert (await sign_in(populated, email, PASSWORD))["userErrors"][0]["code"] == "RATE_LIMITED"
    signed_in = (await populated.post(SIGN_IN, variables=right, **known)).json()["data"]["signIn"]
    populated.http.cookies.clear()
    assert (signed_in["userErrors"], signed_in["viewer"]) == ([], {"role": "CLIENT"})
    # Whoever has stolen the cookie guesses no more often, and is nobody by it.
    codes = []
    for _ in range(12):
        refused = (await populated.post(SIGN_IN, variables=wrong, **known)).json()["data"]["signIn"]
        codes.append(refused["userErrors"][0]["code"])
    assert codes == ["INVALID_CREDENTIALS"] * 10 + ["RATE_LIMITED"] * 2
    assert (await populated.post(VIEWER, **known)).json() == {"data": {"viewer": None}}


async def test_voucher_codes_that_are_no_good_are_the_same_words_and_work(
    populated: PopulatedServer,
) -> None:
    used = await populated.a_voucher()
    await populated.data(REDEEM, "other", code=used, key=key())
    answers, work = [], []
    for code in ("0" * 20, used, "ABCDE-FGHJK-MNPQR-STVWX", "x", ""):
        async with asked() as statements:
            answers.append(await populated.data(REDEEM, "client", code=code, key=key()))
        # That a session is used is written once a minute, whatever it is used for.
        work.append(len([one for one in statements.statements if "SET seen_at" not in one]))
    assert answers == [answers[0]] * 5
    assert answers[0]["redeemVoucher"]["userErrors"][0]["code"] == "VOUCHER_REFUSED"
    assert work == [work[0]] * 5


async def test_voucher_guesses_are_counted_whatever_way_they_come(
    populated: PopulatedServer,
) -> None:
    """By HTTP, by socket, by several sessions at once: one budget for the account."""
    begin_early_in(redemption._WINDOW_SECONDS, needed_seconds=30)
    codes: list[str] = []
    others = [await populated.signed_in("other") for _ in range(3)]
    async with a_socket(populated, others[0]) as socket:
        for _ in range(12):
            guess = {"code": "0" * 20, "key": key()}
            answer = await ask(socket, REDEEM, **guess)
            codes.append(answer["data"]["redeemVoucher"]["userErrors"][0]["code"])
            for headers in others[1:]:
                body = (
                    await populated.post(REDEEM, variables=guess | {"key": key()}, **headers)
                ).json()
                codes.append(body["data"]["redeemVoucher"]["userErrors"][0]["code"])
    assert codes.count("VOUCHER_REFUSED") == 20
    assert codes.count("RATE_LIMITED") == 16
    good = await populated.a_voucher()
    shut = await populated.data(REDEEM, "other", code=good, key=key())
    assert shut["redeemVoucher"]["userErrors"][0]["code"] == "RATE_LIMITED"
    aliases = " ".join(
        f'a{n}: redeemVoucher(input: {{code: "{n}", idempotencyKey: "a{n}"}}) {{ __typename }}'
        for n in range(2)
    )
    two = await populated.post(f"mutation {{ {aliases} }}", "client")
    assert two.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    hidden = f"mutation {{ ...F }} fragment F on Mutation {{ {aliases} }}"
    assert (await populated.post(hidden, "client")).json()["errors"][0]["extensions"]["code"] == (
        "LIMIT_EXCEEDED"
    )
    batch = await populated.http.post(
        "/graphql", json=[{"query": VIEWER}] * 2, headers=populated.callers["client"]
    )
    assert batch.status_code == 400
