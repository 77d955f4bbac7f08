"""API keys: whose they are and what they reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.access.api_key import ApiKey, KeyAccount, create_key, revoke_key
from models.access.credential import actor_of_credential, holding
from models.access.identity import SCOPES, Role
from models.access.session import open_session, revoke_session
from models.access.user import User
from models.clock import now
from models.db import tasks
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import Invalid, NotFound
from models.provider.provider import Provider
from tests.support.identities import ADDRESS, a_client, an_account, wire_small_provider

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


async def test_a_key_is_its_partner_with_its_scopes_and_accounts() -> None:
    account = await an_account()
    key, given = await create_key("Order desk", ["invoices:write"], [account.id], name="till 1")
    actor = await actor_of_credential(given, ADDRESS)
    assert actor is not None
    assert (actor.role, actor.key_id, actor.user_id) == (Role.PARTNER, key.id, key.user_id)
    assert actor.scopes == frozenset({"invoices:write"})
    assert actor.accounts == frozenset({account.id})
    assert (actor.expires_at, actor.session_id) == (None, None)
    assert given.startswith(f"ack_{key.prefix}_")


async def test_a_partners_keys_share_a_principal_and_nothing_else() -> None:
    one, two = await an_account(), await an_account("cy@example.com")
    _, first = await create_key("Order desk", ["credit:read"], [one.id])
    _, second = await create_key(" Order desk ", ["invoices:read"], [two.id])
    _, stranger = await create_key("Accounting", ["credit:read"])
    actors = [await actor_of_credential(given, ADDRESS) for given in (first, second, stranger)]
    a, b, c = (actor for actor in actors if actor is not None)
    assert a.principal == b.principal != c.principal
    assert (a.accounts, b.accounts) == (frozenset({one.id}), frozenset({two.id}))
    assert c.accounts is None
    assert a.scopes != b.scopes


@pytest.mark.parametrize(
    ("scopes", "field"),
    [
        ([], ("scopes",)),
        (["credit:write"], ("scopes", "0")),
        (["credit:read", "everything"], ("scopes", "1")),
    ],
)
async def test_a_key_of_unknown_scopes_is_not_made(scopes: list[str], field: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        await create_key("Order desk", scopes)
    assert refusal.value.field == field
    assert refusal.value.facts.get("named") in {None, scopes[-1] if scopes else None}
    assert (await ApiKey.all().count(), await User.all().count()) == (0, 0)


async def test_a_key_for_no_account_or_an_unknown_one_is_not_made() -> None:
    with pytest.raises(Invalid):
        await create_key("Order desk", ["credit:read"], [])
    with pytest.raises(NotFound):
        await create_key("Order desk", ["credit:read"], [(await an_account()).id, new_id()])
    with pytest.raises(Invalid):
        await create_key(" ", ["credit:read"])
    assert (await ApiKey.all().count(), await User.all().count()) == (0, 0)


async def test_a_wrong_secret_behind_a_right_prefix_is_nobodys() -> None:
    key, given = await create_key("Order desk", ["credit:read"])
    assert await actor_of_credential(given[:-1], ADDRESS) is None
    assert await actor_of_credential(f"ack_{key.prefix}_", ADDRESS) is None
    assert await actor_of_credential(f"ack_{key.prefix}", ADDRESS) is None


async def test_a_revoked_key_an_expired_one_and_a_disabled_partner_are_nobody() -> None:
    key, revoked = await create_key("Order desk", ["credit:read"])
    _, expired = await create_key("Order desk", ["credit:read"], expires_at=now())
    _, orphan = await create_key("Accounting", ["credit:read"])
    actor = await actor_of_credential(revoked, ADDRESS)
    assert actor is not None
    assert await holding({actor})
    await revoke_key(key.id)
    await transaction(lambda: User.filter(name="Accounting").update(disabled_at=now()))
    assert [await actor_of_credential(given, ADDRESS) for given in (revoked, expired, orphan)] == [
        None
    ] * 3
    assert await holding({actor}) == set()


async def test_a_keys_use_is_noted() -> None:
    key, given = await create_key("Order desk", ["credit:read"])
    assert key.used_at is None
    await actor_of_credential(given, ADDRESS)
    await tasks.drain()
    assert (await ApiKey.get(id=key.id)).used_at is not None


async def test_revoking_one_session_or_key_leaves_the_actor_of_others() -> None:
    actor, _ = await open_session(await a_client(), address=ADDRESS)
    await revoke_session(new_id())
    await revoke_key(new_id())
    nobodys = replace(actor, session_id=None)
    assert await holding({actor, nobodys}) == {actor, nobodys}


async def test_a_key_with_other_rights_than_before_holds_no_more() -> None:
    mine, theirs = (await an_account()).id, (await an_account("cy@example.com")).id
    given = [(["credit:read"], [mine]), (["credit:read"], None), (SCOPES, [mine])]
    keys = [await create_key("Order desk", scopes, accounts) for scopes, accounts in given]
    actors = [await actor_of_credential(token, ADDRESS) for _, token in keys]
    held = {actor for actor in actors if actor is not None}
    assert len(await holding(held)) == len(held) == len(given)
    first, second, third = (key for key, _ in keys)
    await transaction(lambda: KeyAccount.filter(api_key_id=first.id).update(account_id=theirs))
    await transaction(lambda: ApiKey.filter(id=second.id).update(scopes="invoices:read"))
    assert await holding(held) == {actor for actor in held if actor.key_id == third.id}
