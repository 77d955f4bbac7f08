"""New e-mail addresses: asked for with the password, used once confirmed, and the old one told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from models.access.identity import MemberRole
from models.access.member import Member
from models.access.user import User, create_staff
from models.accounts import new_password
from models.accounts.account import Account
from models.accounts.confirm import confirm_email
from models.accounts.new_email import change_email
from models.db import sql
from models.db.transactions import transaction
from models.errors import EmailTaken, Invalid, InvalidCredentials, RateLimited, TokenRefused
from models.journal.audit_log import AuditEntry
from models.mail.outgoing import MailKind, OutgoingMail
from tests.support import identities
from tests.support.people import OTHER, PASSWORD, Postbox, a_person
from tests.support.providers import key

if TYPE_CHECKING:
    from models.access.identity import Actor

pytestmark = pytest.mark.usefixtures("people")


async def signed_in(user: User) -> Actor:
    return (await identities.signed_in(str(user.email), PASSWORD, address="192.0.2.1"))[0]


def fresh() -> str:
    return f"{key()}@example.com"


async def a_link(user: User, email: str) -> str:
    await change_email(email, PASSWORD, await signed_in(user))
    letters = await Postbox().fetched()
    (letter,) = [one for one in letters if one.kind is MailKind.EMAIL_CONFIRMATION]
    return letter.token


async def test_two_who_confirm_one_address_at_once_are_not_both_given_it() -> None:
    email, users = fresh(), [await a_person(), await a_person()]
    tokens = [await a_link(user, email) for user in users]
    answers = await asyncio.gather(*map(confirm_email, tokens), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["EmailTaken", "NoneType"]
    assert await User.filter(email=email).count() == 1
    assert await Account.filter(email=email).count() == 1


async def test_an_address_is_used_once_it_is_confirmed_and_the_old_one_is_told() -> None:
    user, new = await a_person(), f"Bo.{key()}@Straße.example"
    old = str(user.email)
    token = await a_link(user, new)
    assert (await User.get(id=user.id)).email == old
    assert await confirm_email(token) is None
    account = await Account.get(id=user.account_id)
    changed = await User.get(id=user.id)
    assert (changed.email, account.email) == (new, new)
    assert changed.email_key == account.email_key
    assert "bo." in account.search_key
    letter = await Postbox().only()
    assert (letter.kind, letter.recipient) == (MailKind.EMAIL_CHANGED, old)
    assert letter.facts["email"] == new
    await identities.signed_in(new.upper().replace("SS", "ß"), PASSWORD, address="")
    with pytest.raises(InvalidCredentials):
        await identities.signed_in(old, PASSWORD, address="")
    actions = [entry.action for entry in await AuditEntry.filter(user_id=user.id)]
    assert actions == ["user.change_email"]


async def test_a_link_works_once_and_not_after_the_password_or_address_changed() -> None:
    user = await a_person()
    by = await signed_in(user)
    first = await a_link(user, fresh())
    second = await a_link(user, fresh())
    await confirm_email(first)
    await refused(first)
    await refused(second)
    user = await User.get(id=user.id)
    third = await a_link(user, fresh())
    await new_password.change_password(PASSWORD, OTHER, by)
    await refused(third)


async def refused(token: str) -> None:
    with pytest.raises(TokenRefused) as refusal:
        await confirm_email(token)
    assert refusal.value.field == ("token",)


async def test_a_link_to_confirm_an_address_sets_no_password() -> None:
    token = await a_link(await a_person(), fresh())
    with pytest.raises(TokenRefused):
        await new_password.set_password(token, OTHER)
    await confirm_email(token)


async def test_a_wrong_password_tells_nothing_and_sends_nothing() -> None:
    user, other = await a_person(), await a_person()
    by = await signed_in(user)
    for email in (str(other.email), fresh()):
        with pytest.raises(InvalidCredentials) as refusal:
            await change_email(email, OTHER, by)
        assert refusal.value.field == ("password",)
    with pytest.raises(EmailTaken) as taken:
        await change_email(str(other.email).upper(), PASSWORD, by)
    assert taken.value.field == ("email",)
    with pytest.raises(Invalid):
        await change_email("no address", PASSWORD, by)
    assert await OutgoingMail.all().count() == 0


async def test_how_many_addresses_one_may_try_is_limited() -> None:
    user = await a_person()
    by = await signed_in(user)
    for _ in range(5):
        await change_email(fresh(), PASSWORD, by)
    with pytest.raises(RateLimited):
        await change_email(fresh(), PASSWORD, by)


async def test_one_may_write_ones_own_address_otherwise() -> None:
    user = await a_person()
    await confirm_email(await a_link(user, str(user.email).upper()))
    assert (await User.get(id=user.id)).email == str(user.email).upper()


async def test_staff_change_theirs_too() -> None:
    staff = await create_staff(fresh(), PASSWORD)
    new = fresh()
    await confirm_email(await a_link(staff, new))
    assert (await User.get(id=staff.id)).email == new


async def test_whoever_is_no_owner_any_more_changes_their_own_address_alone() -> None:
    user = await a_person()
    row = Member(
        id=user.id, account_id=user.account_id, user_id=user.id, role=MemberRole.VIEWER.value
    )
    await transaction(lambda: sql.add(row))
    old, new = str(user.email), fresh()
    await confirm_email(await a_link(user, new))
    assert (await User.get(id=user.id)).email == new
    assert (await Account.get(id=user.account_id)).email == old
