"""Tokens that come at once are looked up together, and each is judged by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from models.access.api_key import create_key, revoke_key
from models.access.credential import actor_of_credential
from models.access.session import open_session, revoke_session
from models.access.user import User
from models.clock import now
from models.db import tasks
from models.db.transactions import transaction
from tests.support.identities import ADDRESS, a_client, an_account, wire_small_provider
from tests.support.query_counter import asked

if TYPE_CHECKING:
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


async def test_sessions_that_come_at_once_are_one_statement() -> None:
    users = [await a_client(f"{n}@example.com") for n in range(5)]
    opened = [await open_session(user, address=ADDRESS) for user in users]
    revoked, ended = opened[0], opened[1]
    assert revoked[0].session_id is not None
    await revoke_session(revoked[0].session_id)
    await transaction(lambda: User.filter(id=ended[0].user_id).update(disabled_at=now()))
    tokens = [token for _, token in opened]
    async with asked() as seen:
        found = await asyncio.gather(
            *(actor_of_credential(token, f"192.0.2.{n}") for n, token in enumerate(tokens)),
            actor_of_credential(tokens[2], "192.0.2.99"),
            actor_of_credential("acs_" + "x" * 43, ADDRESS),
        )
    assert len(seen.all) == 1
    assert found[:2] == [None, None]
    assert found[-1] is None
    kept = [actor for actor in found if actor is not None]
    assert [actor.user_id for actor in kept] == [user.id for user in [*users[2:], users[2]]]
    assert [actor.address for actor in kept] == [f"192.0.2.{n}" for n in (2, 3, 4, 99)]


async def test_keys_that_come_at_once_are_two_statements() -> None:
    one, two = await an_account(), await an_account("cy@example.com")
    _, first = await create_key("Order desk", ["credit:read"], [one.id, two.id])
    _, second = await create_key("Order desk", ["credit:read"], [two.id])
    _, everywhere = await create_key("Accounting", ["credit:read"])
    gone, revoked = await create_key("Order desk", ["credit:read"], [one.id])
    await revoke_key(gone.id)
    wrong = first[:-1] + ("x" if first[-1] != "x" else "y")
    async with asked() as seen:
        tokens = (first, second, everywhere, revoked, wrong)
        found = await asyncio.gather(*(actor_of_credential(token, ADDRESS) for token in tokens))
        selects = [statement for statement in seen.all if statement.startswith("SELECT")]
    assert len(selects) == 2
    reached = [actor and actor.accounts for actor in found]
    assert reached == [frozenset({one.id, two.id}), frozenset({two.id}), None, None, None]
    assert [actor is None for actor in found] == [False, False, False, True, True]
    await tasks.drain()


async def test_who_is_signed_out_is_nobody_to_the_very_next_request() -> None:
    user = await a_client()
    opened = [await open_session(user, address=ADDRESS) for _ in range(3)]
    for actor, token in opened:
        # Others come all the time.
        others = asyncio.gather(*(actor_of_credential(other, ADDRESS) for _, other in opened))
        assert actor.session_id is not None
        await revoke_session(actor.session_id)
        assert await actor_of_credential(token, ADDRESS) is None
        await others
