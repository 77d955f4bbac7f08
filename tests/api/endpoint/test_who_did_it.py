"""Who did it is in the audit log once a second person uses the account, however long a socket is
open.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from asgi_lifespan import LifespanManager
from websockets.asyncio.client import connect

from api.app import create_app
from models.access.identity import MemberRole
from models.access.session import open_session
from models.db.record import parse_id, public_id
from models.journal.audit_log import AuditEntry
from tests.support.application import demo_settings
from tests.support.people import a_member, a_person
from tests.support.providers import key
from tests.support.small_endpoint import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.client import ClientConnection

pytestmark = pytest.mark.once

INVITE: Final = (
    "inviteMember(input: {email: $email, role: VIEWER, idempotencyKey: $key})"
    " { userErrors { message } }"
)
RENAME: Final = (
    'updateAccount(input: {name: "Ada L.", idempotencyKey: $other}) { userErrors { message } }'
)


async def answered(socket: ClientConnection, query: str) -> None:
    given = {"email": f"{key()}@client.example", "key": key(), "other": key()}
    payload = {
        "query": query,
        "variables": {name: given[name] for name in given if f"${name}" in query},
    }
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
    told = json.loads(await asyncio.wait_for(socket.recv(), 10))
    assert told["type"] == "next", told
    assert all(one["userErrors"] == [] for one in told["payload"]["data"].values()), told
    assert json.loads(await asyncio.wait_for(socket.recv(), 10))["type"] == "complete"


@asynccontextmanager
async def a_socket(database_url: str) -> AsyncIterator[tuple[ClientConnection, str]]:
    """Of somebody who is alone in their account, and its public id."""
    app = create_app(demo_settings(database_url))
    async with LifespanManager(app) as manager, serving(cast("Any", manager.app)) as address:
        user = await a_person()
        assert user.account_id is not None
        _, token = await open_session(user)
        protocols = cast("Any", ["graphql-transport-ws"])
        async with connect(f"ws://{address}/graphql", subprotocols=protocols) as socket:
            payload = {"authorization": f"Bearer {token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            yield socket, public_id("acc", user.account_id)


async def renamed(account: str) -> int:
    return await AuditEntry.filter(subject=account, action="account.update").count()


async def test_an_open_socket_is_logged_once_somebody_has_followed_an_invitation(
    database_url: str,
) -> None:
    async with a_socket(database_url) as (socket, account):
        await answered(socket, f"mutation ($email: String!, $key: String!) {{ {INVITE} }}")
        await answered(socket, f"mutation ($other: String!) {{ {RENAME} }}")
        assert await renamed(account) == 0, "nobody else can have done it"
        await a_member(parse_id("acc", account), MemberRole.VIEWER)
        await answered(socket, f"mutation ($other: String!) {{ {RENAME} }}")
        assert await renamed(account) == 1
