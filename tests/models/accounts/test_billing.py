"""Billing details: checked, kept, frozen into what is issued."""

from __future__ import annotations

from typing import Any

import pytest

from models.accounts import account
from models.accounts.billing import Billing
from models.accounts.settings import UpdateAccount
from models.errors import Invalid
from models.journal.command import run
from models.provider import picture
from models.provider.seller import BankDetails, Picture, Seller
from tests.support import providers
from tests.support.factories import Client, a_client, now
from tests.support.providers import key

LOGO = Picture("image/png", b"a picture")
BANK = BankDetails("Example", "A Bank", "DE89370400440532013000")


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    seller = Seller("Example", logo=LOGO, notes=("Thanks",), bank_accounts={"USD": BANK})
    providers.wire_provider(monkeypatch, seller=seller)


def given(**details: Any) -> dict[str, Any]:
    return Billing(**{"company": True, **details}).json()


async def change(client: Client, **details: Any) -> account.Account:
    changes = {"billing": given(**details)}
    return await run(UpdateAccount(None, changes), client.actor, key())


@pytest.mark.parametrize(
    ("details", "field", "problem"),
    [
        ({"country": "XX"}, ("billing", "country"), "country"),
        ({"country": "EU"}, ("billing", "country"), "country"),
        ({"country": "DE", "vat_id": "DE123"}, ("billing", "vat_id"), "vat_id"),
        ({"address": ["a"] * 7}, ("billing", "address"), "too_long"),
        ({"address": ["a", ""]}, ("billing", "address", "1"), "empty"),
        ({"city": "a" * 81}, ("billing", "city"), "too_long"),
        ({"postcode": "a\x00"}, ("billing", "postcode"), "unprintable"),
    ],
)
def test_what_cannot_be_printed_is_refused(
    details: dict[str, Any], field: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(Invalid) as refused:
        Billing.of(given(**details)).checked()
    assert (refused.value.field, refused.value.problem) == (field, problem)


def test_a_vat_id_is_written_without_its_spaces() -> None:
    assert (
        Billing.of(given(country="de", vat_id="DE 136 695 976")).checked().vat_id == "DE136695976"
    )
    assert Billing.of(given(country="CH", vat_id="CHE-1 MWST")).checked().vat_id == "CHE-1 MWST"


@pytest.mark.usefixtures("db")
async def test_an_invoice_keeps_what_it_was_issued_with(monkeypatch: pytest.MonkeyPatch) -> None:
    client = await a_client()
    await change(client, address=["Old street 1"], country="DE")
    client = Client(await now_of(client), client.actor)
    bill = await client.order()
    await change(client, address=["New street 2"], company=False)
    providers.wire_provider(monkeypatch, seller=Seller("Another"))
    kept = (await now(bill)).snapshot
    assert kept["buyer"]["address_lines"] == ["Old street 1"]
    assert kept["buyer"]["company"] is True
    assert kept["seller"]["name"] == "Example"
    assert kept["notes"] == ["Thanks"]
    assert kept["bank"]["account_number"] == BANK.account_number
    assert await picture.find(kept["seller"]["logo"]) == LOGO


async def now_of(client: Client) -> account.Account:
    return (await account.by_ids([client.id]))[client.id]


@pytest.mark.usefixtures("db")
async def test_a_refused_change_changes_nothing() -> None:
    client = await a_client()
    await change(client, address=["Street 1"])
    with pytest.raises(Invalid):
        await change(client, country="XX")
    assert (await now_of(client)).billing_details.address == ("Street 1",)


@pytest.mark.usefixtures("db")
async def test_a_picture_is_kept_once() -> None:
    client = await a_client()
    for _ in range(2):
        await client.order()
    assert await picture.StoredPicture.all().count() == 1
    assert await picture.find("0" * 64) is None
