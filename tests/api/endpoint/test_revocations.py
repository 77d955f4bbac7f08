"""What is open is told when its credential holds no more, however it came to that."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from api.endpoint import revocations
from api.endpoint.revocations import Revocations
from models.access import session
from models.access.api_key import ApiKey, create_key, revoke_key
from models.access.credential import actor_of_credential
from models.access.session import Session, open_session
from models.access.user import User
from models.accounts.hand_over import CreateClientSession
from models.clock import now
from models.db.record import new_id
from models.db.transactions import transaction
from models.journal.command import run
from tests.support.identities import ADDRESS, a_client, wire_small_provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from models.access.identity import Actor
    from models.provider.provider import Provider

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db", "wired")]

SOON = 5.0


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setattr(revocations, "LOOK_SECONDS", 0.01)
    return wire_small_provider(monkeypatch)


class Open:
    """Something open."""

    def __init__(self, found: Revocations, actor: Actor | None) -> None:
        self.over = asyncio.Event()
        self.times = 0
        self.close = found.call_when_revoked(actor, self._ended)

    def _ended(self) -> None:
        self.times += 1
        self.over.set()


@asynccontextmanager
async def looking() -> AsyncIterator[Revocations]:
    found = Revocations()
    async with found.running():
        yield found
    assert found._by_id == {}
    assert found._by_age == {}


async def signed_in() -> Actor:
    actor, _ = await open_session(await a_client(), address=ADDRESS)
    return actor


async def with_a_key() -> Actor:
    _, token = await create_key("Order desk", ["credit:read"])
    actor = await actor_of_credential(token, ADDRESS)
    assert actor is not None
    return actor


async def sign_out(actor: Actor) -> None:
    await session.sign_out(actor)


async def revoke(actor: Actor) -> None:
    assert actor.key_id is not None
    await revoke_key(actor.key_id)


async def disable(actor: Actor) -> None:
    await transaction(lambda: User.filter(id=actor.user_id).update(disabled_at=now()))


async def handed_over() -> Actor:
    _, token = await create_key(new_id().hex, ["sessions:create"])
    shop = await actor_of_credential(token, ADDRESS)
    ada = await a_client()
    assert shop is not None
    assert ada.account_id is not None
    handed = await run(CreateClientSession(ada.account_id), shop, new_id().hex)
    actor = await actor_of_credential(str(handed.token), ADDRESS)
    assert actor is not None
    return actor


async def revoke_its_key(actor: Actor) -> None:
    opened = await Session.get(id=actor.session_id)
    assert opened.key_id is not None
    await revoke_key(opened.key_id)


@pytest.mark.parametrize(
    ("come_in", "end"),
    [
        (signed_in, sign_out),
        (with_a_key, revoke),
        (signed_in, disable),
        (with_a_key, disable),
        (handed_over, sign_out),
        (handed_over, revoke_its_key),
    ],
)
async def test_all_that_one_credential_has_open_is_told_once(
    come_in: Callable[[], Awaitable[Actor]], end: Callable[[Actor], Awaitable[None]]
) -> None:
    async with looking() as found:
        actor, (other, _) = (
            await come_in(),
            await open_session(await a_client("bo@example.com"), address=ADDRESS),
        )
        mine, stays = [Open(found, actor) for _ in range(3)], Open(found, other)
        nobody = Open(found, None)
        mine[0].close()
        await end(actor)
        for one in mine[1:]:
            await asyncio.wait_for(one.over.wait(), SOON)
        await asyncio.sleep(0.05)
        assert [one.times for one in (*mine, stays, nobody)] == [0, 1, 1, 0, 0]
        stays.close()


async def test_a_session_that_runs_out_is_over_by_itself() -> None:
    actor = await signed_in()
    soon = now() + timedelta(milliseconds=30)
    await transaction(lambda: Session.filter(id=actor.session_id).update(expires_at=soon))
    async with looking() as found:
        brief = Open(found, replace(actor, expires_at=soon))
        await asyncio.wait_for(brief.over.wait(), SOON)


async def test_what_nobody_told_of_is_found_when_all_are_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revocations, "RECHECK_SECONDS", 0.0)
    actor, other = await with_a_key(), await signed_in()
    async with looking() as found:
        mine, stays = Open(found, actor), Open(found, other)
        await transaction(lambda: ApiKey.filter(id=actor.key_id).update(scopes="invoices:read"))
        await asyncio.wait_for(mine.over.wait(), SOON)
        assert stays.times == 0
        stays.close()


async def test_a_database_that_is_away_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def away(_moment: object) -> set[Any]:
        asked.set()
        raise OSError("away")

    actor = await signed_in()
    async with looking() as found:
        with monkeypatch.context() as patched:
            patched.setattr(revocations, "revoked_since", away)
            mine = Open(found, actor)
            await asyncio.wait_for(asked.wait(), SOON)
            assert not mine.over.is_set()
        await sign_out(actor)
        await asyncio.wait_for(mine.over.wait(), SOON)
