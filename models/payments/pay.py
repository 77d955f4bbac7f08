"""Paying: with credit, through a gateway, or with credit first and a gateway for the rest."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor, MemberRole
from models.credit.hold import holds_of
from models.credit.limits import check_room, deposits_begun
from models.db import sql
from models.db.record import new_id, public_id
from models.db.tasks import to_the_end
from models.db.together import find_one
from models.errors import (
    AccountFrozen,
    AmountOutOfRange,
    CreditNotApplicable,
    GatewayFailed,
    GatewayNotAvailable,
    InsufficientCredit,
    Invalid,
    InvoiceNotPayable,
    NotAllowed,
    NotFound,
    PaymentInProgress,
)
from models.gateway import Gateway
from models.invoices.allocation import Allocation
from models.invoices.invoice import Invoice, InvoiceKind, made_invoice
from models.invoices.order import spend_on
from models.invoices.terms import Terms
from models.journal.command import Command, Invocation
from models.journal.idempotency import LATER, Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.chart import LedgerKind
from models.money import Money
from models.payments.capture import fill
from models.payments.locked import LockedInvoice, cancel_waiting, locked_invoice, supersede
from models.payments.payment import Payment, require_payer
from models.payments.start import LEASE, joined, start
from models.provider.circuit import is_down
from models.provider.offer import accepts, least_taken
from models.provider.provider import origin_of, provider
from models.reference import new_reference
from models.status import PAYABLE, PaymentStatus


@dataclass(frozen=True, slots=True)
class Paid:
    """What paying made of the invoice, and the gateway payment that began, if one did. `terms` are
    what was decided, None where that is not known any more.
    """

    invoice: Invoice
    payment: Payment | None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Payable:
    """What paying is decided on: the invoice, what other deposits that have begun will bring, in
    minor units, whether its gateway was out of order a moment ago, and `more` invoices that are
    paid with it, which are orders: all in the order in which they are paid. `fields` is where each
    of them stands in what was asked.
    """

    at: LockedInvoice
    begun: int
    is_down: bool
    more: Sequence[LockedInvoice] = ()
    fields: Sequence[tuple[str, ...]] = (("invoice_id",),)

    @property
    def bills(self) -> list[LockedInvoice]:
        """All that is paid."""
        return [self.at, *self.more]

    @property
    def due(self) -> int:
        """What is due of all; minor units."""
        return sum(one.invoice.amount_due for one in self.bills)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How it is to be paid. `credit_limit` and `amount`, which goes through the gateway, are in
    major units; `quote` is of what the client was shown.
    """

    use_credit: bool = False
    credit_limit: Decimal | None = None
    gateway: str | None = None
    return_url: str | None = None
    quote: str | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PayInvoice(Command[Payable, Paid]):
    """Pay an invoice. Credit pays at once; a gateway payment begins, and says what to do next.

    Raises NotFound, InvoiceNotPayable, PaymentInProgress, CreditNotApplicable, AccountFrozen,
    InsufficientCredit, GatewayNotAvailable, GatewayFailed, BalanceLimitExceeded, NotAllowed where
    the invoice has had as many payments as it may have, AmountOutOfRange, AmountPrecision,
    PriceChanged, Invalid at `return_url` and `amount`.
    """

    mutation: ClassVar[str] = "payInvoice"
    least_role: ClassVar[MemberRole] = MemberRole.BILLING
    makes: ClassVar[tuple[str, str]] = ("payment", Payment.PREFIX)

    invoice_id: UUID
    use_credit: bool = False
    credit_limit: Decimal | None = None
    gateway: str | None = None
    return_url: str | None = None
    quote: str | None = field(default=None, metadata=LATER)
    amount: Decimal | None = field(default=None, metadata=LATER)

    @property
    def wish(self) -> Wish:
        """How."""
        return Wish(
            use_credit=self.use_credit,
            credit_limit=self.credit_limit,
            gateway=self.gateway,
            return_url=self.return_url,
            quote=self.quote,
            amount=self.amount,
        )

    @override
    def require(self, by: Actor) -> None:
        require_payer(by)

    @override
    def made(self, id: UUID) -> dict[str, str]:
        # Where credit pays everything the payment never begins; the invoice is there.
        invoice = public_id(Invoice.PREFIX, self.invoice_id)
        return {"payment": public_id(Payment.PREFIX, id), "invoice": invoice}

    @override
    def resource(self, by: Actor) -> Hashable:
        return ("invoice", self.invoice_id)

    @override
    def more_resources(self, found: Payable) -> Collection[Hashable]:
        invoice = found.at.invoice
        return [("deposits", invoice.account_id)] if invoice.kind == InvoiceKind.FUNDS else ()

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Payable:
        # Before the lock: who has the invoice says which. It is noticed where it changes meanwhile.
        found, has_payments = await self._payable(asked.by)
        at = await locked_invoice(journal, found, has_payments=has_payments, optimistic=True)
        begun, code = 0, self.gateway or found.gateway
        if found.kind == InvoiceKind.FUNDS:
            begun = await deposits_begun(found.account_id, found.currency, but=found.id)
        return Payable(at, begun, is_down=code is not None and is_down(code))

    async def _payable(self, by: Actor) -> tuple[Invoice, bool]:
        """The invoice, where it can be paid as wished, and whether it has had payments."""
        found = await find_one(payables, self.invoice_id)
        if found is None or not by.sees(found[0].account_id):
            raise NotFound("invoice_id")
        invoice = found[0]
        if invoice.status not in PAYABLE:
            raise InvoiceNotPayable("invoice_id", status=invoice.status)
        if self.use_credit and invoice.kind == InvoiceKind.FUNDS:
            raise CreditNotApplicable("use_credit")
        check_return(self.return_url)
        return found

    @override
    def decide(self, found: Payable, asked: Invocation, journal: Journal) -> Paid:
        invoice = found.at.invoice
        journal.log_person(asked.by, "invoice.pay", invoice.public_id, invoice.account_id)
        return pay(found, self.wish, asked.id)

    @override
    def paid(self, answer: Paid) -> tuple[str, int]:
        payment = answer.payment
        return ("", 0) if payment is None else (payment.currency, payment.charged)

    @override
    async def follow(self, answer: Paid, asked: Invocation) -> Paid:
        if answer.payment is None:
            return answer
        payment = await to_the_end(start(answer.payment.id, asked.by, asked.key))
        return Paid(await made_invoice(self.invoice_id), payment)

    @override
    async def recall(self, made: Made, asked: Invocation) -> Paid:
        invoice = await made_invoice(self.invoice_id)
        if not asked.by.sees(invoice.account_id):
            raise NotFound("invoice_id")
        assert made.id is not None
        payment = await joined(made.id, asked.by, asked.key)
        return Paid(await made_invoice(self.invoice_id), payment)


