"""Commands decide without a database: what was read goes in, what is to be written comes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from models.access.identity import Actor, Role
from models.accounts.account import Account
from models.checkout.pay import PayInvoice
from models.checkout.payable import Payable
from models.credit.adjustment import AdjustCredit
from models.credit.hold import holds_of
from models.credit.redemption import Redeemer, RedeemVoucher
from models.credit.voucher import Voucher
from models.db.changes import Changes
from models.db.record import new_id
from models.errors import (
    AccountFrozen,
    BalanceLimitExceeded,
    GatewayFailed,
    InsufficientCredit,
    NotAllowed,
    PaymentInProgress,
    PolicyNotAccepted,
    Refusal,
    VoucherRefused,
)
from models.gateway import EventKind, GatewayEvent
from models.invoices.deposit import AddFunds, Depositor
from models.invoices.invoice import Invoice
from models.invoices.order import Buyer, CreateOrder, OrderLine
from models.invoices.room import Room
from models.journal.command import Invocation
from models.journal.journal import Journal, Writer
from models.ledger.book import Book
from models.ledger.chart import Balance, balance_id
from models.ledger.grant import OpenGrant
from models.money import Money
from models.payments.advance import advance
from models.payments.locked import LockedInvoice, LockedPayment
from models.payments.payment import Payment
from models.payments.void import Voidable, VoidInvoice
from models.provider.provider import Limits
from tests.support.providers import VERSION, wire_provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.provider.provider import Provider

pytestmark = pytest.mark.once

ACCOUNT = uuid4()
CLIENT = Actor(role=Role.CLIENT, user_id=uuid4(), account_id=ACCOUNT)
STAFF = Actor(role=Role.STAFF, user_id=uuid4())
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


def asked(by: Actor = CLIENT, prepared: Any = None) -> Invocation[Any]:
    return Invocation(by, "a key", new_id(), prepared)


def a_book(available: int = 0, *, grants: Sequence[OpenGrant] = (), **row: Any) -> Book:
    """A book as it is read, with `available` minor units, those of its `grants` among them."""
    switches = {"frozen": False, "open_disputes": 0, "auto_apply_credit": False}
    amounts = {"reserved": 0, "debt": 0, "version": 7, "revision": 9}
    promotional = sum(grant.remaining for grant in grants)
    there = {"available": available, "promotional": promotional}
    journal = Journal()
    journal.at = NOW
    book = Book(journal, ACCOUNT, "USD", {**there, **amounts, **switches, **row})
    book.grants = {grant.id: grant for grant in grants}
    return journal.keep(("book", ACCOUNT, "USD"), book)


def an_account() -> Account:
    return Account(id=ACCOUNT, name="Ada", email="ada@client.example", currency="USD")


def an_invoice(total: int = 2500, *, kind: str = "ORDER", **columns: Any) -> Invoice:
    given: dict[str, Any] = {
        "status": "UNPAID",
        "number": "INV-2026-000001",
        "snapshot": {"seller": {}},
    }
    given |= {"subtotal": total, "tax": 0, "total": total, "issued_at": NOW, "due_at": NOW}
    return Invoice(
        id=new_id(), account_id=ACCOUNT, kind=kind, currency="USD", **{**given, **columns}
    )


def a_payment(invoice: Invoice, **columns: Any) -> Payment:
    given = {"status": "REQUIRES_ACTION", "gateway": "card", "amount": invoice.total}
    return Payment(
        id=new_id(),
        invoice_id=invoice.id,
        account_id=ACCOUNT,
        currency="USD",
        reference=new_id().hex,
        **{**given, **columns},
    )


def locked(payment: Payment, invoice: Invoice, book: Book, *others: Payment) -> LockedPayment:
    return LockedPayment(payment, invoice, book, new_id().hex, [payment, *others])


def event(payment: Payment, kind: EventKind, minor: int) -> GatewayEvent:
    reference = f"{kind}-{new_id().hex}"
    return GatewayEvent(reference, kind, payment.public_id, reference, Money(minor, "USD"))


def told(book: Book) -> list[str]:
    return [fact.kind for fact in book.journal.facts]


def written(*writers: Writer) -> Changes:
    """What they write in the end."""
    changes = Changes()
    for writer in writers:
        writer.write_to(changes)
    return changes


# ------------------------------------------------------------------------------- paying


def pay(
    invoice: Invoice, book: Book, *payments: Payment, is_down: bool = False, **wish: Any
) -> Any:
    found = Payable(LockedInvoice(invoice, book, list(payments)), begun=0, is_down=is_down)
    return PayInvoice(invoice.id, **wish).decide(found, asked(), book.journal)


def test_nothing_begins_at_a_gateway_that_is_out_of_order() -> None:
    invoice, book = an_invoice(2500), a_book(900)
    with pytest.raises(GatewayFailed):
        pay(invoice, book, gateway="card", use_credit=True, is_down=True)
    assert (book.available, told(book)) == (900, [])
    paid = pay(invoice, a_book(2500), gateway="card", use_credit=True, is_down=True)
    assert paid.payment is None, "credit needs no gateway"


def test_credit_that_covers_an_invoice_pays_it_at_once() -> None:
    invoice, book = an_invoice(2500), a_book(3000)
    paid = pay(invoice, book, use_credit=True)
    assert (paid.invoice.status, paid.payment) == ("PAID", None)
    assert (invoice.credit_applied, invoice.paid_at) == (2500, NOW)
    assert (book.available, book.version) == (500, 8)
    assert told(book) == ["credit.changed", "invoice.paid"]
    assert written(book).tables == ["credit_transaction", "transfer", "balance"]


def test_what_expires_first_is_spent_first_and_deposits_last() -> None:
    soon = OpenGrant(new_id(), 400, NOW + timedelta(days=1))
    late = OpenGrant(new_id(), 400, NOW + timedelta(days=9))
    book = a_book(1300, grants=[soon, late])
    pay(an_invoice(900), book, use_credit=True)
    assert (soon.remaining, late.remaining, book.deposits) == (0, 0, 400)
    assert book.promotional == 0


def test_a_split_holds_the_credit_and_begins_a_payment_for_the_rest() -> None:
    invoice, book = an_invoice(2500), a_book(1000)
    paid = pay(invoice, book, use_credit=True, gateway="paid-card")
    assert paid.payment is not None
    assert (paid.payment.amount, paid.payment.fee, paid.payment.credit_part) == (1500, 30, 1000)
    assert (book.available, book.reserved) == (0, 1000)
    assert told(book) == ["payment.begun", "invoice.updated"]


def test_the_rest_is_never_less_than_the_gateway_takes() -> None:
    book = a_book(2300)
    paid = pay(an_invoice(2500), book, use_credit=True, gateway="card")
    assert (paid.payment.amount, paid.payment.credit_part) == (500, 2000)


@pytest.mark.parametrize("switch", [{"frozen": True}, {"open_disputes": 1}, {"debt": 1}])
def test_an_account_that_is_stopped_pays_nothing_with_credit(switch: dict[str, Any]) -> None:
    book = a_book(3000, **switch)
    with pytest.raises(AccountFrozen):
        pay(an_invoice(2500), book, use_credit=True)
    assert (book.available, book.version, told(book)) == (3000, 7, [])


def test_too_little_credit_and_no_gateway_is_refused() -> None:
    with pytest.raises(InsufficientCredit) as refused:
        pay(an_invoice(2500), a_book(2499), use_credit=True)
    assert refused.value.required == Money(2500, "USD")


def test_a_new_payment_takes_the_place_of_one_that_waits_and_frees_what_it_held() -> None:
    invoice, book = an_invoice(2500), a_book(1000)
    first = pay(invoice, book, use_credit=True, gateway="card").payment
    first.put(status="REQUIRES_ACTION", lease_at=None)
    second = pay(invoice, book, first, use_credit=True, gateway="card").payment
    assert (first.status, second.status) == ("CANCELED", "CREATED")
    assert (book.available, book.reserved) == (0, 1000)
    assert first.next_check_at == NOW


@pytest.mark.parametrize(
    "columns",
    [{"status": "PROCESSING"}, {"status": "CREATED", "lease_at": NOW + timedelta(seconds=9)}],
)
def test_a_payment_under_way_keeps_its_place(columns: dict[str, Any]) -> None:
    invoice = an_invoice(2500)
    first = a_payment(invoice, **columns)
    with pytest.raises(PaymentInProgress):
        pay(invoice, a_book(), first, gateway="card")
    assert first.is_open


def test_an_invoice_has_only_so_many_payments(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_provider(monkeypatch, payments_per_invoice=2)
    invoice = an_invoice(2500)
    ended = [a_payment(invoice, status="FAILED") for _ in range(2)]
    with pytest.raises(NotAllowed) as refused:
        pay(invoice, a_book(), *ended, gateway="card")
    assert refused.value.facts["why"] == "payments_per_invoice"


# ------------------------------------------------------------------------------- settling


def test_a_capture_pays_the_invoice_and_what_is_too_much_is_credit() -> None:
    invoice, book = an_invoice(2500), a_book()
    payment = a_payment(invoice)
    advance(locked(payment, invoice, book), event(payment, EventKind.CAPTURED, 2600))
    assert (payment.status, payment.applied, payment.excess) == ("SUCCEEDED", 2500, 100)
    assert (invoice.status, book.available) == ("PAID", 100)
    assert told(book) == ["credit.changed", "payment.succeeded", "invoice.paid"]


def test_the_same_capture_told_again_moves_nothing() -> None:
    invoice, book = an_invoice(2500), a_book()
    payment = a_payment(invoice)
    at, capture = locked(payment, invoice, book), event(payment, EventKind.CAPTURED, 2500)
    advance(at, capture)
    advance(at, capture)
    assert (payment.received, invoice.amount_paid) == (2500, 2500)
    assert told(book) == ["payment.succeeded", "invoice.paid"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_capture_a_refund_and_a_second_capture_end_alike_in_every_order(
    order: tuple[int, ...],
) -> None:
    invoice, book = an_invoice(2500, kind="FUNDS"), a_book()
    payment = a_payment(invoice)
    at = locked(payment, invoice, book)
    events = [
        event(payment, EventKind.CAPTURED, 2500),
        event(payment, EventKind.REFUNDED, 700),
        event(payment, EventKind.CAPTURED, 300),
    ]
    for number in order:
        advance(at, events[number])
    parts = payment.fee_taken + payment.applied + payment.excess + payment.taken_back
    assert (payment.received, payment.taken_back, parts) == (2800, 700, 2800)
    assert book.available == 2100


def test_a_dispute_of_credit_that_was_spent_is_a_debt_and_stops_spending() -> None:
    invoice, book = an_invoice(2500, kind="FUNDS"), a_book()
    payment = a_payment(invoice)
    at = locked(payment, invoice, book)
    advance(at, event(payment, EventKind.CAPTURED, 2500))
    pay(an_invoice(2000), book, use_credit=True)
    advance(at, event(payment, EventKind.DISPUTED, 2500))
    assert (book.available, book.debt, book.open_disputes) == (0, 2000, 1)
    assert book.stopped


def test_a_payment_that_fails_frees_what_it_held() -> None:
    invoice, book = an_invoice(2500), a_book(1000)
    payment = pay(invoice, book, use_credit=True, gateway="card").payment
    failed = GatewayEvent("evt", EventKind.FAILED, payment.public_id, failure="card_declined")
    advance(locked(payment, invoice, book), failed)
    assert (payment.status, payment.failure) == ("FAILED", "card_declined")
    assert (book.available, book.reserved) == (1000, 0)


# ------------------------------------------------------------------------------- the others


def test_a_deposit_is_bounded_by_the_maximum_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    most = {"USD": Limits(Money(500, "USD"), Money(50_000, "USD"), Money(10_000, "USD"))}
    wire_provider(monkeypatch, limits=most)
    add = AddFunds(Decimal(25), "USD", "card", VERSION)
    for available, begun, fits in ((7500, 0, True), (7501, 0, False), (0, 7501, False)):
        book = a_book(available)
        found = Depositor(an_account(), book, begun, Room(0, is_issued=False))
        if fits:
            assert add.decide(found, asked(), book.journal).total == 2500
        else:
            with pytest.raises(BalanceLimitExceeded):
                add.decide(found, asked(), book.journal)


def test_a_deposit_needs_the_policy_of_today() -> None:
    book = a_book()
    found = Depositor(an_account(), book, 0, Room(0, is_issued=False))
    with pytest.raises(PolicyNotAccepted):
        AddFunds(Decimal(25), "USD", "card", "2025-01").decide(found, asked(), book.journal)


def test_an_order_takes_credit_as_far_as_it_goes_and_waits_for_its_number() -> None:
    book = a_book(1000)
    line = OrderLine("Hosting", Decimal(1), Decimal(25), Decimal(0))
    order = CreateOrder(ACCOUNT, "USD", [line], apply_credit=True)
    found = Buyer(an_account(), book, Room(0, is_issued=False))
    invoice = order.decide(found, asked(STAFF), book.journal)
    assert (invoice.status, invoice.amount_paid, invoice.amount_due) == ("UNPAID", 1000, 1500)
    assert (invoice.number, book.available) == ("", 0)


def test_an_account_with_too_many_open_invoices_gets_only_what_credit_pays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch, open_invoices=1)
    line = OrderLine("Hosting", Decimal(1), Decimal(25), Decimal(0))
    order = CreateOrder(ACCOUNT, "USD", [line], apply_credit=True)
    full = Room(1, is_issued=False)
    rich, poor = a_book(2500), a_book(2499)
    paid = order.decide(Buyer(an_account(), rich, full), asked(STAFF), rich.journal)
    assert paid.status == "PAID"
    with pytest.raises(NotAllowed):
        order.decide(Buyer(an_account(), poor, full), asked(STAFF), poor.journal)


@pytest.mark.parametrize(
    "columns",
    [
        {"currency": "JPY"},
        {"redeemed": 1},
        {"expires_at": NOW},
        {"credit_expires_at": NOW},
        None,
        {"again": True},
    ],
)
def test_every_bad_code_is_one_refusal(columns: dict[str, Any] | None) -> None:
    given: dict[str, Any] = {"currency": "USD", "amount": 500, "issued_by_id": new_id()}
    again = bool(columns and columns.pop("again", False))
    voucher = None if columns is None else Voucher(id=new_id(), **{**given, **columns})
    book = a_book()
    found = Redeemer(an_account(), book, voucher, has_redeemed=again)
    with pytest.raises(VoucherRefused):
        RedeemVoucher("a hash").decide(found, asked(prepared=True), book.journal)
    assert (book.available, told(book)) == (0, [])


def test_a_good_code_is_promotional_credit() -> None:
    voucher = Voucher(id=new_id(), currency="USD", amount=500, issued_by_id=new_id())
    book = a_book()
    found = Redeemer(an_account(), book, voucher, has_redeemed=False)
    line = RedeemVoucher("a hash").decide(found, asked(prepared=True), book.journal)
    assert (line.amount, line.kind, voucher.redeemed) == (500, "VOUCHER", 1)
    assert (book.available, book.promotional) == (500, 500)


def test_an_adjustment_repays_a_debt_first() -> None:
    book = a_book(debt=300)
    adjust = AdjustCredit(ACCOUNT, Decimal(10), "USD", "goodwill")
    line = adjust.decide(book, asked(STAFF), book.journal)
    assert (line.amount, book.available, book.debt) == (1000, 700, 0)


def test_voiding_gives_credit_back_to_where_it_came_from() -> None:
    over = OpenGrant(new_id(), 0, NOW - timedelta(days=1))
    invoice, book = an_invoice(2500, amount_paid=900, credit_applied=900), a_book(grants=[over])
    origins = {over.id: 400, book.deposited.id: 500}
    found = Voidable(LockedInvoice(invoice, book, []), is_refunded=False, origins=origins)
    VoidInvoice(invoice.id, "by mistake").decide(found, asked(STAFF), book.journal)
    # What goes back to a grant that is over expires here and now.
    assert (invoice.status, invoice.amount_paid, book.available) == ("VOID", 0, 500)
    assert over.remaining == 0


@pytest.mark.parametrize(
    ("payments", "is_refunded"), [([{"status": "PROCESSING"}], False), ([{}], True)]
)
def test_nothing_is_voided_while_money_is_under_way(
    payments: list[dict[str, Any]], *, is_refunded: bool
) -> None:
    invoice, book = an_invoice(2500), a_book()
    made = [a_payment(invoice, **{"status": "SUCCEEDED", **columns}) for columns in payments]
    found = Voidable(LockedInvoice(invoice, book, made), is_refunded=is_refunded, origins={})
    with pytest.raises(PaymentInProgress):
        VoidInvoice(invoice.id, "by mistake").decide(found, asked(STAFF), book.journal)
    assert invoice.status == "UNPAID"


def test_one_that_is_refused_leaves_nothing_for_those_that_come_after() -> None:
    """Decided one after the other on what the earlier ones left."""
    book = a_book(2500)
    ends: list[str] = []
    for total in (2000, 600, 500):
        try:
            ends.append(pay(an_invoice(total), book, use_credit=True).invoice.status)
        except Refusal as refused:
            ends.append(type(refused).__name__)
    assert ends == ["PAID", "InsufficientCredit", "PAID"]
    assert (book.available, book.version) == (0, 9)
    assert written(holds_of(book)).tables == []
    [row] = written(book).rows(Balance)
    assert (row["id"], row["version"]) == (balance_id(ACCOUNT, "USD"), 9)
