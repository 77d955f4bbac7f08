"""Signing up: nothing exists before the address is confirmed, and nobody learns who exists."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from models.access.identity import MemberRole
from models.access.user import User
from models.accounts.account import Account, of_user
from models.accounts.confirm import confirm_email
from models.accounts.new_password import request_reset, set_password
from models.accounts.sign_up import SignUp, sign_up
from models.db import sql
from models.errors import (
    CurrencyNotSupported,
    IdempotencyKeyReused,
    Invalid,
    RateLimited,
    Refusal,
    SignUpClosed,
    TokenRefused,
    WeakPassword,
)
from models.mail.outgoing import MailKind, OutgoingMail
from models.provider import provider as providers
from tests.support import identities
from tests.support.people import (
    OTHER,
    PASSWORD,
    Postbox,
    a_person,
    accepted,
    an_owner,
    invited,
    signed_in,
    those_in,
)
from tests.support.providers import key
from tests.support.timing import assert_alike

if TYPE_CHECKING:
    from models.provider.provider import Provider, SignUpMode

pytestmark = pytest.mark.usefixtures("people", "opened")


def mode(monkeypatch: pytest.MonkeyPatch, mode: SignUpMode) -> None:
    monkeypatch.setattr(providers, "_provider", replace(providers.provider(), sign_up=mode))


@pytest.fixture
def opened(people: Provider, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - before it
    mode(monkeypatch, "open")


def asking(email: str, **other: str) -> SignUp:
    given = {"password": PASSWORD, "name": "Ada", "currency": "USD", "locale": "fr-CA", **other}
    return SignUp(email=email, **given)


async def ask(email: str, **other: str) -> None:
    await sign_up(asking(email, **other), key(), locale="en", address="192.0.2.1")


def fresh() -> str:
    return f"{key()}@example.com"


async def counts() -> tuple[int, int]:
    return await User.all().count(), await Account.all().count()


async def test_of_many_confirmations_at_once_one_opens_the_account() -> None:
    email = fresh()
    await ask(email)
    letter = await Postbox().only()
    before = await counts()
    answers = await asyncio.gather(
        *(confirm_email(letter.token) for _ in range(6)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["TokenRefused"] * 5 + ["User"]
    assert await counts() == (before[0] + 1, before[1] + 1)


async def test_two_links_of_one_address_at_once_open_one_account() -> None:
    email = fresh()
    await ask(email)
    await ask(email.upper(), name="Somebody else")
    tokens = [letter.token for letter in await Postbox().fetched()]
    answers = await asyncio.gather(*map(confirm_email, tokens), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["TokenRefused", "User"]


async def test_nothing_exists_before_the_address_is_confirmed() -> None:
    email, before = fresh(), await counts()
    await ask(email)
    assert await counts() == before
    letter = await Postbox().only()
    assert (letter.kind, letter.recipient, letter.locale) == (MailKind.SIGN_UP, email, "fr-CA")
    assert await counts() == before
    user = await confirm_email(letter.token)
    assert user is not None
    account = await Account.get(id=user.account_id)
    assert (account.name, account.email, account.currency) == ("Ada", email, "USD")
    actor, _ = await identities.signed_in(email, PASSWORD, address="")
    assert actor.account_id == account.id
    assert PASSWORD not in str(await sql.fetch("SELECT * FROM one_use_token"))


async def test_what_is_written_down_is_the_same_whether_the_address_is_taken() -> None:
    user = await a_person()
    await ask(str(user.email))
    await ask(fresh())
    rows = await sql.fetch("SELECT kind, locale, facts, tries, sent_at FROM mail ORDER BY id")
    assert rows[0] == rows[1]
    tokens = await sql.fetch("SELECT purpose, user_id, used_at FROM one_use_token ORDER BY id")
    assert tokens[0] == tokens[1]
    letters = {letter.recipient: letter for letter in await Postbox().fetched()}
    taken = letters.pop(str(user.email))
    assert (taken.kind, taken.token, taken.locale) == (MailKind.SIGN_UP_TAKEN, "", "ja")
    assert [letter.kind for letter in letters.values()] == [MailKind.SIGN_UP]


async def test_an_address_that_was_taken_meanwhile_opens_nothing() -> None:
    email = fresh()
    await ask(email)
    letter = await Postbox().only()
    await a_person(email)
    before = await counts()
    with pytest.raises(TokenRefused):
        await confirm_email(letter.token)
    assert await counts() == before


async def test_a_repeated_click_sends_one_mail() -> None:
    asked, used = asking(fresh()), key()
    for _ in range(3):
        await sign_up(asked, used, locale="en", address="")
    assert len(await Postbox().fetched()) == 1
    with pytest.raises(IdempotencyKeyReused):
        await sign_up(replace(asked, name="Bo"), used, locale="en", address="")
    await sign_up(asking(fresh()), used, locale="en", address="")


@pytest.mark.parametrize(
    ("given", "refusal", "field"),
    [
        ({"email": "ada"}, Invalid, "email"),
        ({"password": "password12345"}, WeakPassword, "password"),
        ({"password": "short"}, Invalid, "password"),
        ({"name": " "}, Invalid, "name"),
        ({"name": "A\nBcc: b@example.com"}, Invalid, "name"),
        ({"locale": "no language"}, Invalid, "locale"),
        ({"currency": "XXX"}, CurrencyNotSupported, "currency"),
    ],
)
async def test_bad_input_is_refused_at_its_field(
    given: dict[str, str], refusal: type, field: str
) -> None:
    email = given.pop("email", fresh())
    with pytest.raises(Refusal) as told:
        await ask(email, **given)
    assert (type(told.value), told.value.field) == (refusal, (field,))
    assert await OutgoingMail.all().count() == 0


async def test_a_closed_sign_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    await ask(fresh())
    letter = await Postbox().only()
    mode(monkeypatch, "off")
    with pytest.raises(SignUpClosed):
        await ask(fresh())
    with pytest.raises(TokenRefused):
        await confirm_email(letter.token)


async def test_with_invitations_only_those_who_have_one_get_a_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mode(monkeypatch, "invited")
    invited = await a_person(password=None)
    await ask(str(invited.email))
    await ask(fresh())
    letter = await Postbox().only()
    assert (letter.kind, letter.recipient) == (MailKind.INVITATION, invited.email)
    await set_password(letter.token, PASSWORD)
    await identities.signed_in(str(invited.email), PASSWORD, address="")


async def test_sign_ups_are_limited_for_every_address_alike() -> None:
    user = await a_person()
    for email in (str(user.email), fresh()):
        for _ in range(5):
            await ask(email)
        with pytest.raises(RateLimited):
            await ask(email)


async def test_how_long_an_answer_takes_tells_nothing_about_who_exists() -> None:
    user = await a_person()

    async def reset(email: str) -> None:
        await request_reset(email, locale="en", address="192.0.2.1")

    asks = {
        "known": lambda _: reset(str(user.email)),
        "unknown": lambda turn: reset(f"nobody{turn}@example.com"),
    }
    await assert_alike(asks, 40)


async def test_how_long_signing_up_takes_tells_nothing_about_who_exists_or_is_invited() -> None:
    user, member = await a_person(), await invited(fresh(), await signed_in(await an_owner()))
    new = [fresh() for _ in range(31)]
    asks = {
        "taken": lambda _: ask(str(user.email)),
        "invited": lambda _: ask(member.email),
        "free": lambda turn: ask(new[turn]),
    }
    await assert_alike(asks, 30)


async def test_who_was_only_invited_opens_an_account_and_stays_invited() -> None:
    owner, email = await an_owner(), fresh()
    member = await invited(email, await signed_in(owner), MemberRole.OWNER)
    await Postbox().fetched()
    await ask(email)
    letter = await Postbox().only()
    assert (letter.kind, letter.recipient) == (MailKind.SIGN_UP, email)
    assert "account" not in letter.facts
    user = await confirm_email(letter.token)
    assert user is not None
    assert user.account_id not in {None, owner.account_id}
    assert await identities.signed_in(email, PASSWORD, address="")
    assert (await those_in(owner.account_id))[member.id] == member
    assert [one.id for one in await of_user(await signed_in(user))] == [
        user.account_id,
        owner.account_id,
    ]
    there = await accepted(member, user)
    assert (there.account_id, there.member_role) == (owner.account_id, MemberRole.OWNER)


async def test_of_a_sign_up_and_an_invitation_followed_at_once_one_makes_the_user() -> None:
    owner, email = await an_owner(), fresh()
    await invited(email, await signed_in(owner))
    await ask(email)
    tokens = {one.kind: one.token for one in await Postbox().fetched()}
    done = await asyncio.gather(
        confirm_email(tokens[MailKind.SIGN_UP]),
        set_password(tokens[MailKind.MEMBER_INVITATION], OTHER),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["TokenRefused", "User"]
    assert await User.filter(email=email).count() == 1