def check_return(url: str | None) -> None:
    """Raises Invalid where the browser must not be sent there."""
    if url is not None and origin_of(url) not in provider().return_origins:
        raise Invalid("return_url", problem="return_origin")


# ------------------------------------------------------------------------------- deciding


def pay(found: Payable, wish: Wish, payment_id: UUID) -> Paid:
    """Pay with credit, or begin a payment with this id for what credit does not cover."""
    book = found.at.book
    if wish.use_credit and book.stopped:
        raise AccountFrozen("use_credit")
    # Before anything is counted: the credit that they hold is free for what takes their place.
    under_way = [_supersede(bill) for bill in found.bills]
    amount, part = _amount(wish, found), _credit_part(wish, found)
    if amount is None and part == found.due:
        terms = _terms(found, part)
        terms.check(wish.quote)
        for bill in found.bills:
            spend_on(book, bill.invoice, bill.invoice.amount_due)
            cancel_waiting(bill.open)
        return Paid(found.at.invoice, None, terms)
    if any(under_way):
        raise PaymentInProgress(*found.fields[under_way.index(True)])
    gateway = _gateway_for(found, wish)
    part, rest = _split(gateway, found, part, amount)
    terms = _terms(found, part, gateway, rest)
    terms.check(wish.quote)
    payment = _payment(found, terms, wish, payment_id)
    _begin(found, payment)
    return Paid(found.at.invoice, payment, terms)


def _amount(wish: Wish, found: Payable) -> int | None:
    """How much is to go through the gateway, where not all is."""
    if wish.amount is None:
        return None
    currency = found.at.book.currency
    amount = Money.parse(wish.amount, currency, "amount")
    if not 0 < amount.minor <= found.due:
        least, most = Money(1, currency), Money(found.due, currency)
        raise AmountOutOfRange("amount", minimum=least, maximum=most)
    return amount.minor


