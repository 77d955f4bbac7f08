"""Invitations: nobody learns who exists, and whoever has the address comes in when they want to."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace

import pytest
from tortoise.connection import get_connection

from models.access.external_identity import ProvenIdentity, user_of_identity
from models.access.identity import MemberRole, Role
from models.access.invitation import Invitation
from models.access.member import Member
from models.access.session import NOT_PROVEN
from models.access.user import User, add_user
from models.accounts import sign_in
from models.accounts.account import Account, of_user
from models.accounts.invitation import InviteMember, switch_account
from models.accounts.members import change_member, remove_member
from models.accounts.new_password import set_password
from models.accounts.sign_in import SignedIn
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.errors import (
    Forbidden,
    Invalid,
    NotAllowed,
    NotFound,
    RateLimited,
    StepUpRequired,
    TokenRefused,
)
from models.journal.audit_log import AuditEntry
from models.journal.command import run
from models.mail.outgoing import OutgoingMail
from tests.support.factories import STAFF
from tests.support.people import (
    OTHER,
    PASSWORD,
    Postbox,
    a_member,
    a_person,
    accepted,
    an_owner,
    invited,
    letters,
    signed_in,
    those_in,
)
from tests.support.providers import key
from tests.support.query_counter import asked
from tests.support.rate_windows import begin_early_in
from tests.support.timing import assert_alike

pytestmark = pytest.mark.usefixtures("people")


async def test_somebody_new_gets_a_link_and_nothing_else() -> None:
    ada = await an_owner(locale="ja")
    address, before = f"{key()}@new.example", await User.all().count()
    member = await invited(address, await signed_in(ada), MemberRole.BILLING)
    assert (member.email, member.name, member.is_invited) == (address, address, True)
    assert await User.all().count() == before
    [sent] = await letters(address)
    assert (sent.kind, sent.locale) == ("member_invitation", "ja")
    assert sent.facts == {"account": "Ada", "role": "BILLING"}
    user = await set_password(sent.token, PASSWORD)
    assert (user.email, user.account_id) == (address, None)
    there = (await those_in(ada.account_id))[user.id]
    assert there == replace(member, user_id=user.id, name="", is_invited=False)
    actor = await signed_in(user)
    assert (actor.account_id, actor.member_role) == (ada.account_id, MemberRole.BILLING)


async def test_somebody_who_is_a_client_already_needs_no_link_and_comes_in_by_switching() -> None:
    ada, bo = await an_owner(), await an_owner()
    member = await invited((bo.email or "").upper(), await signed_in(ada))
    [sent] = await letters(bo.email or "")
    assert (sent.kind, sent.token) == ("member_invitation", "")
    assert (await User.get(id=bo.id)).account_id == bo.account_id
    at_home = await signed_in(bo)
    assert [one.id for one in await of_user(at_home)] == [bo.account_id, ada.account_id]
    assert not at_home.sees(member.account_id)
    there = await accepted(member, bo)
    assert (there.account_id, there.member_role) == (ada.account_id, MemberRole.VIEWER)
    known = (await those_in(ada.account_id))[bo.id]
    assert known == replace(
        member, user_id=bo.id, email=bo.email or "", name="Ada", is_invited=False, id=member.id
    )
    assert [one.id for one in await of_user(there)] == [bo.account_id, ada.account_id]
    joined = await AuditEntry.get(user_id=bo.id, action="member.join")
    assert joined.details == {"member": member.public_id, "role": "VIEWER"}


async def test_an_invitation_can_be_repeated_until_it_was_followed() -> None:
    ada = await an_owner()
    by, address = await signed_in(ada), f"{key()}@new.example"
    first = await invited(address, by)
    again = await invited(address.upper(), by, MemberRole.BILLING)
    assert again == replace(first, role=MemberRole.BILLING)
    one, two = await letters(address)
    await set_password(two.token, PASSWORD)
    with pytest.raises(Invalid) as refused:
        await invited(address, by)
    assert refused.value.field == ("email",)
    with pytest.raises(TokenRefused):
        await set_password(one.token, OTHER)
    assert await letters(address) == []


async def test_a_repeated_key_invites_once() -> None:
    ada = await an_owner()
    by, used = await signed_in(ada), key()
    asked = InviteMember(None, f"{key()}@new.example", MemberRole.VIEWER)
    first = await run(asked, by, used)
    assert await run(asked, by, used) == first
    assert await OutgoingMail.filter(recipient=asked.email).count() == 1


async def test_of_two_links_of_two_accounts_that_are_followed_at_once_one_makes_the_user() -> None:
    ada, bo = await an_owner(), await an_owner()
    address = f"{key()}@new.example"
    by = [await signed_in(ada), await signed_in(bo)]
    members = await asyncio.gather(*(invited(address, one) for one in by))
    tokens = [one.token for one in await letters(address)]
    answers = await asyncio.gather(
        *(set_password(token, PASSWORD) for token in tokens), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in answers) == ["TokenRefused", "User"]
    user = await User.get(email=address)
    joined = [user.id in await those_in(one.account_id) for one in members]
    assert sorted(joined) == [False, True]
    waiting = members[joined.index(False)]
    assert (await accepted(waiting, user)).account_id == waiting.account_id
    assert user.id in await those_in(waiting.account_id)


async def test_an_invitation_that_two_browsers_follow_at_once_makes_one_member() -> None:
    ada, bo = await an_owner(), await an_owner()
    member = await invited(bo.email or "", await signed_in(ada))
    done = await asyncio.gather(*(accepted(member, bo) for _ in range(4)))
    assert {one.account_id for one in done} == {ada.account_id}
    assert set(await those_in(ada.account_id)) == {ada.id, bo.id}
    assert await AuditEntry.filter(action="member.join", user_id=bo.id).count() == 1


async def test_an_invitation_that_was_withdrawn_leads_nowhere() -> None:
    ada, bo = await an_owner(), await an_owner()
    by, address = await signed_in(ada), f"{key()}@new.example"
    known, new = await invited(bo.email or "", by), await invited(address, by)
    [sent] = await letters(address)
    late = await invited(f"{key()}@late.example", by)
    for one in (known, new, late):
        await remove_member(one.id, by)
    with pytest.raises(TokenRefused):
        await set_password(sent.token, PASSWORD)
    with pytest.raises(NotFound):
        await accepted(known, bo)
    assert await letters(late.email) == []
    assert await User.filter(email=address).count() == 0
    assert list(await those_in(ada.account_id)) == [ada.id]


async def test_nobody_follows_an_invitation_of_somebody_else() -> None:
    ada, bo, mallory = await an_owner(), await an_owner(), await an_owner()
    member = await invited(bo.email or "", await signed_in(ada))
    with pytest.raises(NotFound):
        await accepted(member, mallory)
    handed = replace(await signed_in(bo), proven_at=NOT_PROVEN)
    with pytest.raises(StepUpRequired):
        await switch_account(member.account_id, handed)
    assert [one.id for one in await of_user(handed)] == [bo.account_id]
    assert set(await those_in(ada.account_id)) == {ada.id, member.id}


async def kinds_of_addresses() -> dict[str, str]:
    """An address for each kind of somebody, and of nobody."""
    known, gone = await an_owner(), await an_owner()
    await transaction(lambda: User.filter(id=gone.id).update(disabled_at=now()))
    unsigned = await a_person(password=None)
    staff = await transaction(lambda: add_user(role=Role.STAFF, email=f"{key()}@staff.example"))
    elsewhere = f"{key()}@elsewhere.example"
    await invited(elsewhere, await signed_in(await an_owner()))
    return {
        "nobody's": f"{key()}@nobody.example",
        "a client's": known.email or "",
        "one's who never came": unsigned.email or "",
        "a member's elsewhere": (await a_member(known.account_id, MemberRole.OWNER)).email or "",
        "one's invited elsewhere": elsewhere,
        "staff's": staff.email or "",
        "a disabled one's": gone.email or "",
    }


async def test_an_answer_says_nothing_of_who_has_the_address_nor_does_what_it_costs() -> None:
    ada = await an_owner()
    by, told, cost = await signed_in(ada), {}, {}
    addresses = await kinds_of_addresses()
    await invited(f"{key()}@first.example", by)
    for kind, address in addresses.items():
        written = address.capitalize()
        async with asked() as seen:
            member = await invited(written, by, MemberRole.OWNER)
        assert (member.email, member.name) == (written, written)
        listed = (await those_in(ada.account_id))[member.id]
        assert listed == member
        told[kind] = replace(member, id=by.user_id, email="", name="")
        cost[kind] = [statement.split("(")[0] for statement in seen.all]
        mail = await OutgoingMail.filter(recipient=written).order_by("-id").first()
        assert mail is not None
        assert (mail.kind, mail.facts, mail.token_id is None) == (
            "member_invitation",
            {"account": "Ada", "role": "OWNER"},
            False,
        )
        changed = await change_member(member.id, MemberRole.VIEWER, by)
        assert changed == replace(member, role=MemberRole.VIEWER)
    assert len({repr(one) for one in told.values()}) == 1, told
    assert len({repr(one) for one in cost.values()}) == 1, cost


async def test_an_invitation_takes_as_long_whoever_has_the_address() -> None:
    rounds = 15
    owners = [await signed_in(await an_owner()) for _ in range(rounds + 1)]
    known = [(await an_owner()).email or "" for _ in range(rounds + 1)]
    asks = {
        "known": lambda turn: invited(known[turn], owners[turn]),
        "unknown": lambda turn: invited(f"{key()}@nobody.example", owners[turn]),
    }
    await assert_alike(asks, rounds)


async def test_whoever_can_be_no_member_is_sent_nothing_and_comes_in_nowhere() -> None:
    ada = await an_owner()
    by, addresses = await signed_in(ada), await kinds_of_addresses()
    await Postbox().fetched()
    for address in addresses.values():
        await invited(address, by)
    sent = {one.recipient: one.token != "" for one in await Postbox().fetched()}
    kinds = {kind: sent.get(address) for kind, address in addresses.items()}
    assert kinds == {
        "nobody's": True,
        "a client's": False,
        "one's who never came": True,
        "a member's elsewhere": False,
        "one's invited elsewhere": True,
        "staff's": None,
        "a disabled one's": None,
    }
    staff = await User.get(email=addresses["staff's"])
    answered = await sign_in.finish(staff, address="")
    assert isinstance(answered, SignedIn)
    assert answered.actor.account_id is None
    with pytest.raises(Forbidden):
        await switch_account(ada.account_id, answered.actor)


async def test_bad_addresses_are_refused_at_their_field_and_change_nothing() -> None:
    ada = await an_owner()
    by = await signed_in(ada)
    for address in ("nobody", "", "a@b@c.example", "x" * 300 + "@client.example"):
        with pytest.raises(Invalid) as refused:
            await invited(address, by)
        assert refused.value.field == ("email",)
    assert list(await those_in(ada.account_id)) == [ada.id]


# ----------------------------------------------------------------- an address of one's own


async def test_who_was_only_invited_is_given_an_account_and_stays_invited() -> None:
    ada, address = await an_owner(), f"{key()}@new.example"
    member = await invited(address, await signed_in(ada), MemberRole.OWNER)
    [link] = await letters(address)
    made = await a_person(address, invite=True)
    assert made.account_id not in {None, ada.account_id}
    assert (await those_in(ada.account_id))[member.id] == member
    [own] = await letters(address)
    assert own.kind == "invitation"
    user = await set_password(own.token, PASSWORD)
    assert (user.id, user.account_id) == (made.id, made.account_id)
    assert (await those_in(ada.account_id))[member.id] == member
    with pytest.raises(TokenRefused):
        await set_password(link.token, OTHER)
    assert (await signed_in(user)).account_id == made.account_id
    there = await accepted(member, user)
    assert (there.account_id, there.member_role) == (ada.account_id, MemberRole.OWNER)


async def test_who_has_an_account_without_a_password_follows_an_invitation_by_its_link() -> None:
    ada, made = await an_owner(), await a_person(password=None)
    member = await invited(made.email or "", await signed_in(ada))
    [sent] = await letters(made.email or "")
    user = await set_password(sent.token, PASSWORD)
    assert (user.id, user.account_id) == (made.id, made.account_id)
    assert (await those_in(ada.account_id))[user.id].id == member.id
    assert (await signed_in(user)).account_id == made.account_id


async def test_an_identity_provider_s_guest_comes_in_with_a_verified_address_only() -> None:
    ada, address = await an_owner(), f"{key()}@new.example"
    member = await invited(address, await signed_in(ada))
    roles, issuer = {Role.CLIENT}, "https://id.example"
    assert await user_of_identity(ProvenIdentity(issuer, key(), ""), roles) is None
    other = ProvenIdentity(issuer, key(), f"{key()}@other.example")
    assert await user_of_identity(other, roles) is None
    proven = ProvenIdentity(issuer, key(), address.upper())
    assert await user_of_identity(proven, {Role.STAFF}) is None
    found = await asyncio.gather(*(user_of_identity(proven, roles) for _ in range(4)))
    [user] = {one.id: one for one in found if one is not None}.values()
    answered = await sign_in.finish(user, address="")
    assert isinstance(answered, SignedIn)
    assert answered.actor.account_id == ada.account_id
    there = (await those_in(ada.account_id))[user.id]
    assert (there.id, there.is_invited) == (member.id, False)


async def test_invitations_of_an_account_are_limited() -> None:
    ada = await an_owner()
    by = await signed_in(ada)
    begin_early_in(3600, needed_seconds=20)
    for _ in range(20):
        await invited(f"{key()}@new.example", by)
    with pytest.raises(RateLimited):
        await invited(f"{key()}@new.example", by)
    assert len(await those_in(ada.account_id)) == 21


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
    assert len(await those_in(ada.account_id)) == 50


async def test_an_only_owner_who_has_not_come_yet_is_invited_as_nothing_less() -> None:
    owner = await an_owner()
    await transaction(lambda: User.filter(id=owner.id).update(password_hash=None))
    account = await Account.get(id=owner.account_id)
    with pytest.raises(NotAllowed):
        await run(InviteMember(account.id, account.email, MemberRole.VIEWER), STAFF, key())
    roles = [member.role for member in (await those_in(account.id)).values()]
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


class _Undo(Exception):
    pass


async def test_who_was_invited_before_invitations_were_kept_by_address_is_still_invited() -> None:
    ada, bo = await an_owner(), await an_owner()
    came, address = await a_member(ada.account_id, MemberRole.BILLING), f"{key()}@Waiting.example"
    migration = import_module("models.migrations.0027_invitations")

    async def again() -> None:
        await migration._drop_indexes(None, SimpleNamespace(client=get_connection("default")))
        await sql.execute("DELETE FROM invitation")
        waiting = await add_user(role=Role.CLIENT, email=address)
        for user, account_id in ((waiting, ada.account_id), (waiting, bo.account_id)):
            row = Member(account_id=account_id, user_id=user.id, role=MemberRole.OWNER.value)
            await sql.add(row)
        await migration._move(None, SimpleNamespace(client=get_connection("default")))
        assert not await User.exists(id=waiting.id)
        for account_id in (ada.account_id, bo.account_id):
            found = await Invitation.get(account_id=account_id)
            assert (found.email, found.email_key) == (address, address.lower())
            assert found.id in await those_in(account_id)
        assert {came.id, ada.id} < set(await those_in(ada.account_id))
        assert await Member.filter(user_id=came.id).exists()
        raise _Undo

    with pytest.raises(_Undo):
        await transaction(again)
