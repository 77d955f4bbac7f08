"""What is open is closed when its session gives something else than when it was opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from api.endpoint import revocations
from api.endpoint.revocations import Revocations
from models.access import session
from models.access.identity import MemberRole
from models.access.member import Member
from models.access.session import open_session
from models.accounts.members import change_member, members_of, remove_member
from models.db import sql
from models.db.transactions import transaction
from tests.support.factories import STAFF
from tests.support.identities import a_client, an_account, wire_small_provider

if TYPE_CHECKING:
    from models.access.identity import Actor

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db")]

SOON = 5.0


@pytest.fixture(autouse=True)
def _wired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "LOOK_SECONDS", 0.01)
    wire_small_provider(monkeypatch)


def opened(found: Revocations, actor: Actor) -> asyncio.Event:
    over = asyncio.Event()
    found.call_when_revoked(actor, over.set)
    return over


async def closed(over: asyncio.Event) -> None:
    await asyncio.wait_for(over.wait(), SOON)


@pytest.mark.parametrize("way", ["switched", "changed", "removed"])
async def test_what_was_open_is_closed_and_what_is_opened_then_stays(way: str) -> None:
    ada, account = await a_client(), await an_account()
    await transaction(
        lambda: sql.add(
            Member(account_id=account.id, user_id=ada.id, role=MemberRole.BILLING.value)
        )
    )
    there, _ = await open_session(ada, account_id=account.id)
    at_home, _ = await open_session(ada)
    [member] = (await members_of([account.id]))[account.id]
    found = Revocations()
    async with found.running():
        over, stays = opened(found, there), opened(found, at_home)
        if way == "switched":
            later = await session.switch_account(ada.account_id, there)
        elif way == "changed":
            await change_member(member.id, MemberRole.VIEWER, STAFF)
            later, _ = await open_session(ada, account_id=account.id)
        else:
            await remove_member(member.id, STAFF)
            later = at_home
        await closed(over)
        again = opened(found, later)
        last, _ = await open_session(ada)
        ending = opened(found, last)
        await session.sign_out(last)
        await closed(ending)  # a whole look has gone by
        assert not again.is_set()
        assert not stays.is_set()
