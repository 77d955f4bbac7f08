"""Add Funds: the limits that hold for deposits, and for the credit that they make."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models import reference
from models.access.identity import Actor, Role
from models.db import record, sql
from models.errors import (
    AmountOutOfRange,
    AmountPrecision,
    BalanceLimitExceeded,
    CreditNotApplicable,
    CurrencyNotSupported,
    Forbidden,
    GatewayNotAvailable,
    Invalid,
    PaymentInProgress,
    PaymentNotCancelable,
    PolicyNotAccepted,
    Refusal,
)
from models.gateway import EventKind as Kind
from models.gateway import Redirect
from models.invoices.deposit import AddFunds
from models.journal.command import run
from models.money import Money
from models.payments.follow_up import CancelPayment
from tests.support.factories import STAFF, a_client, captured, event, now, tell
from tests.support.providers import VERSION, gateway, key, wire_provider

if TYPE_CHECKING:
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("provider")


async def test_adding_funds_issues_an_unpaid_invoice_and_no_credit() -> None:
    ada = await a_client()
    bill = await ada.funds(2500)
    assert (bill.kind, bill.status, bill.total, bill.tax) == ("FUNDS", "UNPAID", 2500, 0)
    assert (bill.gateway, bill.snapshot["policy"]) == (
        "card",
        {"version": VERSION, "url": "https://example.com/policy"},
    )
    assert await ada.amounts() == (0, 0, 0, 0)
    assert (await ada.balance()).pending == 0


@pytest.mark.parametrize(
    ("wish", "refusal", "field"),
    [
        ({"amount": Decimal("4.99")}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal("500.01")}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal(0)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal(-25)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal("5.001")}, AmountPrecision, ("amount", "amount")),
        ({"currency": "JPY"}, CurrencyNotSupported, ("amount", "currency")),
        ({"currency": "XXX"}, CurrencyNotSupported, ("amount", "currency")),
        ({"gateway": "cash"}, GatewayNotAvailable, ("gateway",)),
        ({"accepted_policy_version": "2025-01"}, PolicyNotAccepted, ("accepted_policy_version",)),
    ],
)
async def test_a_deposit_outside_the_policy_is_refused_and_nothing_is_issued(
    wish: dict[str, Any], refusal: type[Refusal], field: tuple[str, ...]
) -> None:
    ada = await a_client()
    how: dict[str, Any] = {"amount": Decimal(25), "currency": "USD", "gateway": "card"}
    how |= {"accepted_policy_version": VERSION} | wish
    with pytest.raises(refusal) as refused:
        await run(AddFunds(**how), ada.actor, key())
    assert refused.value.field == field
    assert await sql.fetch("SELECT id FROM invoice WHERE account_id = $1", ada.id) == []


async def test_the_limits_themselves_are_allowed() -> None:
    ada = await a_client()
    assert [(await ada.funds(minor)).total for minor in (500, 50_000)] == [500, 50_000]


async def test_who_adds_funds_for_others_names_them_and_has_the_scope() -> None:
    ada = await a_client()
    partner = Actor(
        role=Role.PARTNER,
        user_id=record.new_id(),
        scopes=frozenset({"invoices:write"}),
        accounts=None,
    )
    for account_id in (None, ada.id):
        with pytest.raises(Forbidden):
            await run(AddFunds(Decimal(25), "USD", "card", VERSION, account_id), partner, key())
    for actor in (STAFF, replace(partner, scopes=frozenset({"funds:write"}))):
        with pytest.raises(Invalid) as refused:
            await run(AddFunds(Decimal(25), "USD", "card", VERSION), actor, key())
        assert refused.value.field == ("account_id",)
        bill = await run(AddFunds(Decimal(25), "USD", "card", VERSION, ada.id), actor, key())
        assert (bill.account_id, bill.total) == (ada.id, 2500)


async def test_a_deposit_is_never_paid_with_credit() -> None:
    ada = await a_client()
    await ada.given(2500)
    with pytest.raises(CreditNotApplicable):
        await ada.spend(await ada.funds(2500))
    assert await ada.amounts() == (2500, 0, 0, 0)


@pytest.fixture
def capped(monkeypatch: pytest.MonkeyPatch, provider: Provider) -> Provider:
    """At most 50.00 of credit."""
    limit = replace(provider.limits["USD"], maximum_balance=Money(5000, "USD"))
    return wire_provider(monkeypatch, limits={"USD": limit})


@pytest.mark.usefixtures("capped")
async def test_the_maximum_balance_counts_credit_and_what_is_reserved_and_has_begun() -> None:
    ada = await a_client()
    await ada.given(2000)
    await ada.begin(await ada.order(2500), credit_limit=500)
    waiting = await ada.funds(2500)
    await ada.funds(3000)
    begun = await ada.begin(waiting)
    with pytest.raises(BalanceLimitExceeded) as refusal:
        await ada.funds(501)
    assert refusal.value.facts == {"maximum": Money(5000, "USD")}
    await ada.begin(await ada.funds(500))
    await tell(begun, event(begun, Kind.FAILED))
    await ada.begin(await ada.funds(2500))


@pytest.mark.usefixtures("capped")
async def test_the_maximum_balance_holds_again_when_payment_begins() -> None:
    ada = await a_client()
    bill = await ada.funds(2500)
    await ada.given(2501)
    with pytest.raises(BalanceLimitExceeded) as refusal:
        await ada.begin(bill)
    assert refusal.value.field == ("invoice_id",)
    assert (await now(bill)).status == "UNPAID"


@pytest.mark.usefixtures("capped")
async def test_beginning_again_counts_a_deposit_once() -> None:
    ada = await a_client()
    bill = await ada.funds(5000)
    first = await ada.begin(bill)
    second = await ada.begin(bill, "bank")
    assert [(await now(one)).status for one in (first, second)] == ["CANCELED", "REQUIRES_ACTION"]


@pytest.mark.usefixtures("capped")
async def test_money_that_came_in_is_never_refused() -> None:
    ada = await a_client()
    begun = await ada.begin(await ada.funds(5000))
    await ada.given(4000)
    await tell(begun, captured(begun))
    assert await ada.amounts() == (9000, 0, 0, 0)


# ------------------------------------------------------------------------------- beginning to pay


async def test_a_begun_payment_says_what_the_client_does_next() -> None:
    ada = await a_client()
    bill = await ada.funds(2500, "paid-card")
    url = "https://portal.example.com/back?x=1"
    begun = await ada.begin(bill, "paid-card", return_url=url)
    assert begun.next_action == Redirect("https://pay.example.com/")
    (asked,) = gateway("paid-card").orders
    assert (asked.id, asked.amount, asked.invoice_number, asked.return_url) == (
        begun.public_id,
        Money(2530, "USD"),
        bill.number,
        f"http://127.0.0.1:8000/return/{begun.public_id}",
    )
    assert asked.email == ada.account.email


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/",
        "http://portal.example.com/",
        "https://portal.example.com:444/",
        "https://portal.example.com@evil.example.com/",
        "https://x@portal.example.com/",
        "javascript:alert(1)",
        "//portal.example.com/",
        "https://portal.example.com:x/",
    ],
)
async def test_the_browser_is_sent_back_to_the_portal_and_nowhere_else(url: str) -> None:
    ada = await a_client()
    with pytest.raises(Invalid) as refusal:
        await ada.begin(await ada.funds(), return_url=url)
    assert refusal.value.field == ("return_url",)


async def test_a_payment_under_way_is_not_superseded_and_not_canceled() -> None:
    ada = await a_client()
    bill = await ada.funds()
    begun = await ada.begin(bill)
    await tell(begun, event(begun, Kind.PROCESSING))
    with pytest.raises(PaymentInProgress):
        await ada.begin(bill, "bank")
    with pytest.raises(PaymentNotCancelable):
        await run(CancelPayment(begun.id), ada.actor, key())
    assert (await now(begun)).status == "PROCESSING"


async def test_credit_may_pay_an_order_whose_payment_is_under_way() -> None:
    ada = await a_client()
    await ada.given(2500)
    bill = await ada.order(2500)
    begun = await ada.begin(bill)
    await tell(begun, event(begun, Kind.PROCESSING))
    assert (await ada.spend(bill)).status == "PAID"
    await tell(begun, captured(begun))
    assert await ada.amounts() == (2500, 0, 0, 0)


@pytest.mark.parametrize("limit", ["-0.01", "1.005"])
async def test_a_credit_limit_that_is_no_amount_is_refused(limit: str) -> None:
    ada = await a_client()
    with pytest.raises((AmountOutOfRange, AmountPrecision)) as refusal:
        await ada.spend(await ada.order(), credit_limit=Decimal(limit))
    assert refusal.value.field == ("credit_limit",)


async def test_references_are_unique_and_pass_their_own_check() -> None:
    references = {reference.new_reference() for _ in range(200)}
    assert len(references) == 200
    for text in references:
        assert len(text) == 16
        digits = "".join(str(int(letter, 36)) for letter in text[4:] + text[:4])
        assert int(digits) % 97 == 1  # ISO 11649
