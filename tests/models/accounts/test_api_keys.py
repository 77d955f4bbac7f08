"""API keys, as staff give them out and end them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models.access.api_key import ApiKey, KeyAccount
from models.access.credential import actor_of_credential, revoked_since
from models.access.user import User
from models.accounts import api_keys
from models.accounts.api_keys import CreateApiKey, GivenKey
from models.clock import now
from models.db import sql
from models.db.page import PageRequest
from models.db.record import new_id
from models.errors import (
    AmountOutOfRange,
    AmountPrecision,
    CurrencyNotSupported,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
)
from models.journal.audit_log import AuditEntry
from models.journal.command import run
from tests.support.factories import STAFF, a_client
from tests.support.providers import key

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.usefixtures("provider")

PLACE = "192.0.2.7"


async def given(partner: str = "", again: str = "", **wish: Any) -> GivenKey:
    how: dict[str, Any] = {"scopes": ("accounts:write",), **wish}
    return await run(CreateApiKey(partner or key(), "till 1", **how), STAFF, again or key())


async def test_a_new_partner_who_is_named_twice_at_once_is_added_once() -> None:
    name = key()
    made = await asyncio.gather(*(given(name) for _ in range(4)))
    assert len({one.key.user_id for one in made}) == 1
    assert await User.filter(name=name).count() == 1
    assert len({one.token for one in made}) == 4


async def test_a_token_is_shown_once_and_stored_nowhere() -> None:
    name, again = key(), key()
    first = await given(name, again)
    second = await given(name, again)
    assert (second.key.id, second.token) == (first.key.id, None)
    assert await actor_of_credential(str(first.token), PLACE) is not None
    secret = str(first.token).split("_", 2)[2]
    for table in ("api_key", "audit_entry", "idempotency_key"):
        assert secret not in repr(await sql.fetch(f"SELECT * FROM {table}"))
    entry = await AuditEntry.get(subject=first.key.public_id)
    assert (entry.action, entry.user_id) == ("api_key.create", STAFF.user_id)


async def test_a_key_reaches_what_was_named_or_all_or_its_partners_own() -> None:
    ada, bo = (await a_client()).account, (await a_client()).account
    name = key()
    named, all_, own = (
        await given(name, account_ids=(ada.id, ada.id)),
        await given(name, all_accounts=True),
        await given(name),
    )
    await sql.execute("UPDATE account SET partner_id = $1 WHERE id = $2", own.key.user_id, bo.id)
    reached = []
    for one in (named, all_, own):
        actor = await actor_of_credential(str(one.token), PLACE)
        assert actor is not None
        reached.append(actor.accounts)
    assert reached == [frozenset({ada.id}), None, frozenset({bo.id})]

    async def listed(one: GivenKey) -> set[UUID]:
        return {each.id for each in (await api_keys.reached(one.key, PageRequest(first=100))).rows}

    assert await listed(named) == {ada.id}
    assert await listed(own) == {bo.id}
    assert {ada.id, bo.id} <= await listed(all_)


@pytest.mark.parametrize(
    ("networks", "address", "good"),
    [
        (("192.0.2.7",), PLACE, True),
        (("192.0.2.0/24", "2001:db8::/32"), PLACE, True),
        (("192.0.2.0/24",), "::ffff:192.0.2.9", True),
        (("2001:db8::/32",), "2001:db8:1::1", True),
        (("2001:db8::/32",), PLACE, False),
        (("192.0.2.8",), PLACE, False),
        (("192.0.2.0/24",), "", False),
        (("0.0.0.0/0",), "unix", False),
        (("0.0.0.0/0",), "::1", False),
    ],
)
async def test_a_key_is_good_from_its_own_networks_only(
    networks: tuple[str, ...], address: str, *, good: bool
) -> None:
    made = await given(allowed_addresses=networks)
    assert (await actor_of_credential(str(made.token), address) is not None) == good
    stored = await ApiKey.get(id=made.key.id)
    assert stored.allowed_addresses is not None
    assert len(stored.allowed_addresses) == len(networks)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"scopes": ()}, ("scopes",)),
        ({"scopes": ("accounts:read", "money:print")}, ("scopes", "1")),
        ({"account_ids": ()}, ("account_ids",)),
        ({"account_ids": (new_id(),), "all_accounts": True}, ("account_ids",)),
        ({"allowed_addresses": ()}, ("allowed_addresses",)),
        ({"allowed_addresses": ("192.0.2.1", "192.0.2.1/24")}, ("allowed_addresses", "1")),
        ({"allowed_addresses": ("example.com",)}, ("allowed_addresses", "0")),
        ({"expires_at": now() - timedelta(seconds=1)}, ("expires_at",)),
        ({"daily_budget": ()}, ("daily_budget",)),
        (
            {"payment_budget": ((Decimal(1), "USD"), (Decimal(2), "USD"))},
            ("payment_budget", "1", "currency"),
        ),
    ],
)
async def test_what_is_wrong_is_refused_at_its_field_and_makes_nothing(
    wish: dict[str, Any], field: tuple[str, ...]
) -> None:
    before = await ApiKey.all().count(), await User.all().count()
    with pytest.raises(Invalid) as refused:
        await given(**wish)
    assert refused.value.field == field
    assert (await ApiKey.all().count(), await User.all().count()) == before


@pytest.mark.parametrize("which", ["daily_budget", "payment_budget"])
@pytest.mark.parametrize(
    ("amount", "currency", "refusal"),
    [
        ("0", "USD", AmountOutOfRange),
        ("-0", "USD", AmountOutOfRange),
        ("-1", "USD", AmountOutOfRange),
        ("1E+15", "USD", AmountOutOfRange),
        ("9E+999999", "USD", AmountOutOfRange),
        ("0.001", "USD", AmountPrecision),
        ("0.5", "JPY", AmountPrecision),
        ("1", "XXX", CurrencyNotSupported),
        ("1", "usd", CurrencyNotSupported),
        ("1", "", CurrencyNotSupported),
        ("1", "US\0", CurrencyNotSupported),
    ],
)
async def test_a_budget_that_is_no_amount_is_refused_at_its_number_and_makes_nothing(
    which: str, amount: str, currency: str, refusal: type[Refusal]
) -> None:
    before = await ApiKey.all().count(), await User.all().count()
    wish: dict[str, Any] = {which: ((Decimal(1), "EUR"), (Decimal(amount), currency))}
    with pytest.raises(refusal) as refused:
        await given(**wish)
    assert refused.value.field[:2] == (which, "1")
    assert (await ApiKey.all().count(), await User.all().count()) == before


async def test_an_account_that_is_not_there_is_not_found_and_makes_nothing() -> None:
    ada = (await a_client()).account
    before = await ApiKey.all().count(), await KeyAccount.all().count(), await User.all().count()
    with pytest.raises(NotFound) as refused:
        await given(account_ids=(ada.id, new_id()))
    assert refused.value.field == ("account_ids",)
    after = await ApiKey.all().count(), await KeyAccount.all().count(), await User.all().count()
    assert after == before


async def test_a_key_is_revoked_once_and_its_open_connections_hear_of_it() -> None:
    made, began = await given(), now() - timedelta(seconds=1)
    first = await api_keys.revoke(made.key.id, STAFF)
    again = await api_keys.revoke(made.key.id, STAFF)
    assert first.revoked_at == again.revoked_at is not None
    assert await actor_of_credential(str(made.token), PLACE) is None
    assert made.key.id in await revoked_since(began)
    entries = await AuditEntry.filter(subject=made.key.public_id, action="api_key.revoke")
    assert len(entries) == 1
    with pytest.raises(NotFound):
        await api_keys.revoke(new_id(), STAFF)


async def test_nobody_but_staff_makes_sees_or_ends_a_key() -> None:
    made = await given(scopes=("accounts:write", "sessions:create"))
    shop = await actor_of_credential(str(made.token), PLACE)
    assert shop is not None
    ada = await a_client()
    for by in (shop, ada.actor, replace(shop, accounts=None)):
        with pytest.raises(Forbidden):
            await run(CreateApiKey(key(), "x", ("accounts:read",)), by, key())
        with pytest.raises(Forbidden):
            await api_keys.revoke(made.key.id, by)
        with pytest.raises(Forbidden):
            await api_keys.find(made.key.id, by)
        with pytest.raises(Forbidden):
            await api_keys.page(PageRequest(), by)
    assert (await ApiKey.get(id=made.key.id)).revoked_at is None
