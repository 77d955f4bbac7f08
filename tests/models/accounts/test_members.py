"""Several people, one account: an owner remains, whoever is faster."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models.access.credential import actor_of_credential, holding
from models.access.identity import Actor, MemberRole, Role
from models.access.member import Member
from models.access.one_use_token import OneUseToken
from models.access.session import open_session
from models.access.user import User, add_user
from models.accounts.account import Account
from models.accounts.invitation import InviteMember
from models.accounts.members import change_member, members_of, remove_member
from models.accounts.settings import UpdateAccount
from models.clock import now
from models.db import sql
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import (
    EmailTaken,
    Forbidden,
    Invalid,
    NotAllowed,
    NotFound,
    RateLimited,
    Refusal,
    StepUpRequired,
)
from models.invoices.deposit import AddFunds
from models.journal.audit_log import AuditEntry
from models.journal.command import Command, run
from models.mail.outgoing import OutgoingMail
from tests.support.factories import STAFF
from tests.support.providers import VERSION, key
from tests.support.rate_windows import begin_early_in

if TYPE_CHECKING:
    from uuid import UUID

    from models.accounts.members import AccountMember

pytestmark = pytest.mark.usefixtures("provider")


async def an_owner(**given: Any) -> User:
    """A client with an account of their own, who has a password."""

    async def add() -> User:
        email = f"{key()}@client.example"
        account = await Account.create(name="Ada", email=email, currency="USD", **given)
        return await add_user(
            role=Role.CLIENT, email=email, password_hash="x", account_id=account.id, name="Ada"
        )

    return await transaction(add)


async def a_member(account_id: UUID | None, role: MemberRole) -> User:
    """Somebody else who uses the account, and has a password."""

    async def add() -> User:
        email = f"{key()}@client.example"
        user = await add_user(role=Role.CLIENT, email=email, password_hash="x")
        await sql.add(Member(account_id=account_id, user_id=user.id, role=role.value))
        return user

    return await transaction(add)


async def signed_in(user: User) -> Actor:
    return (await open_session(user))[0]


async def people(account_id: UUID | None) -> dict[UUID, AccountMember]:
    assert account_id is not None
    found = await members_of([account_id])
    return {one.user_id: one for one in found.get(account_id, [])}


async def invited(email: str, by: Actor, role: MemberRole = MemberRole.VIEWER) -> AccountMember:
    return await run(InviteMember(None, email, role), by, key())


# ------------------------------------------------------------------------------- an owner remains


@pytest.mark.parametrize("turn", range(4))
async def test_two_owners_who_remove_each_other_at_once_leave_one(turn: int) -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    by, there = {one: await signed_in(one) for one in (ada, bo)}, await people(ada.account_id)
    calls = [remove_member(there[bo.id].id, by[ada]), remove_member(there[ada.id].id, by[bo])]
    done = await asyncio.gather(*calls[:: 1 if turn % 2 else -1], return_exceptions=True)
    assert [one for one in done if one is None] == [None]
    assert next(type(one) for one in done if one is not None) in {Forbidden, NotFound}
    [left] = (await people(ada.account_id)).values()
    assert left.role is MemberRole.OWNER


@pytest.mark.parametrize("role", [MemberRole.BILLING, MemberRole.VIEWER])
async def test_two_owners_who_demote_each_other_at_once_leave_one(role: MemberRole) -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    by, there = {one: await signed_in(one) for one in (ada, bo)}, await people(ada.account_id)
    done = await asyncio.gather(
        change_member(there[bo.id].id, role, by[ada]),
        change_member(there[ada.id].id, role, by[bo]),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Forbidden) for one in done) == 1
    roles = [one.role for one in (await people(ada.account_id)).values()]
    assert sorted(roles) == sorted([MemberRole.OWNER, role])


async def test_the_last_owner_stays_one_and_nothing_has_changed() -> None:
    ada = await an_owner()
    await a_member(ada.account_id, MemberRole.BILLING)
    by, before = await signed_in(ada), await people(ada.account_id)
    own = before[ada.id]
    with pytest.raises(NotAllowed) as refused:
        await remove_member(own.id, by)
    assert refused.value.field == ("member_id",)
    with pytest.raises(NotAllowed) as refused:
        await change_member(own.id, MemberRole.VIEWER, by)
    assert refused.value.field == ("role",)
    with pytest.raises(NotAllowed):
        await remove_member(own.id, STAFF)
    assert await people(ada.account_id) == before
    assert await holding({by}) == {by}


async def test_somebody_who_has_not_come_in_is_not_the_owner_who_remains() -> None:
    ada = await an_owner()
    by = await signed_in(ada)
    waiting = await invited(f"{key()}@new.example", by, MemberRole.OWNER)
    own = (await people(ada.account_id))[ada.id]
    with pytest.raises(NotAllowed):
        await remove_member(own.id, by)
    await remove_member(waiting.id, by)
    assert list(await people(ada.account_id)) == [ada.id]


# ------------------------------------------------------------------------------- changes


async def test_a_member_keeps_their_id_whatever_they_become() -> None:
    ada = await an_owner()
    await a_member(ada.account_id, MemberRole.OWNER)
    own = (await people(ada.account_id))[ada.id]
    assert own.id == ada.id
    changed = await change_member(own.id, MemberRole.BILLING, STAFF)
    assert changed == replace(own, role=MemberRole.BILLING)
    assert (await people(ada.account_id))[ada.id] == changed
    assert (await signed_in(ada)).member_role is MemberRole.BILLING
    await change_member(own.id, MemberRole.OWNER, STAFF)
    assert (await people(ada.account_id))[ada.id] == own


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
    await remove_member((await people(ada.account_id))[bo.id].id, await signed_in(ada))
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
    assert (again.user_id, again.is_invited) == (ada.id, False)
    back, _ = await open_session(await User.get(id=ada.id))
    assert (back.account_id, back.member_role) == (again.account_id, MemberRole.VIEWER)


async def test_a_demoted_member_keeps_the_session_and_not_what_it_gave() -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.OWNER)
    was, token = await open_session(bo)
    there = await people(ada.account_id)
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
    for member_id in ((await people(bo.account_id))[bo.id].id, new_id()):
        with pytest.raises(NotFound) as refused:
            await remove_member(member_id, await signed_in(ada))
        assert refused.value.field == ("member_id",)
    partner = Actor(role=Role.PARTNER, user_id=new_id(), accounts=None)
    with pytest.raises(Forbidden):
        await change_member(bo.id, MemberRole.VIEWER, partner)
    assert list(await people(bo.account_id)) == [bo.id]


async def test_who_proved_who_they_are_too_long_ago_is_asked_again() -> None:
    ada = await an_owner()
    bo = await a_member(ada.account_id, MemberRole.VIEWER)
    by = replace(await signed_in(ada), proven_at=now() - timedelta(minutes=11))
    member = (await people(ada.account_id))[bo.id]
    with pytest.raises(StepUpRequired):
        await change_member(member.id, MemberRole.OWNER, by)
    with pytest.raises(StepUpRequired):
        await invited(f"{key()}@new.example", by)
    assert (await people(ada.account_id))[bo.id] == member


# ------------------------------------------------------------------------------- invitations


async def test_somebody_new_gets_a_link_and_nothing_else() -> None:
    ada = await an_owner(locale="ja")
    address = f"{key()}@new.example"
    member = await invited(address, await signed_in(ada), MemberRole.BILLING)
    assert (member.email, member.name, member.is_invited) == (address, "", True)
    user = await User.get(id=member.user_id)
    assert (user.password_hash, user.account_id) == (None, None)
    [sent] = await OutgoingMail.filter(recipient=address)
    assert (sent.kind, sent.locale) == ("member_invitation", "ja")
    assert sent.facts == {"account": "Ada", "role": "BILLING"}
    token = await OneUseToken.get(id=sent.token_id)
    assert (token.user_id, token.purpose, token.email) == (user.id, "invitation", address)


async def test_somebody_who_is_a_client_already_needs_no_link() -> None:
    ada, bo = await an_owner(), await an_owner()
    member = await invited((bo.email or "").upper(), await signed_in(ada))
    assert (member.user_id, member.is_invited) == (bo.id, False)
    [sent] = await OutgoingMail.filter(recipient=bo.email)
    assert sent.token_id is None
    assert (await User.get(id=bo.id)).account_id == bo.account_id


async def test_an_invitation_can_be_repeated_until_it_was_followed() -> None:
    ada = await an_owner()
    by, address = await signed_in(ada), f"{key()}@new.example"
    first = await invited(address, by)
    again = await invited(address, by, MemberRole.BILLING)
    assert again == replace(first, role=MemberRole.BILLING)
    assert await OutgoingMail.filter(recipient=address).count() == 2
    await transaction(lambda: User.filter(id=first.user_id).update(password_hash="x"))
    with pytest.raises(Invalid) as refused:
        await invited(address, by)
    assert refused.value.field == ("email",)
    assert await OutgoingMail.filter(recipient=address).count() == 2


async def test_a_repeated_key_invites_once() -> None:
    ada = await an_owner()
    by, used = await signed_in(ada), key()
    asked = InviteMember(None, f"{key()}@new.example", MemberRole.VIEWER)
    first = await run(asked, by, used)
    assert await run(asked, by, used) == first
    assert await OutgoingMail.filter(recipient=asked.email).count() == 1


async def test_two_accounts_that_invite_the_same_stranger_at_once_make_one_user() -> None:
    ada, bo = await an_owner(), await an_owner()
    address = f"{key()}@new.example"
    by = [await signed_in(ada), await signed_in(bo)]
    first, second = await asyncio.gather(*(invited(address, one) for one in by))
    assert first.user_id == second.user_id
    assert await User.filter(email=address).count() == 1


async def test_bad_addresses_are_refused_at_their_field_and_change_nothing() -> None:
    ada = await an_owner()
    by = await signed_in(ada)
    staff = await transaction(lambda: add_user(role=Role.STAFF, email=f"{key()}@staff.example"))
    gone = await an_owner()
    await transaction(lambda: User.filter(id=gone.id).update(disabled_at=now()))
    before = await User.all().count()
    tried: list[tuple[str, type[Refusal]]] = [
        ("nobody", Invalid),
        ("", Invalid),
        ("a@b@c.example", Invalid),
        ("x" * 300 + "@client.example", Invalid),
        (staff.email or "", EmailTaken),
        (gone.email or "", EmailTaken),
    ]
    for address, refusal in tried:
        with pytest.raises(refusal) as refused:
            await invited(address, by)
        assert refused.value.field == ("email",)
    assert await User.all().count() == before
    assert list(await people(ada.account_id)) == [ada.id]


async def test_invitations_of_an_account_are_limited() -> None:
    ada = await an_owner()
    by = await signed_in(ada)
    begin_early_in(3600, needed_seconds=20)
    for _ in range(20):
        await invited(f"{key()}@new.example", by)
    with pytest.raises(RateLimited):
        await invited(f"{key()}@new.example", by)
    assert len(await people(ada.account_id)) == 21


async def test_an_account_has_so_many_members_at_most() -> None:
    ada = await an_owner()

    async def another() -> None:
        asked = InviteMember(ada.account_id, f"{key()}@new.example", MemberRole.VIEWER)
        await run(asked, STAFF, key())

    for _ in range(49):
        await another()
    with pytest.raises(NotAllowed) as refused:
        await another()
    assert refused.value.field == ("email",)
    assert len(await people(ada.account_id)) == 50


# ------------------------------------------------------------------------------- who did it


async def test_the_audit_log_says_who_did_what_where_several_use_an_account() -> None:
    ada = await an_owner()
    alone = await signed_in(ada)
    await run(UpdateAccount(None, {"name": "Ada"}), alone, key())
    assert await AuditEntry.filter(user_id=ada.id).count() == 0
    member = await invited(f"{key()}@new.example", alone)
    await run(UpdateAccount(None, {"name": "Ada"}), await signed_in(ada), key())
    await change_member(member.id, MemberRole.BILLING, await signed_in(ada))
    await remove_member(member.id, await signed_in(ada))
    told = await AuditEntry.filter(user_id=ada.id).order_by("id")
    actions = ["member.invite", "account.update", "member.change", "member.remove"]
    assert [one.action for one in told] == actions
    assert {one.role for one in told} == {"CLIENT"}
    assert told[2].details == {"member": member.public_id, "role": "BILLING"}


async def test_an_only_owner_who_has_not_come_yet_is_invited_as_nothing_less() -> None:
    owner = await an_owner()
    await transaction(lambda: User.filter(id=owner.id).update(password_hash=None))
    account = await Account.get(id=owner.account_id)
    with pytest.raises(NotAllowed):
        await run(InviteMember(account.id, account.email, MemberRole.VIEWER), STAFF, key())
    roles = [member.role for member in (await people(account.id)).values()]
    assert roles == [MemberRole.OWNER]


async def test_one_address_is_sent_few_invitations_whoever_invites() -> None:
    email, sent = f"{key()}@victim.example", 0
    for _ in range(3):
        owner = await signed_in(await an_owner())
        for _ in range(4):
            with suppress(RateLimited):
                await run(InviteMember(None, email, MemberRole.VIEWER), owner, key())
                sent += 1
    assert sent == 5
