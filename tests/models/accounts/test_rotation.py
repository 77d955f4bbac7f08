"""Keys that replace others: the same rights, an overlap, and one line of both."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.access.api_key import ApiKey, rights_of
from models.access.credential import actor_of_credential, revoked_since
from models.accounts import api_keys
from models.accounts.api_keys import CreateApiKey, GivenKey, RotateApiKey
from models.accounts.create import CreateAccount
from models.accounts.hand_over import CreateClientSession
from models.clock import now
from models.db import sql
from models.db.page import PageRequest
from models.db.record import new_id
from models.errors import Forbidden, Invalid, NotAllowed, NotFound
from models.journal.audit_log import AuditEntry
from models.journal.command import run
from tests.support.factories import STAFF, a_client
from tests.support.providers import key

if TYPE_CHECKING:
    from models.access.identity import Actor
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")

PLACE = "192.0.2.7"


async def given(**wish: Any) -> GivenKey:
    how: dict[str, Any] = {"scopes": ("accounts:write",), **wish}
    return await run(CreateApiKey(key(), "till 1", **how), STAFF, key())


async def rotated(made: GivenKey, hours: int = 24, again: str = "") -> GivenKey:
    return await run(RotateApiKey(made.key.id, hours), STAFF, again or key())


async def holder(made: GivenKey, address: str = PLACE) -> Actor | None:
    return await actor_of_credential(str(made.token), address)


async def test_the_new_key_is_the_same_partners_with_the_same_rights_and_shown_once(
    at: At,
) -> None:
    ada, once = await a_client(), key()
    old = await given(account_ids=(ada.id,), allowed_addresses=("192.0.2.0/24",))
    new = await rotated(old, 2, once)
    assert (await rotated(old, 2, once)).token is None
    assert await ApiKey.filter(line_id=old.key.id).count() == 1
    before, after = await holder(old), await holder(new)
    assert before is not None
    assert after is not None
    assert (after.principal, after.scopes, after.accounts) == (
        before.principal,
        before.scopes,
        before.accounts,
    )
    assert (after.key_id, after.line_id) == (new.key.id, before.key_id)
    assert await holder(new, "198.51.100.1") is None
    entry = await AuditEntry.get(subject=new.key.public_id)
    assert (entry.action, entry.details["old"]) == ("api_key.rotate", old.key.public_id)
    secret = str(new.token).split("_", 2)[2]
    for table in ("api_key", "audit_entry", "idempotency_key"):
        assert secret not in repr(await sql.fetch(f"SELECT * FROM {table}"))
    with at(timedelta(hours=3)):
        assert await holder(old) is None
        assert await holder(new) is not None
        assert set(await rights_of([old.key.id, new.key.id])) == {new.key.id}


async def test_without_an_overlap_the_old_key_ends_at_once_and_what_is_open_hears_of_it() -> None:
    old, began = await given(), now() - timedelta(seconds=1)
    new = await rotated(old, 0)
    assert await holder(old) is None
    assert await holder(new) is not None
    assert old.key.id in await revoked_since(began)
    assert (await ApiKey.get(id=old.key.id)).revoked_at is None, (
        "what it opened for clients goes on"
    )


async def test_an_account_that_either_key_opens_is_reached_by_both() -> None:
    ada = await a_client()
    old = await given(account_ids=(ada.id,))
    new = await rotated(old)
    for made in (old, new):
        by = await holder(made)
        assert by is not None
        asked = CreateAccount(name="B", email=f"{key()}@x.org", password=None, currency="USD")
        opened = await run(asked, by, key())
        for each in (old, new):
            again = await holder(each)
            assert again is not None
            assert again.sees(opened.id)
            page = await api_keys.reached(each.key, PageRequest())
            assert opened.id in {one.id for one in page.rows}


async def test_a_key_is_replaced_once_however_many_ask() -> None:
    old = await given()
    outcomes = await asyncio.gather(*(rotated(old) for _ in range(6)), return_exceptions=True)
    new = [one for one in outcomes if isinstance(one, GivenKey)]
    assert len(new) == 1
    assert {type(one) for one in outcomes if not isinstance(one, GivenKey)} == {NotAllowed}
    third = await rotated(new[0])
    assert third.key.line == old.key.id


async def test_revoking_a_key_ends_those_before_it_and_none_after() -> None:
    first = await given()
    second = await rotated(first)
    third = await rotated(second)
    other = await given()
    await api_keys.revoke(second.key.id, STAFF)
    alive = [await holder(one) is not None for one in (first, second, third, other)]
    assert alive == [False, False, True, True]


async def test_a_key_with_an_expiry_is_replaced_for_as_long_and_the_old_one_for_no_longer() -> None:
    end = now() + timedelta(hours=10)
    old = await given(expires_at=end)
    new = await rotated(old, 720)
    assert (await ApiKey.get(id=old.key.id)).expires_at == end
    assert new.key.expires_at is not None
    lasts = new.key.expires_at - new.key.created_at
    assert abs(lasts - timedelta(hours=10)) < timedelta(minutes=1)


async def test_what_cannot_be_replaced_is_refused_and_nothing_is_made() -> None:
    made, dead = await given(), await given()
    await api_keys.revoke(dead.key.id, STAFF)
    before = await ApiKey.all().count()
    for hours in (-1, 721, 2**31 - 1):
        with pytest.raises(Invalid) as refused:
            await rotated(made, hours)
        assert refused.value.field == ("old_key_valid_hours",)
    with pytest.raises(NotAllowed):
        await rotated(dead)
    with pytest.raises(NotFound):
        await run(RotateApiKey(new_id()), STAFF, key())
    ada, shop = await a_client(), await holder(made)
    assert shop is not None
    for by in (ada.actor, shop):
        with pytest.raises(Forbidden):
            await run(RotateApiKey(made.key.id), by, key())
    assert await ApiKey.all().count() == before
    assert (await ApiKey.get(id=made.key.id)).expires_at is None


async def test_what_a_key_handed_over_outlives_its_rotation_and_ends_with_the_line() -> None:
    old = await given(scopes=("accounts:write", "sessions:create"))
    by = await holder(old)
    assert by is not None
    opened = CreateAccount(name="B", email=f"{key()}@x.org", password=None, currency="USD")
    account, old_by = await run(opened, by, key()), await holder(old)
    assert old_by is not None
    handed = await run(CreateClientSession(account.id), old_by, key())
    new = await rotated(old, 0)
    assert await holder(old) is None
    assert await actor_of_credential(str(handed.token), PLACE) is not None
    await api_keys.revoke(new.key.id, STAFF)
    assert await actor_of_credential(str(handed.token), PLACE) is None
