"""Partners add funds, redeem vouchers and pay for their clients: with the scope for it, on accounts
that their key reaches, and the audit log says who.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from models.access.identity import Actor, Role
from models.checkout.pay import PayInvoice
from models.credit import redemption
from models.credit.redemption import RedeemVoucher
from models.db import sql
from models.db.record import new_id
from models.errors import (
    Forbidden,
    NotFound,
    PolicyNotAccepted,
    RateLimited,
    Refusal,
    VoucherRefused,
)
from models.invoices.deposit import AddFunds
from models.journal.command import Command, run
from models.payments import follow_up
from models.payments.follow_up import CancelPayment
from tests.support.factories import STAFF, Client, a_client, a_voucher
from tests.support.providers import VERSION, key

pytestmark = pytest.mark.usefixtures("provider")


def a_partner(*clients: Client, scopes: str = "funds:write vouchers:redeem") -> Actor:
    return Actor(
        role=Role.PARTNER,
        user_id=new_id(),
        key_id=new_id(),
        scopes=frozenset(scopes.split()),
        accounts=frozenset(one.id for one in clients),
        address=key(),
    )


def funds(ada: Client | None, version: str = VERSION) -> AddFunds:
    return AddFunds(Decimal(25), "USD", "card", version, ada.id if ada else None)


async def logged(by: Actor) -> list[tuple[str, str]]:
    rows = await sql.fetch("SELECT action, subject FROM audit_entry WHERE user_id = $1", by.user_id)
    return sorted((row["action"], row["subject"]) for row in rows)


async def kept() -> list[sql.Row]:
    return await sql.fetch(
        "SELECT (SELECT COUNT(*) FROM invoice) AS invoices,"
        " (SELECT COUNT(*) FROM credit_transaction) AS lines,"
        " (SELECT COUNT(*) FROM payment) AS payments,"
        " (SELECT COUNT(*) FROM idempotency_key) AS keys"
    )


async def test_a_partner_adds_funds_that_its_client_pays_and_the_log_says_who() -> None:
    ada = await a_client()
    shop, once = a_partner(ada), key()
    bill = await run(funds(ada), shop, once)
    assert bill.snapshot["policy"] == {"version": VERSION, "url": "https://example.com/policy"}
    assert (await run(funds(ada), shop, once)).id == bill.id
    begun = await ada.begin(bill)
    assert begun.account_id == ada.id
    assert await logged(shop) == [("funds.add", bill.public_id)]
    (entry,) = await sql.fetch(
        "SELECT key_id, details FROM audit_entry WHERE user_id = $1", shop.user_id
    )
    assert entry["key_id"] == shop.key_id
    assert VERSION in str(entry["details"])


async def test_a_policy_that_nobody_accepted_is_refused_whoever_passes_it_on() -> None:
    ada = await a_client()
    before = await kept()
    for by in (a_partner(ada), STAFF):
        with pytest.raises(PolicyNotAccepted):
            await run(funds(ada, "2019-01"), by, key())
    assert await kept() == before


async def test_what_is_out_of_sight_is_not_found_and_nothing_is_kept() -> None:
    ada, bo = await a_client(), await a_client()
    shop = a_partner(ada)
    (code,) = await a_voucher(1000)
    before = await kept()
    for by in (shop, ada.actor):
        commands: list[Command[Any, Any, Any]] = [funds(bo), RedeemVoucher.of(code, bo.id)]
        for command in commands:
            with pytest.raises(NotFound) as refused:
                await run(command, by, key())
            assert refused.value.field == ("account_id",)
    everywhere = replace(shop, accounts=None)
    for by in (everywhere, STAFF):
        commands = [
            AddFunds(Decimal(25), "USD", "card", VERSION, new_id()),
            RedeemVoucher.of(code, new_id()),
        ]
        for command in commands:
            with pytest.raises(NotFound):
                await run(command, by, key())
    assert await kept() == before


async def test_a_partner_redeems_a_voucher_for_its_client_once() -> None:
    ada = await a_client()
    shop = a_partner(ada)
    (code,) = await a_voucher(1000)
    keys = [key(), key(), key()]
    outcomes = await asyncio.gather(
        *(run(RedeemVoucher.of(code, ada.id), by, once) for once in keys for by in (shop, STAFF)),
        return_exceptions=True,
    )
    assert sum(not isinstance(one, BaseException) for one in outcomes) == 1
    assert {type(one) for one in outcomes if isinstance(one, BaseException)} == {VoucherRefused}
    assert await ada.amounts() == (1000, 0, 1000, 0)


async def test_wrong_codes_are_counted_for_each_account_and_for_each_partner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redemption, "_PER_ACCOUNT", 2)
    monkeypatch.setattr(redemption, "_PER_PARTNER", 3)
    ada, bo, cy = [await a_client() for _ in "123"]
    shop = a_partner(ada, bo, cy)
    told: list[type[Refusal]] = []
    for one in (ada, ada, ada, bo, bo, cy):
        with pytest.raises(Refusal) as refused:
            # From another address each time: it is the partner that is counted.
            await run(RedeemVoucher.of(key(), one.id), replace(shop, address=key()), key())
        told.append(type(refused.value))
    # The third is past the account's two; what is refused so is counted as well.
    assert told == [VoucherRefused] * 2 + [RateLimited] * 4
    (code,) = await a_voucher(1000)
    assert (await run(RedeemVoucher.of(code), cy.actor, key())).amount == 1000


async def test_a_key_for_funds_alone_pays_and_follows_what_it_pays() -> None:
    ada, bo = await a_client(), await a_client()
    shop, once = a_partner(ada, scopes="funds:write"), key()
    bill = await ada.order()
    asked = PayInvoice(bill.id, gateway="card")
    paid = await run(asked, shop, once)
    assert paid.payment is not None
    again = await run(asked, shop, once)
    assert again.payment is not None
    assert again.payment.id == paid.payment.id
    assert (await follow_up.recheck(paid.payment.id, by=shop)).id == paid.payment.id
    canceled = await run(CancelPayment(paid.payment.id), shop, key())
    assert canceled.status == "CANCELED"
    other = await bo.begin(await bo.order())
    with pytest.raises(NotFound):
        await follow_up.recheck(other.id, by=shop)
    for scopes in ("credit:read", "vouchers:redeem invoices:read accounts:write"):
        with pytest.raises(Forbidden):
            await run(asked, a_partner(ada, scopes=scopes), key())
    assert await logged(shop) == [
        ("invoice.pay", bill.public_id),
        ("payment.cancel", paid.payment.public_id),
    ]
