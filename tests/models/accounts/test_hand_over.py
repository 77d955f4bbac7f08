"""Handing over: what signs a client in for their own portal, once and not for long."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from models.access import client_link, session
from models.access.api_key import ApiKey, create_key, revoke_key
from models.access.client_link import ClientLink
from models.access.credential import actor_of_credential, holding, revoked_since
from models.access.identity import SCOPES, Actor, MemberRole, Role
from models.access.member import Member
from models.access.session import Session
from models.access.user import User
from models.accounts import api_keys, enrolment
from models.accounts.account import of_user
from models.accounts.api_keys import CreateApiKey
from models.accounts.create import CreateAccount
from models.accounts.external import External
from models.accounts.hand_over import CreateClientSession, HandedOver
from models.accounts.invitation import InviteMember
from models.checkout.pay import PayInvoice
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.errors import (
    Forbidden,
    Invalid,
    NotAllowed,
    NotFound,
    Refusal,
    StepUpRequired,
    TokenRefused,
)
from models.journal.audit_log import AuditEntry
from models.journal.command import run
from models.provider import provider as providers
from tests.support.factories import STAFF, Client
from tests.support.identities import ADDRESS
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from models.accounts.account import Account

pytestmark = pytest.mark.usefixtures("provider")


async def a_partner(*scopes: str, accounts: list[Any] | None = None) -> Actor:
    _, token = await create_key(key(), scopes or SCOPES, accounts)
    actor = await actor_of_credential(token, ADDRESS)
    assert actor is not None
    return actor


async def an_account(by: Actor, external_id: str | None = None) -> Account:
    asked = CreateAccount(
        name="Ada",
        email=f"{key()}@client.example",
        currency="USD",
        external=External(external_id=external_id),
    )
    return await run(asked, by, key())


def token_of(handed: HandedOver) -> str:
    assert handed.url is not None
    return parse_qs(urlsplit(handed.url).query)["token"][0]


async def followed(token: str) -> tuple[str, str]:
    return await client_link.follow(token, address=ADDRESS, user_agent="Browser")


async def stored() -> tuple[int, int]:
    return await ClientLink.all().count(), await Session.all().count()


async def test_of_many_browsers_at_once_one_gets_in() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    handed = await run(CreateClientSession(ada.id), shop, key())
    tried = await asyncio.gather(
        *(followed(token_of(handed)) for _ in range(6)), return_exceptions=True
    )
    (got,) = [one for one in tried if not isinstance(one, BaseException)]
    assert sum(isinstance(one, TokenRefused) for one in tried) == 5
    actor = await actor_of_credential(got[0], ADDRESS)
    assert actor is not None
    assert (actor.role, actor.account_id) == (Role.CLIENT, ada.id)


async def test_used_old_foreign_and_truncated_links_are_one_refusal() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    used, old, gone, good = [
        token_of(await run(CreateClientSession(ada.id), shop, key())) for _ in range(4)
    ]
    await followed(used)
    ago = now() - timedelta(seconds=1)
    hashed = client_link._hash(old)
    await transaction(lambda: ClientLink.filter(token_hash=hashed).update(expires_at=ago))
    sessions = await Session.all().count()
    hostile = [used, old, good[:-1], good + "a", good.upper(), "", "acl_", "acl_" + "é" * 43]
    hostile += ["acs_" + good[4:], "acl_" + "\x00" * 43, "acl_" + "A" * 43, "a" * 100_000]
    for text in hostile:
        with pytest.raises(TokenRefused) as refused:
            await followed(text)
        assert refused.value.field == ("token",)
    await transaction(lambda: User.filter(account_id=ada.id).update(disabled_at=ago))
    with pytest.raises(TokenRefused):
        await followed(gone)
    assert await Session.all().count() == sessions
    await transaction(lambda: User.filter(account_id=ada.id).update(disabled_at=None))
    await followed(good)


async def test_the_token_is_the_accounts_own_user_for_as_long_as_it_was_asked_for() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    handed = await run(CreateClientSession(ada.id, expires_in_seconds=900), shop, key())
    assert handed.token is not None
    actor = await actor_of_credential(handed.token, ADDRESS)
    assert actor is not None
    user = await User.get(account_id=ada.id)
    assert (actor.role, actor.user_id, actor.account_id) == (Role.CLIENT, user.id, ada.id)
    assert actor.expires_at == handed.expires_at
    left = (handed.expires_at - now()).total_seconds()
    assert 890 < left <= 900
    ago = now() - timedelta(seconds=1)
    one = actor.session_id
    await transaction(lambda: Session.filter(id=one).update(expires_at=ago))
    assert await actor_of_credential(handed.token, ADDRESS) is None


async def test_neither_secret_is_stored_nor_logged_and_the_audit_log_says_who() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    handed = await run(CreateClientSession(ada.id, return_url=None), shop, key())
    entry = await AuditEntry.get(subject=ada.public_id, action="account.hand_over")
    assert (entry.user_id, entry.key_id, entry.address) == (shop.user_id, shop.key_id, ADDRESS)
    for table in ("audit_entry", "client_link", "session", "idempotency_key"):
        text = repr(await sql.fetch(f"SELECT * FROM {table}"))
        assert token_of(handed)[4:] not in text
        assert str(handed.token)[4:] not in text


async def test_a_replay_shows_no_secret_and_makes_none() -> None:
    shop, again = await a_partner(), key()
    ada = await an_account(shop)
    first = await run(CreateClientSession(ada.id), shop, again)
    before = await stored()
    second = await run(CreateClientSession(ada.id), shop, again)
    assert (second.url, second.token) == (None, None)
    assert abs((second.expires_at - first.expires_at).total_seconds()) < 5
    assert await stored() == before


async def test_an_account_is_named_by_its_partners_own_id() -> None:
    shop, other, name = await a_partner(), await a_partner(), key()
    ada = await an_account(shop, name)
    handed = await run(CreateClientSession(external_id=name), shop, key())
    actor = await actor_of_credential(str(handed.token), ADDRESS)
    assert actor is not None
    assert actor.account_id == ada.id
    called = (await User.get(id=shop.user_id)).name
    told = await run(CreateClientSession(external_id=name, partner=called), STAFF, key())
    assert told.token is not None
    with pytest.raises(NotFound) as refused:
        await run(CreateClientSession(external_id=name), other, key())
    assert refused.value.field == ("external_id",)


async def test_only_accounts_that_the_key_reaches_are_handed_over() -> None:
    owner = await a_partner()
    ada, bo = await an_account(owner), await an_account(owner)
    shop = await a_partner("sessions:create", accounts=[ada.id])
    before = await stored()
    for missing in (bo.id, session.new_session(bo.id)[0].id):
        with pytest.raises(NotFound) as refused:
            await run(CreateClientSession(missing), shop, key())
        assert refused.value.field == ("account_id",)
    reader = await a_partner("accounts:write", "invoices:write", accounts=[ada.id])
    client = Actor(role=Role.CLIENT, user_id=(await User.get(account_id=ada.id)).id)
    for by in (reader, replace(client, account_id=ada.id)):
        with pytest.raises(Forbidden):
            await run(CreateClientSession(ada.id), by, key())
    assert await stored() == before


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"expires_in_seconds": 0}, "expires_in_seconds"),
        ({"expires_in_seconds": -1}, "expires_in_seconds"),
        ({"expires_in_seconds": 901}, "expires_in_seconds"),
        ({"return_url": "https://evil.example/"}, "return_url"),
        ({"return_url": "https://shop.example.evil.example/"}, "return_url"),
        ({"return_url": "https://shop.example@evil.example/"}, "return_url"),
        ({"return_url": "//evil.example"}, "return_url"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"external_id": "both"}, "account_id"),
    ],
)
async def test_what_is_not_allowed_is_refused_at_its_field_and_makes_nothing(
    wish: dict[str, Any], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = frozenset({"https://shop.example"})
    wired = replace(providers.provider(), return_origins=allowed)
    monkeypatch.setattr(providers, "_provider", wired)
    shop = await a_partner()
    ada = await an_account(shop)
    before = await stored()
    with pytest.raises(Invalid) as refused:
        await run(CreateClientSession(ada.id, **wish), shop, key())
    assert refused.value.field == (field,)
    assert await stored() == before
    good = CreateClientSession(ada.id, return_url="https://shop.example/a?b#c")
    handed = await run(good, shop, key())
    assert (await followed(token_of(handed)))[1] == "https://shop.example/a?b#c"


async def test_an_account_whose_user_is_disabled_is_not_handed_over() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    await transaction(lambda: User.filter(account_id=ada.id).update(disabled_at=now()))
    with pytest.raises(Refusal) as refused:
        await run(CreateClientSession(ada.id), shop, key())
    assert isinstance(refused.value, NotAllowed)


async def test_links_that_ran_out_are_forgotten_after_a_day() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    await run(CreateClientSession(ada.id), shop, key())
    link = token_of(await run(CreateClientSession(ada.id), shop, key()))
    hashed, past = client_link._hash(link), now() - timedelta(days=2)
    await transaction(lambda: ClientLink.filter(token_hash=hashed).update(expires_at=past))
    before = await ClientLink.all().count()
    assert await client_link.forget() >= 1
    assert await ClientLink.all().count() < before


# ------------------------------------------------------------------------------- what it is not


async def test_who_is_handed_over_reaches_that_account_alone() -> None:
    """Their user may be a member elsewhere, which the key that handed them over does not reach."""
    shop = await a_partner()
    ada = await an_account(shop)
    only, other = await a_partner("sessions:create", accounts=[ada.id]), await an_account(shop)
    user = await User.get(account_id=ada.id)
    member = Member(account_id=other.id, user_id=user.id, role=MemberRole.OWNER.value)
    await transaction(lambda: sql.add(member))
    handed = await run(CreateClientSession(ada.id), only, key())
    for token in (str(handed.token), (await followed(token_of(handed)))[0]):
        actor = await actor_of_credential(token, ADDRESS)
        assert actor is not None
        assert [one.id for one in await of_user(actor)] == [ada.id]
        with pytest.raises(StepUpRequired):
            await session.switch_account(other.id, actor)


async def test_who_is_handed_over_has_proved_nothing_here() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    handed = await run(CreateClientSession(ada.id), shop, key())
    actor = await actor_of_credential(str(handed.token), ADDRESS)
    assert actor is not None
    with pytest.raises(StepUpRequired):
        await enrolment.begin_totp(actor)
    with pytest.raises(StepUpRequired):
        await run(InviteMember(None, f"{key()}@evil.example", MemberRole.OWNER), actor, key())


async def test_a_partner_chooses_no_password_for_an_address_that_nobody_has_confirmed() -> None:
    shop, email = await a_partner(), f"{key()}@client.example"
    with pytest.raises(Forbidden):
        await run(CreateAccount("Ada", email, "USD", password="four kazoos in it"), shop, key())
    assert not await User.filter(email=email).exists()


async def test_who_is_handed_over_sees_and_ends_no_other_session_of_their_user() -> None:
    shop = await a_partner()
    ada = await an_account(shop)
    user = await User.get(account_id=ada.id)
    home, _ = await session.open_session(user)
    handed = await run(CreateClientSession(ada.id), shop, key())
    assert home.session_id is not None
    link, _ = await followed(token_of(handed))
    for token in (str(handed.token), link):
        actor = await actor_of_credential(token, ADDRESS)
        assert actor is not None
        assert [one.id for one in await session.sessions_of(actor)] == [actor.session_id]
        assert await session.own_session(home.session_id, actor) is None
        with pytest.raises(NotFound) as refused:
            await session.end_session(home.session_id, actor)
        assert refused.value.field == ("session_id",)
    vouched = replace(home, session_id=None, vouched_as=("Shop", "1"))
    assert await session.sessions_of(vouched) == []
    with pytest.raises(NotFound):
        await session.end_session(home.session_id, vouched)
    assert await holding({home}) == {home}
    # Who proves who they are is at home; and whoever is, sees what was handed over.
    by_link = await actor_of_credential(link, ADDRESS)
    assert by_link is not None
    assert by_link.session_id is not None
    await transaction(lambda: Session.filter(id=by_link.session_id).update(confirmed_at=now()))
    proven = await actor_of_credential(link, ADDRESS)
    assert proven is not None
    for actor in (proven, home):
        assert len(await session.sessions_of(actor)) == 3
    await session.end_session(by_link.session_id, by_link)
    assert await holding({home, by_link}) == {home}


# ------------------------------------------------------------------------------- what ends it


async def revoked(by: Actor) -> None:
    assert by.key_id is not None
    await api_keys.revoke(by.key_id, STAFF)


async def revoked_by_command_line(by: Actor) -> None:
    assert by.key_id is not None
    await revoke_key(by.key_id)


async def partner_disabled(by: Actor) -> None:
    await transaction(lambda: User.filter(id=by.user_id).update(disabled_at=now()))


@pytest.mark.parametrize("end", [revoked, revoked_by_command_line, partner_disabled])
async def test_what_a_key_has_opened_ends_with_it(end: Callable[[Actor], Awaitable[None]]) -> None:
    shop, other = await a_partner(), await a_partner()
    ada = await an_account(shop)
    user = await User.get(account_id=ada.id)
    handed, unused, others, staffs = [
        await run(CreateClientSession(ada.id), by, key()) for by in (shop, shop, other, STAFF)
    ]
    by_link, _ = await followed(token_of(handed))
    home, at_home = await session.open_session(user)
    stay = [at_home, str(others.token), str(staffs.token)]
    ending = [str(handed.token), by_link, str(unused.token)]
    actors = {await actor_of_credential(token, ADDRESS) for token in ending}
    before = now() - timedelta(seconds=1)
    await end(shop)
    for token in ending:
        assert await actor_of_credential(token, ADDRESS) is None
    for token in stay:
        assert await actor_of_credential(token, ADDRESS) is not None
    assert await holding({one for one in actors if one} | {home}) == {home}
    assert {one.session_id for one in actors if one} <= await revoked_since(before)
    listed = {one.id for one in await session.sessions_of(home)}
    assert listed.isdisjoint({one.session_id for one in actors if one})
    assert len(listed) == 3  # this one, the other partner's and staff's
    with pytest.raises(TokenRefused):
        await followed(token_of(unused))
    assert (await client_link.follow(token_of(others), address="", user_agent=""))[0]


async def test_a_key_that_only_runs_out_ends_nothing_that_it_has_opened() -> None:
    """Whoever gives keys a last day means the key; clients are not thrown out at midnight."""
    shop = await a_partner()
    ada = await an_account(shop)
    handed = await run(CreateClientSession(ada.id), shop, key())
    past = now() - timedelta(seconds=1)
    await transaction(lambda: ApiKey.filter(id=shop.key_id).update(expires_at=past))
    assert await actor_of_credential(str(handed.token), ADDRESS) is not None
    await followed(token_of(handed))


async def test_whom_a_key_hands_over_spends_of_its_budget_in_a_script_and_in_a_browser() -> None:
    made = await run(
        CreateApiKey(
            key(), "portal", SCOPES, all_accounts=True, daily_budget=((Decimal(10), "USD"),)
        ),
        STAFF,
        key(),
    )
    shop = await actor_of_credential(str(made.token), ADDRESS)
    assert shop is not None
    ada = Client(await an_account(shop), shop)
    await ada.given(10_000)
    handed = await run(CreateClientSession(ada.id), shop, key())
    browser, _ = await followed(token_of(handed))
    script, page = [await actor_of_credential(str(one), ADDRESS) for one in (handed.token, browser)]
    assert script is not None
    assert page is not None
    for who, minor in ((shop, 400), (script, 300), (page, 200)):
        due = await ada.order(minor)
        await run(PayInvoice(due.id, use_credit=True), who, key())
    for who in (shop, script, page):
        due = await ada.order(200)
        with pytest.raises(NotAllowed) as no:
            await run(PayInvoice(due.id, use_credit=True), who, key())
        assert no.value.facts["why"] == "daily_budget"
    # Who signs in here is nobody's but their own.
    user = await User.get(account_id=ada.id)
    own, _ = await session.open_session(user)
    await run(PayInvoice((await ada.order(5000)).id, use_credit=True), own, key())
