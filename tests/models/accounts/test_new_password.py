"""New passwords: what links and the old password do, once, and what they end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models.access import password, session
from models.access.credential import actor_of_credential
from models.access.identity import Actor, Role
from models.access.one_use_token import OneUseToken
from models.access.user import User
from models.accounts import new_password
from models.accounts.new_password import change_password, request_reset, set_password
from models.db import record
from models.errors import (
    Forbidden,
    Invalid,
    InvalidCredentials,
    RateLimited,
    Refusal,
    TokenRefused,
    Unauthenticated,
    WeakPassword,
)
from models.journal.audit_log import AuditEntry
from models.mail.outgoing import MailKind, OutgoingMail
from tests.support import identities
from tests.support.clock import At
from tests.support.people import OTHER, PASSWORD, Postbox, a_person

pytestmark = pytest.mark.usefixtures("people")

THIRD = "six violins on the roof"


async def a_link(user: User) -> str:
    await request_reset(str(user.email), locale="en", address="")
    letters = await Postbox().fetched()
    (letter,) = [one for one in letters if one.kind is MailKind.PASSWORD_RESET]
    return letter.token


async def signed_in(user: User, secret: str = PASSWORD) -> tuple[Actor, str]:
    return await identities.signed_in(str(user.email), secret, address="192.0.2.1")


async def holds(token: str) -> bool:
    return await actor_of_credential(token, "") is not None


async def test_of_many_uses_of_one_link_at_once_one_sets_the_password() -> None:
    user = await a_person()
    token = await a_link(user)
    secrets = [f"{THIRD} number {n}" for n in range(6)]
    answers = await asyncio.gather(
        *(set_password(token, secret) for secret in secrets), return_exceptions=True
    )
    done = [n for n, answer in enumerate(answers) if isinstance(answer, User)]
    refused = [answer for answer in answers if isinstance(answer, TokenRefused)]
    assert (len(done), len(refused)) == (1, 5)
    await signed_in(user, secrets[done[0]])


async def test_two_links_of_one_user_at_once_set_one_password() -> None:
    user = await a_person()
    tokens = [await a_link(user), await a_link(user)]
    answers = await asyncio.gather(
        *(set_password(token, THIRD) for token in tokens), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["TokenRefused", "User"]


async def test_a_sign_in_that_overlaps_a_change_opens_no_session_by_the_old_password() -> None:
    """Its password was right when it was looked at."""
    user = await a_person()
    read_before = await User.get(id=user.id)
    await set_password(await a_link(user), OTHER)
    with pytest.raises(Unauthenticated):
        await session.open_session(read_before)
    assert await session.Session.all().count() == 0


async def test_of_two_changes_at_once_one_is_refused() -> None:
    user = await a_person()
    by, _ = await signed_in(user)
    answers = await asyncio.gather(
        *(change_password(PASSWORD, new, by) for new in (OTHER, THIRD)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["InvalidCredentials", "NoneType"]


async def test_a_used_old_foreign_or_broken_link_is_one_refusal(at: At) -> None:
    user, other = await a_person(), await a_person()
    used, gone = await a_link(user), await a_link(other)
    await set_password(used, OTHER)
    moved = await a_link(user)
    await User.filter(id=user.id).update(email="elsewhere@example.com")
    disabled = await a_link(other)
    texts = [used, moved, used[:-1], used + "A", used.swapcase(), "", "act_", "é" * 47, "\ud800"]
    told = [await refused(text) for text in texts]
    with at(timedelta(minutes=31)):
        told += [await refused(gone)]
    await User.filter(id=other.id).update(disabled_at=user.created_at)
    told += [await refused(disabled)]
    assert set(told) == {(TokenRefused, ("token",), ())}


async def refused(token: str) -> object:
    with pytest.raises(Refusal) as refusal:
        await set_password(token, THIRD)
    return type(refusal.value), refusal.value.field, tuple(refusal.value.facts)


@pytest.mark.parametrize(
    ("secret", "refusal"),
    [
        ("password12345", WeakPassword),
        ("qwertyuiop1234567890", WeakPassword),
        ("a" * 200, WeakPassword),
        ("nine char", Invalid),
        ("x" * 201, Invalid),
        ("four kazoos \ud800 attic", Invalid),
    ],
)
async def test_a_bad_password_does_not_use_the_link_up(secret: str, refusal: type) -> None:
    user = await a_person()
    token = await a_link(user)
    with pytest.raises(Refusal) as told:
        await set_password(token, secret)
    assert (type(told.value), told.value.field) == (refusal, ("password",))
    await signed_in(user)
    assert (await set_password(token, OTHER)).id == user.id


async def test_an_address_or_name_is_no_password() -> None:
    user = await a_person("archibald.fitzwilliam@example.com")
    with pytest.raises(WeakPassword):
        await set_password(await a_link(user), "archibald.fitzwilliam@example.com")


async def test_setting_a_password_ends_all_sessions_and_links_and_says_so() -> None:
    user = await a_person()
    _, before = await signed_in(user)
    token, other = await a_link(user), await a_link(user)
    await set_password(token, OTHER)
    assert not await holds(before)
    assert await refused(other) == (TokenRefused, ("token",), ())
    with pytest.raises(InvalidCredentials):
        await signed_in(user)
    letter = await Postbox().only()
    await signed_in(user, OTHER)
    assert (letter.kind, letter.recipient) == (MailKind.PASSWORD_CHANGED, user.email)
    assert [entry.action for entry in await AuditEntry.filter(user_id=user.id)] == [
        "user.set_password"
    ]


async def test_changing_the_password_keeps_this_session_alone_and_says_so() -> None:
    user = await a_person()
    by, mine = await signed_in(user)
    _, theirs = await signed_in(user)
    link = await a_link(user)
    await change_password(PASSWORD, OTHER, by)
    assert (await holds(mine), await holds(theirs)) == (True, False)
    assert await refused(link) == (TokenRefused, ("token",), ())
    assert (await Postbox().only()).kind is MailKind.PASSWORD_CHANGED
    await signed_in(user, OTHER)


async def test_guesses_at_the_current_password_are_those_of_signing_in() -> None:
    user = await a_person()
    by, mine = await signed_in(user)
    for _ in range(10):
        with pytest.raises(InvalidCredentials) as refusal:
            await change_password("not the password", OTHER, by)
        assert refusal.value.field == ("current_password",)
    with pytest.raises(RateLimited):
        await change_password(PASSWORD, OTHER, by)
    with pytest.raises(RateLimited):
        await signed_in(user)
    assert await holds(mine)
    assert await OutgoingMail.all().count() == 0


async def test_an_api_key_changes_no_password() -> None:
    partner = Actor(role=Role.PARTNER, user_id=record.new_id(), key_id=record.new_id())
    with pytest.raises(Forbidden):
        await change_password(PASSWORD, OTHER, partner)


async def test_a_reset_writes_down_the_same_for_every_address() -> None:
    user = await a_person()
    for email in (str(user.email), "nobody@example.com"):
        await request_reset(email, locale="en", address="192.0.2.1")
    known, unknown = [vars(mail) for mail in await OutgoingMail.all().order_by("id")]
    own = {"id", "created_at", "next_at", "recipient", "_changes"}
    assert {k: v for k, v in known.items() if k not in own} == {
        k: v for k, v in unknown.items() if k not in own
    }
    assert await OneUseToken.all().count() == 0
    letter = await Postbox().only()
    assert (letter.recipient, letter.kind) == (user.email, MailKind.PASSWORD_RESET)


async def test_resets_are_limited_for_every_address_and_caller_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = await a_person()
    for email in (str(user.email), "nobody@example.com"):
        for _ in range(5):
            await request_reset(email, locale="en", address="")
        with pytest.raises(RateLimited):
            await request_reset(email.upper(), locale="en", address="")
    monkeypatch.setattr(new_password, "_PER_ADDRESS", 2)
    for n in range(2):
        await request_reset(f"n{n}@example.com", locale="en", address="2001:db8::1")
    with pytest.raises(RateLimited):
        await request_reset("n3@example.com", locale="en", address="2001:db8::2")
    await request_reset("n3@example.com", locale="en", address="2001:db8:0:1::2")


@pytest.mark.parametrize(
    "email", ["", "ada", "a@b@c", "Ada <ada@example.com>", "a@x.org\nBcc: b@x"]
)
async def test_what_is_no_address_is_refused_at_its_field(email: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await request_reset(email, locale="en", address="")
    assert (refusal.value.field, refusal.value.problem) == (("email",), "email_form")
    assert await OutgoingMail.all().count() == 0


async def test_an_invitation_sets_the_first_password_and_says_nothing_of_a_change() -> None:
    user = await a_person(invite=True)
    letter = await Postbox().only()
    assert (letter.kind, letter.recipient) == (MailKind.INVITATION, user.email)
    await set_password(letter.token, PASSWORD)
    await signed_in(user)
    assert await OutgoingMail.filter(kind="password_changed").count() == 0


async def test_whoever_lost_their_invitation_resets_the_password() -> None:
    user = await a_person(password=None)
    await set_password(await a_link(user), PASSWORD)
    await signed_in(user)


async def test_a_password_is_the_same_however_it_is_composed() -> None:
    user = await a_person()
    await set_password(await a_link(user), "une ca\u0301fetie\u0300re e\u0301norme")
    await signed_in(user, "une c\u00e1feti\u00e8re \u00e9norme")


async def test_hostile_passwords_are_measured_in_time() -> None:
    """zxcvbn tries all readings of signs for letters: without a bound, for seconds."""
    signs = "4@8({[<369&#!1/|0$5+7%2" * 9
    for text in (signs[:200], "ab" * 100, "1" * 200, "password" * 25, "\u0130" * 200):
        try:
            async with asyncio.timeout(60):
                await password.hashed(text)
        except WeakPassword:
            continue
