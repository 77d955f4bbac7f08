"""Deciding to pay: credit is spent, or a payment begins; of one invoice or of several."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from models.checkout.payable import Payable
from models.checkout.split import Wish, amount_of, credit_of, gateway_for, split_between
from models.credit.hold import holds_of
from models.credit.limits import check_room
from models.db.record import new_id
from models.errors import (
    NotAllowed,
    PaymentInProgress,
)
from models.gateway import Gateway
from models.invoices.allocation import Allocation
from models.invoices.invoice import Invoice, InvoiceKind
from models.invoices.order import spend_on
from models.invoices.terms import Terms
from models.journal.outbox import FactKind
from models.ledger.chart import LedgerKind
from models.money import Money
from models.payments.capture import fill
from models.payments.locked import LockedInvoice, cancel_waiting, supersede
from models.payments.payment import Payment
from models.payments.start import LEASE
from models.provider.provider import provider
from models.reference import new_reference
from models.status import PaymentStatus


@dataclass(frozen=True, slots=True)
class Paid:
    """What paying made of the invoice, and the gateway payment that began, if one did. `terms` are
    what was decided, None where that is not known any more.
    """

    invoice: Invoice
    payment: Payment | None
    terms: Terms | None = None


def pay(found: Payable, wish: Wish, payment_id: UUID) -> Paid:
    """Pay with credit, or begin a payment with this id for what credit does not cover."""
    book = found.at.book
    if wish.use_credit:
        book.check_spendable("use_credit")
    # Before anything is counted: the credit that they hold is free for what takes their place.
    under_way = [_supersede(bill) for bill in found.bills]
    amount, part = amount_of(wish, found), credit_of(wish, found)
    if amount is None and part == found.due:
        terms = _terms(found, part)
        terms.check(wish.quote)
        for bill in found.bills:
            spend_on(book, bill.invoice, bill.invoice.amount_due)
            cancel_waiting(bill.open)
        return Paid(found.at.invoice, None, terms)
    if any(under_way):
        raise PaymentInProgress(*found.fields[under_way.index(True)])
    gateway = gateway_for(found, wish)
    part, rest = split_between(gateway, found, part, amount)
    terms = _terms(found, part, gateway, rest)
    terms.check(wish.quote)
    payment = _payment(found, terms, wish, payment_id)
    _begin(found, payment)
    return Paid(found.at.invoice, payment, terms)


def _supersede(at: LockedInvoice) -> bool:
    """What is paid now takes the place of payments that wait for the client: whether one is under
    way.
    """
    under_way = False
    moment = at.book.journal.at
    for other in at.open:
        payment = other.payment
        leased = payment.lease_at is not None and payment.lease_at > moment
        if payment.status == PaymentStatus.PROCESSING or (
            payment.status == PaymentStatus.CREATED and leased
        ):
            under_way = True
        else:
            supersede(other)
    return under_way


def _terms(found: Payable, part: int, gateway: Gateway | None = None, rest: int = 0) -> Terms:
    book = found.at.book
    fee, saved = _fees(found, part, gateway, rest) if gateway else (0, 0)
    return Terms(
        invoices=[bill.invoice.id for bill in found.bills],
        currency=book.currency,
        due=found.due,
        credit=part,
        # It is what is spent first.
        promotional=min(part, book.promotional),
        gateway=gateway.code if gateway else None,
        amount=rest,
        fee=fee,
        saved=saved,
    )


def _fees(found: Payable, part: int, gateway: Gateway, rest: int) -> tuple[int, int]:
    """The fee, and by how much it is less than the fees of one payment for each invoice."""
    currency = found.at.book.currency
    fee = gateway.fee(Money(rest, currency)).minor
    if not found.more:
        return fee, 0
    amounts = [amount for _, amount in _parts(found, part, rest) if amount]
    alone = sum(gateway.fee(Money(amount, currency)).minor for amount in amounts)
    return fee, max(0, alone - fee)


def _begin(found: Payable, payment: Payment) -> None:
    invoice, book = found.at.invoice, found.at.book
    journal = book.journal
    for bill, at in zip(found.bills, found.fields, strict=True):
        _check_another(bill, *at)
    if invoice.kind == InvoiceKind.FUNDS:
        check_room(book, Money(payment.amount, invoice.currency), found.begun, "invoice_id")
    book.open(book.provider_account(LedgerKind.CLEARING, payment.gateway))
    journal.claim(payment)
    journal.add(*payment.allocations)
    if payment.credit_part:
        holds_of(book).hold(payment.id, payment.credit_part)
    facts = {"invoice": invoice.public_id, "status": payment.status}
    journal.tell(FactKind.PAYMENT_BEGUN, invoice.account_id, payment.id, **facts)
    for bill in found.bills:
        bill.invoice.put(gateway=payment.gateway)
        journal.tell(FactKind.INVOICE_UPDATED, invoice.account_id, bill.invoice.id)
    book.touch()


def _check_another(at: LockedInvoice, *field: str) -> None:
    """Raises NotAllowed where the invoice has had as many payments as it may have."""
    maximum = provider().payments_per_invoice
    if len(at.payments) >= maximum:
        raise NotAllowed(*field, why="payments_per_invoice", maximum=maximum)


def _payment(found: Payable, terms: Terms, wish: Wish, id: UUID) -> Payment:
    invoice, at = found.at.invoice, found.at.book.journal.at
    payment = Payment(
        id=id,
        created_at=at,
        invoice_id=invoice.id,
        account_id=invoice.account_id,
        currency=invoice.currency,
        gateway=terms.gateway,
        status=PaymentStatus.CREATED.value,
        amount=terms.amount,
        fee=terms.fee,
        credit_part=terms.credit,
        reference=new_reference(),
        return_url=wish.return_url or "",
        lease_at=at + LEASE,
        several=bool(found.more),
    )
    payment.next_check_at = payment.check_after(at)
    if payment.several:
        payment.allocations = _allocations(found, payment)
    return payment


def _parts(found: Payable, credit: int, amount: int) -> list[tuple[int, int]]:
    """What each invoice gets of the credit and of what goes through the gateway: credit first, and
    the first invoice first.
    """
    due = [bill.invoice.amount_due for bill in found.bills]
    credits = fill(credit, [(one, one) for one in due])
    left = [one - part for one, part in zip(due, credits, strict=True)]
    return list(zip(credits, fill(amount, [(one, one) for one in left]), strict=True))


def _allocations(found: Payable, payment: Payment) -> list[Allocation]:
    invoices = [bill.invoice for bill in found.bills]
    parts = _parts(found, payment.credit_part, payment.amount)
    return [
        Allocation(
            id=new_id(),
            created_at=payment.created_at,
            payment_id=payment.id,
            invoice_id=invoice.id,
            account_id=invoice.account_id,
            place=place,
            amount=amount,
            credit_part=credit,
        )
        for place, (invoice, (credit, amount)) in enumerate(zip(invoices, parts, strict=True))
    ]
