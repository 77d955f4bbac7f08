"""A preview is what happens: it decides as the mutation does, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest

from models.access.identity import Actor, Role
from models.accounts.account import Account
from models.checkout import preview
from models.checkout.pay import PayInvoice
from models.checkout.pay_many import PayInvoices
from models.checkout.payable import Payable
from models.db.record import new_id
from models.errors import PriceChanged, Refusal
from models.gateway import EventKind, GatewayEvent
from models.invoices.deposit import AddFunds, Depositor
from models.invoices.invoice import Invoice
from models.invoices.room import Room
from models.journal.command import Invocation
from models.journal.journal import Journal
from models.ledger.book import Book
from models.ledger.grant import OpenGrant
from models.money import Money
from models.payments.advance import advance
from models.payments.locked import LockedInvoice, LockedPayment, Share
from models.provider.provider import Limits
from tests.support.providers import VERSION, Fake, wire_provider

if TYPE_CHECKING:
    from models.payments.payment import Payment

pytestmark = pytest.mark.once

ACCOUNT: Final = UUID(int=1)
CLIENT: Final = Actor(role=Role.CLIENT, user_id=UUID(int=2), account_id=ACCOUNT)
NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
#: Of paying and of adding funds: 10,000 together.
CASES: Final = 8_000
DEPOSITS: Final = 2_000


class Priced(Fake):
    """A gateway whose fee is a share of the amount."""

    def fee(self, amount: Money) -> Money:
        return Money(self.fee_minor + amount.minor * 29 // 1000, amount.currency)


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> None:
    gateways = [Fake("card"), Fake("paid-card", fee=30), Priced("priced", fee=35)]
    limits = Limits(Money(500, "USD"), Money(50_000, "USD"), Money(60_000, "USD"))
    wire_provider(
        monkeypatch,
        gateways={one.code: one for one in gateways},
        limits={"USD": limits},
        payments_per_invoice=4,
    )


def asked() -> Invocation[Any]:
    return Invocation(CLIENT, "", new_id(), None)


def a_book(draw: Random) -> Book:
    grants = [
        OpenGrant(UUID(int=draw.getrandbits(100)), draw.randint(1, 900), _expiry(draw))
        for _ in range(draw.choice((0, 0, 1, 3)))
    ]
    promotional = sum(grant.remaining for grant in grants)
    debt = draw.choice((0, 0, 0, 0, 0, draw.randint(1, 3000)))
    deposits = 0 if debt else draw.choice((0, draw.randint(1, 4000)))
    row = {
        "available": promotional + deposits,
        "promotional": promotional,
        "reserved": 0,
        "debt": debt,
        "version": 3,
        "revision": 5,
        "frozen": draw.random() < 0.03,
        "open_disputes": int(draw.random() < 0.03),
        "auto_apply_credit": False,
    }
    journal = Journal()
    journal.at = NOW
    book = Book(journal, ACCOUNT, "USD", row)
    book.grants = {grant.id: grant for grant in grants}
    return journal.keep(("book", ACCOUNT, "USD"), book)


def _expiry(draw: Random) -> datetime | None:
    return draw.choice((None, NOW + timedelta(days=draw.randint(1, 90))))


@dataclass
class Case:
    """What paying is decided on: the same each time that it is drawn with the same number."""

    bills: list[LockedInvoice]
    wish: dict[str, Any]
    command: PayInvoice | PayInvoices

    @property
    def at(self) -> LockedInvoice:
        return self.bills[0]

    @property
    def shown(self) -> PayInvoices:
        """What `previewPayment` decides, whichever mutation follows it."""
        one = self.command
        if isinstance(one, PayInvoices):
            return one
        return PayInvoices(
            (one.invoice_id,),
            use_credit=one.use_credit,
            credit_limit=one.credit_limit,
            gateway=one.gateway,
            amount=one.amount,
        )

    def found(self, command: PayInvoice | PayInvoices) -> Payable:
        fields = [("invoice_ids", str(n)) for n in range(len(self.bills))]
        return Payable(
            self.at,
            begun=self.wish["begun"],
            is_down=self.wish["is_down"],
            more=self.bills[1:],
            fields=fields if isinstance(command, PayInvoices) else (("invoice_id",),),
        )

    def decide(self, quote: str | None = None) -> Any:
        command = replace(self.command, quote=quote)
        return command.decide(self.found(command), asked(), self.at.book.journal)


def a_case(number: int) -> Case:
    draw = Random(number)
    book = a_book(draw)
    kind = draw.choice(("ORDER", "ORDER", "ORDER", "FUNDS"))
    bills = [a_bill(draw, book, kind)]
    codes = (None, "card", "paid-card", "priced", "unknown")
    limit = draw.choice((None, None, Decimal(draw.randint(-100, 4000)) / 100))
    command: PayInvoice | PayInvoices = PayInvoice(
        bills[0].invoice.id,
        use_credit=kind == "ORDER" and draw.random() < 0.7,
        credit_limit=limit,
        gateway=draw.choice(codes),
        amount=draw.choice((None, None, None, Decimal(draw.randint(-50, 6500)) / 100)),
    )
    begun = draw.choice((0, draw.randint(0, 60_000)))
    wish = {"begun": begun, "is_down": draw.random() < 0.02}
    if kind == "ORDER" and draw.random() < 0.5:
        bills += [a_bill(draw, book, kind) for _ in range(draw.randint(1, 4))]
        ids = tuple(bill.invoice.id for bill in bills)
        command = PayInvoices(ids, command.use_credit, limit, command.gateway)
    return Case(bills, wish, command)


def a_bill(draw: Random, book: Book, kind: str) -> LockedInvoice:
    total = draw.choice((draw.randint(1, 700), draw.randint(500, 6000)))
    invoice = Invoice(
        id=UUID(int=draw.getrandbits(100)),
        account_id=ACCOUNT,
        number="INV-1",
        kind=kind,
        status="UNPAID",
        currency="USD",
        subtotal=total,
        tax=0,
        total=total,
        amount_paid=draw.choice((0, 0, draw.randint(0, total - 1))),
        gateway=draw.choice((None, "card", "priced")),
        snapshot={},
    )
    payments: list[Payment] = []
    for _ in range(draw.choice((0, 0, 0, 1, 4))):
        begin_another(draw, LockedInvoice(invoice, book, payments))
    return LockedInvoice(invoice, book, payments)


def begin_another(draw: Random, at: LockedInvoice) -> None:
    """A payment that began before, and waits, is under way, or has ended."""
    # Credit that covers it would pay it at once, and nobody pays what is paid.
    use_credit = at.invoice.kind == "ORDER" and at.book.available < at.invoice.amount_due
    wish = PayInvoice(at.invoice.id, use_credit=use_credit, gateway="card")
    try:
        begun = wish.decide(Payable(at, 0, is_down=False), asked(), at.book.journal).payment
    except Refusal:
        return
    if begun is None:
        return
    status = draw.choice(("REQUIRES_ACTION", "REQUIRES_ACTION", "PROCESSING", "CREATED"))
    leased = status == "CREATED" and draw.random() < 0.5
    begun.put(status=status, lease_at=NOW + timedelta(seconds=9) if leased else None)
    at.payments.append(begun)


def capture(case: Case, payment: Payment) -> None:
    told = GatewayEvent(
        "evt", EventKind.CAPTURED, payment.public_id, "c", Money(payment.charged, "USD")
    )
    at = case.at
    locked = LockedPayment(payment, at.invoice, at.book, "s", [*at.payments, payment])
    for bill, allocation in zip(case.bills, payment.allocations, strict=False):
        locked.several.append(Share(bill.invoice, [*bill.payments, payment], allocation))
    advance(locked, told)


def outcome(run: Any) -> Any:
    """What came of it, or how it was refused."""
    try:
        return run()
    except Refusal as refused:
        field = ("invoice_id",) if refused.field == ("invoice_ids", "0") else refused.field
        return type(refused), field, str(refused.facts)


def previewed(case: Case) -> Any:
    def run() -> Any:
        found = case.found(case.shown)
        told = preview.previewed(case.shown.decide(found, asked(), case.at.book.journal), found)
        return told.terms, told.available_after

    return outcome(run)


def sums(invoices: list[Invoice]) -> tuple[int, int]:
    """What is due of all, and what credit has paid."""
    due = sum(one.amount_due for one in invoices)
    return due, sum(one.credit_applied for one in invoices)


def happened(case: Case, quote: str | None) -> Any:
    """The command, then the capture: what it came to, by the records."""

    def run() -> Any:
        invoices = [bill.invoice for bill in case.bills]
        before = sums(invoices)
        done = case.decide(quote)
        if done.payment is not None:
            terms = done.terms
            assert (done.payment.amount, done.payment.fee) == (terms.amount, terms.fee)
            assert done.payment.gateway == terms.gateway
            capture(case, done.payment)
            assert done.payment.fee_taken == terms.fee
        due, applied = sums(invoices)
        assert before[0] == done.terms.due
        assert applied - before[1] == done.terms.credit
        assert due == done.terms.remaining
        for invoice in invoices:
            assert (invoice.status == "PAID") == (invoice.amount_due == 0)
        return done.terms, case.at.book.available

    return outcome(run)


def test_what_is_previewed_is_what_happens() -> None:
    paid, kinds = 0, set()
    for number in range(CASES):
        told = previewed(a_case(number))
        quote = told[0].quote if len(told) == 2 else None
        assert happened(a_case(number), quote) == told, number
        paid += quote is not None
        kinds.add(told[0] if quote is None else "paid")
    assert paid > CASES // 3
    assert len(kinds) >= 9, kinds


def test_where_something_has_moved_the_quote_is_kept_or_refused() -> None:
    kept = changed = 0
    for number in range(CASES // 8):
        told = previewed(a_case(number))
        if len(told) == 3:
            continue
        case, draw = a_case(number), Random(-number - 1)
        move(case, draw)
        try:
            assert case.decide(told[0].quote).terms == told[0], number
            kept += 1
        except PriceChanged:
            changed += 1
        except Refusal:
            continue
        else:
            continue
        assert case.at.invoice.status == "UNPAID"
    assert kept > 50
    assert changed > 50


def move(case: Case, draw: Random) -> None:
    """Something happens between the preview and the click."""
    book, invoice = case.at.book, case.at.invoice
    match draw.randrange(4):
        case 0:
            book.available += draw.randint(1, 500)
        case 1 if book.deposits:
            book.available -= draw.randint(1, book.deposits)
        case 2 if invoice.amount_due > 1:
            invoice.put(amount_paid=invoice.amount_paid + 1)
        case _:
            invoice.put(gateway="paid-card")


def test_a_deposit_comes_to_what_was_previewed() -> None:
    refused = repaid = 0
    for number in range(DEPOSITS):
        draw = Random(number)
        gateway = draw.choice(("card", "paid-card", "priced", "unknown"))
        amount = Decimal(draw.choice((draw.randint(0, 600), draw.randint(500, 60_000)))) / 100
        add = AddFunds(amount, "USD", gateway, VERSION)
        begun = draw.choice((0, draw.randint(0, 60_000)))
        account = Account(id=ACCOUNT, name="Ada", email="a@x.org", currency="USD")

        def found(number: int = number, begun: int = begun, account: Account = account) -> Any:
            book = a_book(Random(number))
            return Depositor(account, book, begun, Room(0, is_issued=False))

        def told(there: Depositor, add: AddFunds = add) -> Any:
            return preview.funds_added(add, there, asked(), there.book.journal)

        def done(there: Depositor, add: AddFunds = add) -> Any:
            invoice = add.decide(there, asked(), there.book.journal)
            at = LockedInvoice(invoice, there.book, [])
            command = PayInvoice(invoice.id)
            paid = command.decide(
                Payable(at, there.begun, is_down=False), asked(), there.book.journal
            )
            assert paid.payment is not None
            capture(Case([at], {}, command), paid.payment)
            return paid.payment.charged, paid.payment.fee, there.book.available, there.book.debt

        here, there = found(), found()
        debt = here.book.debt
        shown, came = (
            outcome(lambda here=here: told(here)),
            outcome(lambda there=there: done(there)),
        )
        if isinstance(came, tuple) and isinstance(came[0], type):
            refused += 1
            assert shown == came, number
            continue
        charged, fee, available, owed = came
        assert (shown.charged, shown.fee) == (charged, fee), number
        assert (shown.available_after, shown.debt_repaid) == (available, debt - owed), number
        assert shown.credited + shown.debt_repaid + shown.fee == shown.charged
        repaid += shown.debt_repaid > 0
    assert refused > 50
    assert repaid > 50
