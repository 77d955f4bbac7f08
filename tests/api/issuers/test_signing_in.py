"""A portal's own token as a bearer, over HTTP and on a websocket."""

from __future__ import annotations

import asyncio
import json
from time import time
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from asgi_lifespan import LifespanManager
from websockets.asyncio.client import connect

from api.app import create_app
from api.settings.issuers import TrustedIssuer
from api.settings.settings import SettingsError, load_settings
from models.accounts.account import Account
from models.db.transactions import transaction
from tests.support.application import SECRET, ask, demo_settings, running
from tests.support.issuer import claims, jwks, rsa, setting, signed
from tests.support.providers import key
from tests.support.small_endpoint import serving

if TYPE_CHECKING:
    from pathlib import Path

    from api.settings.settings import Settings

pytestmark = pytest.mark.once

VIEWER: Final = "{ viewer { role account { email externalId } } }"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(rsa()))
    trusted = setting(path, create_accounts=True)
    return demo_settings(database_url, trusted_issuers=trusted)


def a_token(name: str, **more: Any) -> str:
    told = {"email": f"{name}@client.example", "email_verified": True, "name": "Ada"}
    return signed(claims(name, **told, **more))


async def test_a_portals_token_is_a_bearer(settings: Settings) -> None:
    name = key()
    async with running(settings) as client:
        told = await ask(client, VIEWER, a_token(name))
        assert told["viewer"]["role"] == "CLIENT"
        assert told["viewer"]["account"]["externalId"] == name
        headers = {"authorization": f"Bearer {a_token(name, aud='another')}"}
        refused = await client.post("/graphql", json={"query": VIEWER}, headers=headers)
        assert refused.status_code == 401
        [error] = refused.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        cookie = {"cookie": f"account_credit_session={a_token(name)}"}
        anonymous = await client.post("/graphql", json={"query": VIEWER}, headers=cookie)
        assert anonymous.json() == {"data": {"viewer": None}}


@pytest.mark.parametrize("claim", ["exp", "nbf"])
async def test_a_number_that_is_too_large_for_a_time_is_refused(
    settings: Settings, claim: str
) -> None:
    async with running(settings) as client:
        headers = {"authorization": f"Bearer {a_token(key(), **{claim: 10**400})}"}
        answer = await client.post("/graphql", json={"query": VIEWER}, headers=headers)
        assert answer.status_code == 401


async def test_a_websocket_of_a_token_ends_when_that_expires(settings: Settings) -> None:
    name = key()
    app = create_app(settings)
    async with LifespanManager(app) as manager, serving(cast("Any", manager.app)) as address:
        url = f"ws://{address}/graphql"
        async with connect(url, subprotocols=cast("Any", ["graphql-transport-ws"])) as socket:
            token = a_token(name, exp=int(time()) + 3)
            payload = {"authorization": f"Bearer {token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            asked = {"id": "1", "type": "subscribe", "payload": {"query": VIEWER}}
            await socket.send(json.dumps(asked))
            told = json.loads(await socket.recv())
            assert told["payload"]["data"]["viewer"]["account"]["externalId"] == name
            await asyncio.wait_for(socket.wait_closed(), 10)
            assert socket.close_code == 4403


async def test_a_websocket_of_a_token_ends_when_it_names_nobody_any_more(
    settings: Settings,
) -> None:
    name = key()
    app = create_app(settings)
    async with LifespanManager(app) as manager, serving(cast("Any", manager.app)) as address:
        url = f"ws://{address}/graphql"
        async with connect(url, subprotocols=cast("Any", ["graphql-transport-ws"])) as socket:
            payload = {"authorization": f"Bearer {a_token(name)}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await transaction(
                lambda: Account.filter(external_id=name).update(external_id="x" + name)
            )
            asked = {"id": "1", "type": "subscribe", "payload": {"query": VIEWER}}
            await socket.send(json.dumps(asked))
            await asyncio.wait_for(socket.wait_closed(), 10)
            assert socket.close_code == 4403


@pytest.mark.parametrize(
    "more",
    [
        {"jwks": "http://portal.example/jwks"},
        {"jwks": "ftp://portal.example/jwks"},
        {"jwks": "file://host/jwks"},
        {"jwks": "https://user:password@portal.example/jwks"},
        {"jwks": "/etc/passwd"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"audience": ""},
        {"partner": ""},
        {"issuer": ""},
        {"currency": "XTS"},
        {"unknown": 1},
    ],
)
def test_an_issuer_that_is_set_up_wrongly_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="TRUSTED_ISSUERS"):
        load_settings(secret_key=SECRET, trusted_issuers=setting(tmp_path / "k.json", **more))


def test_an_issuer_is_named_once_and_has_defaults(tmp_path: Path) -> None:
    one = setting(tmp_path / "k.json")
    twice = json.dumps(json.loads(one) * 2)
    with pytest.raises(SettingsError, match="TRUSTED_ISSUERS"):
        load_settings(secret_key=SECRET, trusted_issuers=twice)
    (issuer,) = load_settings(secret_key=SECRET, trusted_issuers=one).trusted_issuers
    assert isinstance(issuer, TrustedIssuer)
    assert (issuer.algorithms, issuer.external_id_claim) == (["RS256"], "sub")
    assert not issuer.create_accounts
    assert not issuer.email_verified
