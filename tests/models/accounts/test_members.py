"""Several people, one account: an owner remains, whoever is faster."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from models.access.credential import actor_of_credential, holding
from models.access.identity import Actor, MemberRole, Role
from models.access.member import Member
from models.access.session import Session, open_session
from models.access.user import User
from models.accounts import sign_in
from models.accounts.account import Account
from models.accounts.hand_over import CreateClientSession
from models.accounts.invitation import InviteMember
from models.accounts.members import change_member, remove_member
from models.accounts.settings import UpdateAccount
from models.accounts.sign_in import SignedIn
from models.clock import now
from models.db import sql, tasks
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import (
    Forbidden,
    NotAllowed,
    NotFound,
    StepUpRequired,
)
from models.invoices.deposit import AddFunds
from models.journal.audit_log import AuditEntry
from models.journal.command import Command, run
from models.payments.follow_up import CancelPayment
from tests.support.factories import STAFF, Client
from tests.support.people import (
    a_member,
    a_person,
    accepted,
    an_owner,
    invited,
    letters,
    signed_in,
    those_in,
)
from tests.support.providers import VERSION, key

pytestmark = pytest.mark.usefixtures("people")


# ------------------------------------------------------------------------------- an owner remains


@pytest.mark.parametrize("turn", range(4))
async def test_two_owners_who_remove_each_other_at_once_leave_one(turn: int) -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    by, there = {one: await signed_in(one) for one in (ada, bo)}, await those_in(ada.account_id)
    calls = [remove_member(there[bo.id].id, by[ada]), remove_member(there[ada.id].id, by[bo])]
    done = await asyncio.gather(*calls[:: 1 if turn % 2 else -1], return_exceptions=True)
    assert [one for one in done if one is None] == [None]
    assert next(type(one) for one in done if one is not None) in {Forbidden, NotFound}
    [left] = (await those_in(ada.account_id)).values()
    assert left.role is MemberRole.OWNER


@pytest.mark.parametrize("role", [MemberRole.BILLING, MemberRole.VIEWER])
async def test_two_owners_who_demote_each_other_at_once_leave_one(role: MemberRole) -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    by, there = {one: await signed_in(one) for one in (ada, bo)}, await those_in(ada.account_id)
    done = await asyncio.gather(
        change_member(there[bo.id].id, role, by[ada]),
        change_member(there[ada.id].id, role, by[bo]),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Forbidden) for one in done) == 1
    roles = [one.role for one in (await those_in(ada.account_id)).values()]
    assert sorted(roles) == sorted([MemberRole.OWNER, role])


async def test_the_last_owner_stays_one_and_nothing_has_changed() -> None:
    ada = await an_owner()
    await a_member(ada.account_id, MemberRole.BILLING)
    by, before = await signed_in(ada), await those_in(ada.account_id)
    own = before[ada.id]
    with pytest.raises(NotAllowed) as refused:
        await remove_member(own.id, by)
    assert refused.value.field == ("member_id",)
    with pytest.raises(NotAllowed) as refused:
        await change_member(own.id, MemberRole.VIEWER, by)
    assert refused.value.field == ("role",)
    with pytest.raises(NotAllowed):
        await remove_member(own.id, STAFF)
    assert await those_in(ada.account_id) == before
    assert await holding({by}) == {by}


async def test_somebody_who_has_not_come_in_is_not_the_owner_who_remains() -> None:
    ada = await an_owner()
    by = await signed_in(ada)
    waiting = await invited(f"{key()}@new.example", by, MemberRole.OWNER)
    own = (await those_in(ada.account_id))[ada.id]
    with pytest.raises(NotAllowed):
        await remove_member(own.id, by)
    await remove_member(waiting.id, by)
    assert list(await those_in(ada.account_id)) == [ada.id]


async def test_an_account_s_client_who_was_handed_over_and_never_came_is_no_owner_yet() -> None:
    ada = await a_person(password=None)
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    handed = await run(CreateClientSession(account_id=ada.account_id), STAFF, key())
    there = await those_in(ada.account_id)
    assert there[ada.id].is_invited
    by = await signed_in(bo)
    with pytest.raises(NotAllowed):
        await remove_member(there[bo.id].id, by)
    with pytest.raises(NotAllowed):
        await change_member(there[bo.id].id, MemberRole.VIEWER, by)
    # Nor is a sign-in from a first device told as if it were a second one.
    await open_session(await User.get(id=ada.id), notes="")
    assert "new_device" not in {one.kind for one in await letters(ada.email or "")}
    await transaction(lambda: Session.filter(user_id=ada.id, user_agent="").delete())
    again = await run(CreateClientSession(account_id=ada.account_id), STAFF, key())
    assert (await those_in(ada.account_id))[ada.id].is_invited
    assert handed.token is not None
    assert again.token is not None
    assert await actor_of_credential(again.token, "") is not None
    await tasks.drain()
    assert not (await those_in(ada.account_id))[ada.id].is_invited
    await change_member(there[bo.id].id, MemberRole.VIEWER, by)


# ------------------------------------------------------------------------------- changes


async def test_a_member_keeps_their_id_whatever_they_become() -> None:
    ada = await an_owner()
    await a_member(ada.account_id, MemberRole.OWNER)
    own = (await those_in(ada.account_id))[ada.id]
    assert own.id == ada.id
    changed = await change_member(own.id, MemberRole.BILLING, STAFF)
    assert changed == replace(own, role=MemberRole.BILLING)
    assert (await those_in(ada.account_id))[ada.id] == changed
    assert (await signed_in(ada)).member_role is MemberRole.BILLING
    await change_member(own.id, MemberRole.OWNER, STAFF)
    assert (await those_in(ada.account_id))[ada.id] == own


async def test_a_removed_member_has_nothing_left_of_the_account_and_keeps_their_own() -> None:
    ada, bo = await an_owner(), await an_owner()
    await transaction(
        lambda: sql.add(
            Member(account_id=ada.account_id, user_id=bo.id, role=MemberRole.BILLING.value)
        )
    )
    at_home, home = await open_session(bo)
    at_adas, there = await open_session(bo, account_id=ada.account_id)
    assert at_adas.account_id == ada.account_id
    assert at_adas.member_role is MemberRole.BILLING
    await remove_member((await those_in(ada.account_id))[bo.id].id, await signed_in(ada))
    assert await actor_of_credential(there, "") is None
    assert await holding({at_adas, at_home}) == {at_home}
    assert await actor_of_credential(home, "") is not None


async def test_whoever_is_removed_from_the_account_they_came_with_may_come_back() -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    _, token = await open_session(ada)
    await remove_member(ada.id, await signed_in(bo))
    assert await actor_of_credential(token, "") is None
    assert (await User.get(id=ada.id)).account_id is None
    nowhere = (await open_session(await User.get(id=ada.id)))[0]
    assert nowhere.account_id is None
    assert nowhere.sees(new_id()) is False
    again = await invited(ada.email or "", await signed_in(bo))
    assert again.is_invited
    answered = await sign_in.finish(await User.get(id=ada.id), address="")
    assert isinstance(answered, SignedIn)
    assert answered.actor.account_id == again.account_id
    back, _ = await open_session(await User.get(id=ada.id))
    assert (back.account_id, back.member_role) == (again.account_id, MemberRole.VIEWER)


async def test_a_demoted_member_keeps_the_session_and_not_what_it_gave() -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    was, token = await open_session(bo)
    there = await those_in(ada.account_id)
    await change_member(there[bo.id].id, MemberRole.VIEWER, await signed_in(ada))
    assert await holding({was}) == set()
    now_is = await actor_of_credential(token, "")
    assert now_is is not None
    commands: list[Command[Any, Any, Any]] = [
        UpdateAccount(None, {"name": "Mine"}),
        AddFunds(Decimal(10), "USD", "card", VERSION),
        InviteMember(None, f"{key()}@new.example", MemberRole.OWNER),
    ]
    for command in commands:
        with pytest.raises(Forbidden):
            await run(command, now_is, key())
    with pytest.raises(Forbidden):
        await remove_member(there[ada.id].id, now_is)
    account = await Account.get(id=ada.account_id)
    assert account.name == "Ada"


async def test_members_of_another_account_are_not_found_and_partners_manage_none() -> None:
    ada, bo = await an_owner(), await an_owner()
    for member_id in ((await those_in(bo.account_id))[bo.id].id, new_id()):
        with pytest.raises(NotFound) as refused:
            await remove_member(member_id, await signed_in(ada))
        assert refused.value.field == ("member_id",)
    partner = Actor(role=Role.PARTNER, user_id=new_id(), accounts=None)
    with pytest.raises(Forbidden):
        await change_member(bo.id, MemberRole.VIEWER, partner)
    assert list(await those_in(bo.account_id)) == [bo.id]


async def test_who_proved_who_they_are_too_long_ago_is_asked_again() -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.VIEWER)
    by = replace(await signed_in(ada), proven_at=now() - timedelta(minutes=11))
    member = (await those_in(ada.account_id))[bo.id]
    with pytest.raises(StepUpRequired):
        await change_member(member.id, MemberRole.OWNER, by)
    with pytest.raises(StepUpRequired):
        await invited(f"{key()}@new.example", by)
    assert (await those_in(ada.account_id))[bo.id] == member


# ------------------------------------------------------------------------------- who did it


async def test_the_audit_log_says_who_did_what_where_several_use_an_account() -> None:
    ada = await an_owner()
    alone = await signed_in(ada)
    await run(UpdateAccount(None, {"name": "Ada"}), alone, key())
    assert await AuditEntry.filter(user_id=ada.id).count() == 0
    bo = await an_owner()
    member = await invited(bo.email or "", alone)
    await accepted(member, bo)
    await run(UpdateAccount(None, {"name": "Ada"}), await signed_in(ada), key())
    await change_member(member.id, MemberRole.BILLING, await signed_in(ada))
    await remove_member(member.id, await signed_in(ada))
    told = await AuditEntry.filter(user_id=ada.id).order_by("id")
    actions = ["member.invite", "account.update", "member.change", "member.remove"]
    assert [one.action for one in told] == actions
    assert {one.role for one in told} == {"CLIENT"}
    assert told[2].details == {"member": member.public_id, "role": "BILLING"}


async def test_who_paid_deposited_and_redeemed_in_a_shared_account_is_in_the_audit_log() -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.BILLING)
    account = await Account.get(id=ada.account_id)
    by_ada, by_bo = Client(account, await signed_in(ada)), Client(account, await signed_in(bo))
    funds = await by_bo.funds()
    begun = await by_bo.begin(funds)
    await run(CancelPayment(begun.id), by_bo.actor, key())
    line = await by_bo.granted(3000)
    bill = await by_bo.order(2500)
    await by_bo.spend(bill)
    await by_ada.granted(1000)
    told = await AuditEntry.filter(user_id=bo.id).order_by("id")
    assert [(one.action, one.subject) for one in told] == [
        ("funds.add", funds.public_id),
        ("invoice.pay", funds.public_id),
        ("payment.cancel", begun.public_id),
        ("voucher.redeem", line.public_id),
        ("invoice.pay", bill.public_id),
    ]
    assert {(one.role, one.key_id) for one in told} == {("CLIENT", None)}
    assert await AuditEntry.filter(user_id=ada.id, action="voucher.redeem").count() == 1


async def test_what_an_only_client_pays_deposits_and_redeems_is_not_logged() -> None:
    ada = await an_owner()
    alone = Client(await Account.get(id=ada.account_id), await signed_in(ada))
    await alone.begin(await alone.funds())
    await alone.granted(3000)
    await alone.spend(await alone.order(2500))
    assert await AuditEntry.filter(user_id=ada.id).count() == 0