def _credit_part(wish: Wish, found: Payable) -> int:
    """How much credit goes first: as far as it is there, is wanted, and is due."""
    if not wish.use_credit:
        return 0
    book, most = found.at.book, found.due
    if wish.credit_limit is not None:
        limit = Money.parse(wish.credit_limit, book.currency, "credit_limit")
        if limit.minor < 0:
            raise AmountOutOfRange("credit_limit", minimum=Money.zero(book.currency))
        most = min(most, limit.minor)
    return min(most, book.available)


def _gateway_for(found: Payable, wish: Wish) -> Gateway:
    invoice, book = found.at.invoice, found.at.book
    code = wish.gateway or invoice.gateway
    if code is None and wish.use_credit:
        raise InsufficientCredit(
            available=Money(book.available, invoice.currency),
            required=Money(found.due, invoice.currency),
        )
    if code is None:
        raise GatewayNotAvailable("gateway")
    gateway = provider().gateway(code, "gateway")
    if found.is_down:
        raise GatewayFailed("gateway", problem="down")
    return gateway


def _terms(found: Payable, part: int, gateway: Gateway | None = None, rest: int = 0) -> Terms:
    book = found.at.book
    return Terms(
        invoices=[bill.invoice.id for bill in found.bills],
        currency=book.currency,
        due=found.due,
        credit=part,
        # It is what is spent first.
        promotional=min(part, book.promotional),
        gateway=gateway.code if gateway else None,
        amount=rest,
        fee=gateway.fee(Money(rest, book.currency)).minor if gateway else 0,
    )


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


def _allocations(found: Payable, payment: Payment) -> list[Allocation]:
    """What each invoice gets: credit first, and the first invoice first."""
    invoices = [bill.invoice for bill in found.bills]
    credit = fill(payment.credit_part, [(one.amount_due, one.amount_due) for one in invoices])
    left = [one.amount_due - part for one, part in zip(invoices, credit, strict=True)]
    amounts = fill(payment.amount, [(one, one) for one in left])
    return [
        Allocation(
            id=new_id(),
            created_at=payment.created_at,
            payment_id=payment.id,
            invoice_id=invoice.id,
            account_id=invoice.account_id,
            place=place,
            amount=amounts[place],
            credit_part=credit[place],
        )
        for place, invoice in enumerate(invoices)
    ]


async def payables(ids: Sequence[UUID]) -> dict[UUID, tuple[Invoice, bool]]:
    """Invoices, and whether each has had payments."""
    rows = await sql.fetch(
        "SELECT i.*, EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id)"
        " OR EXISTS (SELECT 1 FROM payment_allocation a WHERE a.invoice_id = i.id) AS has_payments"
        " FROM invoice i WHERE " + sql.any_of("i.id", 1),
        list(ids),
    )
    have = {row["id"]: bool(row.pop("has_payments")) for row in rows}
    return {row["id"]: (sql.record_of(Invoice, row), have[row["id"]]) for row in rows}


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


def _check_another(at: LockedInvoice, *field: str) -> None:
    """Raises NotAllowed where the invoice has had as many payments as it may have."""
    maximum = provider().payments_per_invoice
    if len(at.payments) >= maximum:
        raise NotAllowed(*field, why="payments_per_invoice", maximum=maximum)


def _split(gateway: Gateway, found: Payable, part: int, amount: int | None) -> tuple[int, int]:
    """(credit, gateway) parts of what is due: less credit where the rest would be too little for
    the gateway, or where `amount` is to go through it.
    """
    due, currency = found.due, found.at.book.currency
    if amount is not None:
        part = min(part, due - amount)
        _check_amount(gateway, Money(amount, currency), due, due - part - amount)
        return part, amount
    minimum = gateway.minimum(currency)
    if part and minimum is not None and due - part < minimum.minor:
        part = max(0, due - minimum.minor)
    if not accepts(gateway, Money(due - part, currency)):
        raise GatewayNotAvailable("gateway")
    return part, due - part


def _check_amount(gateway: Gateway, amount: Money, due: int, left: int) -> None:
    """Raises GatewayNotAvailable, AmountOutOfRange, and Invalid where what is `left` to be paid
    would be too little for every gateway.
    """
    currency = amount.currency
    if currency not in gateway.currencies:
        raise GatewayNotAvailable("gateway")
    if not accepts(gateway, amount):
        most = gateway.maximum(currency)
        least = gateway.minimum(currency) or Money(1, currency)
        maximum = Money(due if most is None else min(due, most.minor), currency)
        raise AmountOutOfRange("amount", minimum=least, maximum=maximum)
    if left and left < least_taken(provider().gateways.values(), currency):
        raise Invalid("amount", problem="amount_rest")
