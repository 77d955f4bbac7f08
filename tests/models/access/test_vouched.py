"""Clients whom a trusted issuer vouches for: by their partner's name for them, and opened once."""

from __future__ import annotations

import asyncio

import pytest

from models.access import vouched
from models.access.credential import holding
from models.access.identity import MemberRole, Role
from models.access.member import Member
from models.access.user import User
from models.accounts import first_sight
from models.accounts.account import Account
from models.accounts.create import CreateAccount
from models.accounts.external import External
from models.accounts.settings import UpdateAccount
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.journal.audit_log import AuditEntry
from models.journal.command import run
from tests.support.factories import STAFF
from tests.support.identities import ADDRESS
from tests.support.providers import key

pytestmark = pytest.mark.usefixtures("provider")


def a_newcomer(email: str = "") -> CreateAccount:
    return CreateAccount("Ada", email or f"{key()}@client.example", "USD", "ja")


async def a_client(partner: str, name: str) -> Account:
    external = External(external_id=name, partner=partner)
    asked = CreateAccount("Ada", f"{key()}@client.example", "USD", external=external)
    return await run(asked, STAFF, key())


async def test_of_many_at_once_each_is_its_own_client() -> None:
    partner, other = key(), key()
    names = [f"{n}'\"\\é漢{key()}" for n in range(3)]
    there = [await a_client(partner, name) for name in names]
    actors = await asyncio.gather(
        *(vouched.actor_of(partner, name, ADDRESS) for name in names),
        vouched.actor_of(other, names[0], ADDRESS),
        vouched.actor_of(partner, "nobody", ADDRESS),
        vouched.actor_of(partner, "\x00", ADDRESS),
    )
    assert [actor and actor.account_id for actor in actors] == [*(one.id for one in there)] + [
        None
    ] * 3
    good = {actor for actor in actors if actor is not None}
    assert {actor.role for actor in good} == {Role.CLIENT}
    assert await holding(good) == good


async def test_many_who_come_at_once_for_the_first_time_are_one() -> None:
    partner, name, asked = key(), key(), a_newcomer()
    done = await asyncio.gather(
        *(first_sight.open_account(partner, asked, name, ADDRESS) for _ in range(5))
    )
    assert sorted(done) == [False] * 4 + [True]
    actor = await vouched.actor_of(partner, name, ADDRESS)
    assert actor is not None
    account = await Account.get(external_id=name)
    assert (actor.account_id, actor.locale) == (account.id, "ja")
    assert await User.filter(name=partner).count() == 1


async def test_an_address_that_somebody_has_opens_nothing() -> None:
    ada = await a_client(key(), key())
    name, before = key(), await Account.all().count()
    assert not await first_sight.open_account(key(), a_newcomer(ada.email), name, ADDRESS)
    assert await Account.all().count() == before


async def test_it_may_do_what_the_user_may() -> None:
    partner, name = key(), key()
    ada = await a_client(partner, name)
    user = await User.get(account_id=ada.id)
    before = await vouched.actor_of(partner, name, ADDRESS)
    assert before is not None
    await transaction(
        lambda: Member.create(account_id=ada.id, user_id=user.id, role=MemberRole.VIEWER.value)
    )
    actor = await vouched.actor_of(partner, name, ADDRESS)
    assert actor is not None
    assert actor.member_role is MemberRole.VIEWER
    assert await holding({before, actor}) == {actor}


async def test_a_disabled_partner_vouches_for_nobody() -> None:
    partner, name = key(), key()
    await a_client(partner, name)
    await transaction(lambda: User.filter(name=partner).update(disabled_at=now()))
    assert await vouched.actor_of(partner, name, ADDRESS) is None


async def test_what_they_do_in_an_account_of_several_is_logged() -> None:
    partner, name = key(), key()
    account = await a_client(partner, name)
    other = await User.create(role=Role.CLIENT.value, email=f"{key()}@example.com")
    row = Member(account_id=account.id, user_id=other.id, role=MemberRole.OWNER.value)
    await transaction(lambda: sql.add(row))
    actor = await vouched.actor_of(partner, name, ADDRESS)
    assert actor is not None
    await run(UpdateAccount(None, {"name": "Other"}), actor, key())
    assert await AuditEntry.filter(subject=account.public_id, action="account.update").count() == 1
