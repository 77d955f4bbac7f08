"""External ids: what a partner calls its clients, who has them, and who reaches them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from models.access.api_key import ApiKey, create_key, new_key
from models.access.credential import actor_of_credential, holding
from models.access.identity import SCOPES, Actor
from models.access.user import User
from models.accounts import external
from models.accounts.account import Account
from models.accounts.create import CreateAccount
from models.accounts.external import External
from models.accounts.settings import UpdateAccount
from models.db import sql
from models.db.transactions import transaction
from models.errors import Forbidden, Invalid, NotFound, Refusal
from models.journal.audit_log import AuditEntry
from models.journal.command import run
from tests.support.factories import STAFF, a_client
from tests.support.identities import ADDRESS
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.usefixtures("provider")


async def opened(by: Actor, **given: Any) -> Account:
    return await run(
        CreateAccount(
            name="Ada",
            email=f"{key()}@client.example",
            currency="USD",
            external=External(**given),
        ),
        by,
        key(),
    )


async def own_key(partner: str, scopes: Iterable[str] = SCOPES) -> str:
    """A key that reaches the accounts of its partner."""
    first, _ = await create_key(partner, scopes)
    made, token = new_key(scopes)
    made.user_id = first.user_id
    await transaction(lambda: sql.add(made))
    return token


async def holder(token: str) -> Actor:
    actor = await actor_of_credential(token, ADDRESS)
    assert actor is not None
    return actor


async def test_two_accounts_that_are_given_one_external_id_at_once_do_not_both_get_it() -> None:
    shop, name = await holder((await create_key(key(), SCOPES))[1]), key()
    there = [await opened(shop) for _ in range(3)]
    update = External(external_id=name)
    done = await asyncio.gather(
        *(opened(shop, external_id=name) for _ in range(3)),
        *(run(UpdateAccount(one.id, {}, update), shop, key()) for one in there),
        return_exceptions=True,
    )
    refused = [one for one in done if isinstance(one, BaseException)]
    told = {(type(one), getattr(one, "field", ()), getattr(one, "problem", "")) for one in refused}
    assert told == {(Invalid, ("external_id",), "taken")}
    assert len(refused) == 5
    assert await Account.filter(external_id=name).count() == 1


async def test_two_partners_may_call_their_clients_alike() -> None:
    name = key()
    one, two = [await holder((await create_key(key(), SCOPES))[1]) for _ in range(2)]
    ada, bo = await opened(one, external_id=name), await opened(two, external_id=f" {name} ")
    assert await external.seen_as(one, name, None) == ada.id
    assert await external.seen_as(two, name, None) == bo.id
    assert ada.external_id_for(one) == name
    assert ada.external_id_for(two) is None
    with pytest.raises(NotFound) as refused:
        await external.seen_as(one, name, (await User.get(id=two.user_id)).name)
    assert refused.value.field == ("partner",)


async def test_an_account_that_a_partner_opens_is_reached_now_and_later_by_its_own_keys() -> None:
    name = key()
    token = await own_key(name)
    before = await holder(token)
    assert before.accounts == frozenset()
    ada = await opened(before)
    after = await holder(token)
    assert after.accounts == frozenset({ada.id})
    assert await holding({before}) == {before}, "it reaches more than it did: that is no reason"
    named_for = (await a_client()).account
    _, named = await create_key(name, SCOPES, [named_for.id])
    assert (await holder(named)).accounts == frozenset({named_for.id}), (
        "what was named, and no more"
    )
    bo = await opened(await holder(named))
    assert (await holder(named)).accounts == frozenset({named_for.id, bo.id})
    assert (await holder(token)).accounts == frozenset({ada.id, bo.id})
    await transaction(lambda: Account.filter(id=ada.id).update(partner_id=None))
    assert await holding({after}) == set()


async def test_a_key_without_the_scope_opens_and_changes_nothing() -> None:
    ada = (await a_client()).account
    scopes = [scope for scope in SCOPES if scope != "accounts:write"]
    by = await holder((await create_key(key(), scopes, [ada.id]))[1])
    before = await Account.all().count()
    with pytest.raises(Forbidden):
        await opened(by)
    with pytest.raises(Forbidden):
        await run(UpdateAccount(ada.id, {"name": "Eve"}), by, key())
    assert await Account.all().count() == before
    assert (await Account.get(id=ada.id)).name == ada.name


async def test_a_partner_changes_its_clients_and_the_audit_log_says_so() -> None:
    shop = await holder((await create_key(key(), SCOPES))[1])
    ada = await opened(shop, external_id=key(), metadata=(("plan", "small"), ("crm", "")))
    assert (ada.partner_id, ada.details) == (shop.user_id, {"plan": "small", "crm": ""})
    wanted = UpdateAccount(ada.id, {"name": "Ada L."}, External(metadata=()))
    changed = await run(wanted, shop, key())
    assert (changed.name, changed.details, changed.external_id) == ("Ada L.", None, ada.external_id)
    entries = await AuditEntry.filter(subject=ada.public_id).order_by("id")
    assert [(one.action, one.user_id, one.key_id) for one in entries] == [
        ("account.create", shop.user_id, shop.key_id),
        ("account.update", shop.user_id, shop.key_id),
    ]
    gone = await run(UpdateAccount(ada.id, {}, External(external_id="")), shop, key())
    assert (gone.external_id, gone.partner_id) == (None, shop.user_id)


async def test_a_partner_takes_no_external_id_of_another_and_freezes_nobody() -> None:
    one, two = [await holder((await create_key(key(), SCOPES))[1]) for _ in range(2)]
    ada = await opened(one, external_id=key())
    with pytest.raises(Invalid) as refused:
        await run(UpdateAccount(ada.id, {}, External(external_id=key())), two, key())
    assert refused.value.field == ("external_id",)
    with pytest.raises(Forbidden):
        await run(UpdateAccount(ada.id, {"spending_frozen": True}), one, key())
    assert (await Account.get(id=ada.id)).external_id == ada.external_id


async def test_a_client_gives_itself_no_external_id() -> None:
    ada = await a_client()
    for wish in (External(external_id="x"), External(metadata=()), External(partner="x")):
        with pytest.raises(Forbidden):
            await run(UpdateAccount(None, {}, wish), ada.actor, key())
    with pytest.raises(Forbidden):
        await external.seen_as(ada.actor, "x", None)


async def test_staff_say_whose_external_id_it_is_and_may_name_a_new_partner() -> None:
    name, partner = key(), key()
    with pytest.raises(Invalid) as refused:
        await opened(STAFF, external_id=name)
    assert refused.value.field == ("partner",)
    ada = await opened(STAFF, external_id=name, partner=f" {partner}")
    assert (await User.get(name=partner)).id == ada.partner_id
    assert await external.seen_as(STAFF, name, partner) == ada.id
    assert await external.seen_as(STAFF, name, "nobody") is None


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"external_id": "x" * 201}, ("external_id",)),
        ({"external_id": "a\nb"}, ("external_id",)),
        ({"metadata": (("k", "v"),) * 21}, ("metadata",)),
        ({"metadata": (("k" * 41, "v"),)}, ("metadata", "0", "key")),
        ({"metadata": (("k", "v" * 501),)}, ("metadata", "0", "value")),
        (
            {
                "metadata": (
                    ("k", "v"),
                    (" k", "w"),
                )
            },
            ("metadata", "1", "key"),
        ),
        ({"metadata": ((" ", "v"),)}, ("metadata", "0", "key")),
        ({"metadata": (("k", "\x00"),)}, ("metadata", "0", "value")),
    ],
)
async def test_what_is_malformed_is_refused_at_its_field(
    wish: dict[str, Any], field: tuple[str, ...]
) -> None:
    shop = await holder((await create_key(key(), SCOPES))[1])
    before = await Account.all().count()
    with pytest.raises(Invalid) as refused:
        await opened(shop, **wish)
    assert refused.value.field == field
    assert await Account.all().count() == before


async def test_a_replay_by_a_key_that_does_not_reach_the_account_finds_nothing() -> None:
    name, again = key(), key()
    _, first = await create_key(name, SCOPES)
    email = f"{key()}@client.example"
    asked = CreateAccount(name="Ada", email=email, currency="USD")
    ada = await run(asked, await holder(first), again)
    other = (await a_client()).account
    _, second = await create_key(name, SCOPES, [other.id])
    with pytest.raises(Refusal) as refused:
        await run(asked, await holder(second), again)
    assert isinstance(refused.value, NotFound)
    assert await run(asked, await holder(first), again) == ada
    assert await ApiKey.filter(name="").exists()


async def test_a_key_makes_no_account_its_partners_that_it_merely_reaches() -> None:
    nobodys = (await a_client()).account
    name = key()
    everywhere = await holder((await create_key(name, SCOPES))[1])
    named = await holder((await create_key(name, SCOPES, [nobodys.id]))[1])
    for by in (everywhere, named):
        for external_id in (key(), ""):
            wanted = External(external_id=external_id)
            with pytest.raises(Invalid) as refused:
                await run(UpdateAccount(nobodys.id, {"name": "Eve"}, wanted), by, key())
            assert refused.value.field == ("external_id",)
    assert (await Account.get(id=nobodys.id)).partner_id is None
    assert (await Account.get(id=nobodys.id)).name == nobodys.name
    own = await holder(await own_key(name))
    assert own.accounts == frozenset()
    # Staff do, and from then on it is this partner's to name.
    await run(UpdateAccount(nobodys.id, {}, External(external_id="1", partner=name)), STAFF, key())
    renamed = await run(UpdateAccount(nobodys.id, {}, External(external_id=key())), named, key())
    assert (renamed.partner_id, renamed.external_id) != (None, "1")
