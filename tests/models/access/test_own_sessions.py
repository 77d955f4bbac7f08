"""One's own sessions: listed, ended, about one of several accounts, and told by mail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.access import device, session
from models.access.credential import actor_of_credential, changed_since, holding
from models.access.identity import Actor, MemberRole, Role
from models.access.member import Member
from models.access.session import Session, open_session
from models.clock import now
from models.db import sql
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import Forbidden, NotFound
from models.mail.outgoing import OutgoingMail
from tests.support.identities import (
    ADDRESS,
    PASSWORD,
    a_client,
    an_account,
    signed_in,
    wire_small_provider,
)

if TYPE_CHECKING:
    from uuid import UUID

    from models.access.user import User
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


async def joins(user: User, account_id: UUID, role: MemberRole = MemberRole.VIEWER) -> None:
    await transaction(
        lambda: sql.add(Member(account_id=account_id, user_id=user.id, role=role.value))
    )


async def test_sessions_are_listed_newest_first_and_only_those_that_hold() -> None:
    ada, bo = await a_client(), await a_client("bo@example.com")
    first, _ = await open_session(ada, user_agent="Old", address=ADDRESS)
    second, _ = await open_session(ada, user_agent="New")
    ended, _ = await open_session(ada)
    over, _ = await open_session(ada)
    await open_session(bo)
    await session.sign_out(ended)
    past = now() - timedelta(seconds=1)
    await transaction(lambda: Session.filter(id=over.session_id).update(expires_at=past))
    listed = await session.sessions_of(second)
    assert [one.id for one in listed] == [second.session_id, first.session_id]
    assert [(one.user_agent, one.address) for one in listed] == [("New", ""), ("Old", ADDRESS)]


async def test_one_ends_ones_own_sessions_and_nobody_elses() -> None:
    ada, bo = await a_client(), await a_client("bo@example.com")
    by, _ = await open_session(ada)
    other, token = await open_session(ada)
    foreign, _ = await open_session(bo)
    assert other.session_id is not None
    assert foreign.session_id is not None
    for id_ in (foreign.session_id, new_id()):
        with pytest.raises(NotFound) as refused:
            await session.end_session(id_, by)
        assert refused.value.field == ("session_id",)
    await session.end_session(other.session_id, by)
    await session.end_session(other.session_id, by)
    assert await actor_of_credential(token, "") is None
    assert await holding({by, foreign, other}) == {by, foreign}


async def test_switching_makes_the_session_about_the_other_account() -> None:
    ada, account = await a_client(), await an_account()
    await joins(ada, account.id)
    was, token = await open_session(ada)
    before = now() - timedelta(seconds=1)
    there = await session.switch_account(account.id, was)
    assert (there.account_id, there.member_role) == (account.id, MemberRole.VIEWER)
    assert there.session_id == was.session_id
    assert await actor_of_credential(token, "") == there
    assert await holding({was, there}) == {there}
    assert await changed_since(before) == {was.session_id}
    back = await session.switch_account(ada.account_id, there)
    assert (back.account_id, back.member_role) == (ada.account_id, MemberRole.OWNER)


async def test_nobody_switches_to_an_account_that_is_not_theirs() -> None:
    ada, account = await a_client(), await an_account()
    by, _ = await open_session(ada)
    for account_id in (account.id, new_id(), None):
        with pytest.raises(NotFound) as refused:
            await session.switch_account(account_id, by)
        assert refused.value.field == ("account_id",)
    staff = Actor(role=Role.STAFF, user_id=new_id(), session_id=by.session_id)
    with pytest.raises(Forbidden):
        await session.switch_account(ada.account_id, staff)
    assert await holding({by}) == {by}


async def test_whoever_has_no_account_of_their_own_begins_in_the_first_they_joined() -> None:
    ada, first, second = await a_client(), await an_account(), await an_account("c@example.com")
    await transaction(lambda: type(ada).filter(id=ada.id).update(account_id=None))
    guest = await type(ada).get(id=ada.id)
    await joins(guest, first.id, MemberRole.BILLING)
    await joins(guest, second.id)
    actor, _ = await open_session(guest)
    assert (actor.account_id, actor.member_role) == (first.id, MemberRole.BILLING)


async def test_a_new_device_is_told_by_mail_and_the_first_and_known_ones_are_not() -> None:
    ada = await a_client()
    await signed_in("ada@example.com", PASSWORD, address=ADDRESS)
    assert await OutgoingMail.all().count() == 0
    notes = await device.noted("", ada.id)
    await signed_in("ada@example.com", PASSWORD, address=ADDRESS, notes=notes)
    assert await OutgoingMail.all().count() == 0
    await signed_in("ada@example.com", PASSWORD, address="192.0.2.9", user_agent="Other/1.0")
    [told] = await OutgoingMail.all()
    assert (told.kind, told.recipient, told.locale) == ("new_device", "ada@example.com", "ja")
    assert told.facts == {"address": "192.0.2.9", "user_agent": "Other/1.0"}
