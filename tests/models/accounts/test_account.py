"""Accounts: one for each e-mail address, and what is kept of what was typed."""

from __future__ import annotations

import asyncio
import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tortoise.connection import get_connection

from models.access.user import User, email_key_sql, user_of_email
from models.accounts import account
from models.accounts.account import Account
from models.accounts.create import CreateAccount
from models.accounts.settings import UpdateAccount
from models.clock import now
from models.db import sql
from models.db.connection import dialect
from models.db.page import PageRequest
from models.db.record import new_id
from models.errors import Invalid
from models.journal.command import run
from tests.support.factories import STAFF, a_client
from tests.support.providers import key

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.usefixtures("provider")


async def opened(email: str, **given: str) -> Account:
    how: dict[str, Any] = {"name": "Ada", "currency": "USD", "locale": "en", **given}
    return await run(CreateAccount(email=email, **how), STAFF, key())


async def test_an_address_is_kept_as_it_was_written() -> None:
    name = key()
    ada = await opened(f" Ada.Groß.{name}@Straße.example ")
    assert ada.email == f"Ada.Groß.{name}@Straße.example"
    user = await User.get(account_id=ada.id)
    assert (user.email, user.email_key) == (ada.email, None)


async def test_the_key_of_an_address_is_kept_where_its_small_letters_are_another() -> None:
    name = key()
    ada = await opened(f"ÜBER.{name}@client.example")
    user = await User.get(account_id=ada.id)
    assert ada.email_key == user.email_key == f"über.{name}@client.example"
    assert await user_of_email(f"über.{name}@client.example") == user
    assert await user_of_email(f"über.{name}@CLIENT.example") is None


@pytest.mark.parametrize(
    "taken", ["{}A@client.example", "{}ａ＠ｃｌｉｅｎｔ．ｅｘａｍｐｌｅ", "{}ⓐ@client.example"]
)
async def test_nobody_has_an_address_that_another_has(taken: str) -> None:
    name = key()
    await opened(f"{name}a@client.example")
    before = await counts()
    with pytest.raises(Invalid) as refused:
        await opened(taken.format(name))
    assert (refused.value.field, refused.value.problem) == (("email",), "taken")
    assert await counts() == before


async def counts() -> tuple[int, int]:
    return await Account.all().count(), await User.all().count()


async def test_a_sharp_s_and_a_double_s_are_two_addresses() -> None:
    name = key()
    await opened(f"{name}@strasse.example")
    await opened(f"{name}@straße.example")


async def test_an_account_that_is_opened_twice_at_once_is_opened_once() -> None:
    name, (before, _) = key(), await counts()
    done = await asyncio.gather(
        *(opened(f"{'aA'[n % 2]}{name}@client.example") for n in range(6)), return_exceptions=True
    )
    refused = [one for one in done if isinstance(one, BaseException)]
    assert [(type(one), getattr(one, "problem", "")) for one in refused] == [(Invalid, "taken")] * 5
    assert (await counts())[0] == before + 1


@pytest.mark.parametrize("locale", ["en.\x00", "en.UTF-8", "en_GB", "klingon", "", "en@euro"])
async def test_a_locale_that_is_none_is_refused(locale: str) -> None:
    ada, before = await a_client(), await counts()
    with pytest.raises(Invalid) as refused:
        await run(UpdateAccount(ada.id, {"locale": locale}), ada.actor, key())
    assert refused.value.field == ("locale",)
    with pytest.raises(Invalid) as refused:
        await opened("bo@client.example", locale=locale)
    assert refused.value.field == ("locale",)
    assert await counts() == before
    assert (await Account.get(id=ada.id)).locale == "en"


async def test_a_locale_is_kept_in_its_common_form() -> None:
    ada = await a_client()
    changed = await run(UpdateAccount(ada.id, {"locale": "JA-jp"}), ada.actor, key())
    assert changed.locale == "ja-JP"


# ------------------------------------------------------------------------------- upgrading


async def test_addresses_that_were_there_before_are_found_after_the_upgrade() -> None:
    """They were stored folded; where two are one now, the older is found."""
    migration = importlib.import_module("models.migrations.0012_email_keys")
    for table in ("account", "users"):
        await sql.execute(f"DROP INDEX uq_{table}_email_key")
        await sql.execute(f"UPDATE {table} SET email_key = NULL")
    await sql.execute("DELETE FROM users WHERE role = 'STAFF'")
    emails = ["a@strasse.example", "über@client.example", "ada@client.example"]
    emails += ["ａda@client.example", '"odd one"@client.example']
    for email in emails:
        await sql.insert("users", [_user(email)])
    await sql.insert("users", [{**_user(None), "role": "PARTNER", "name": "A partner"}])
    editor = SimpleNamespace(DIALECT=dialect(), client=get_connection("default"))
    await migration._fill(None, editor)
    await importlib.import_module("models.migrations.0022_invoice_sources")._shorten(None, editor)
    rows = await sql.fetch(
        f"SELECT email, {email_key_sql()} AS found_by FROM users WHERE name = 'before' ORDER BY id"
    )
    assert [row["found_by"] for row in rows] == emails
    assert [row["email"] for row in rows] == emails
    assert (
        await sql.fetch("SELECT id FROM users WHERE email IS NULL AND email_key IS NOT NULL") == []
    )


def _user(email: str | None) -> sql.Row:
    row = {"id": new_id(), "created_at": now(), "role": "STAFF", "name": "before", "email": email}
    return {**row, "password_hash": None, "account_id": None, "disabled_at": None}


async def _found(text: str) -> set[UUID]:
    page = await account.search(text, PageRequest(first=100), STAFF)
    return {one.id for one in page.rows}


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("MÜLLER", ["MÜLLER", "müller", "Mülle", "MU\u0308LLER"]),
        ("Łukasz", ["Łukasz", "łukasz", "ŁUK"]),
        ("Иван Грозный", ["иван", "ГРОЗНЫЙ"]),
        ("ΟΔΥΣΣΕΥΣ", ["οδυσσευς", "Οδυσσεύς".replace("ύ", "υ")]),
        ("Straße", ["STRASSE", "straße"]),
        ("ｶｾﾞ ホスティング", ["カゼ", "ｶｾﾞ"]),
        ("Ａｃｍｅ", ["acme", "ＡＣＭＥ"]),
        ("ﬁne & co", ["FINE"]),
        ("100%_off", ["100%_OFF", "%_"]),
        ("Ñandú\\", ["ñandú\\"]),
    ],
)
async def test_a_name_is_found_in_every_script_and_case(name: str, typed: list[str]) -> None:
    mark = key()
    ada = await opened(f"{mark}@client.example", name=f"{name} {mark}")
    for text in typed:
        assert ada.id in await _found(text), text
    renamed = await run(UpdateAccount(ada.id, {"name": "Ève"}), STAFF, key())
    assert ada.id not in await _found(f"{name} {mark}")
    assert renamed.id in await _found("ÈVE")
    assert await _found(f"{mark.upper()}@Client.EXAMPLE") == {ada.id}


async def test_accounts_of_before_are_found_too() -> None:
    mark = key()
    ada = await opened(f"{mark}@client.example", name=f"Łukasz {mark}")
    await Account.filter(id=ada.id).update(search_key="")
    assert await _found(f"łukasz {mark}") == set()
    migration = importlib.import_module("models.migrations.0014_search_keys")
    editor = SimpleNamespace(client=get_connection("default"), DIALECT=dialect())
    await migration._fill(None, editor)
    assert await _found(f"łukasz {mark}") == {ada.id}
