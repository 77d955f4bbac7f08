"""Order invoices: made by partners and staff, and paid with credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor
from models.accounts import account as accounts
from models.accounts.account import Account
from models.accounts.external import checked_metadata
from models.credit import spending
from models.db.record import new_id
from models.errors import (
    AmountOutOfRange,
    Invalid,
    NotFound,
)
from models.invoices.draft import Draft, DraftLine, gross
from models.invoices.invoice import Invoice, InvoiceKind, made_invoice
from models.invoices.issue import issue
from models.invoices.room import Room, room_for
from models.journal.command import Command, Invocation
from models.journal.idempotency import LATER, Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.book import Book
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.opening import open_book
from models.ledger.posting import StatementLine
from models.money import MINOR_MAX, Money, product, tax_per_rate
from models.provider.provider import provider
from models.status import InvoiceStatus
from models.text import clean_text

LINES_MAX: Final = 200
PRICE_DECIMALS_MAX: Final = 6
_QUANTITY_MAX: Final = Decimal(1_000_000)
#: A due date has a day after it everywhere on earth.
_DUE_YEAR_MAX: Final = 9998


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line as it is asked for: `unit_price` net, in major units, of at most six decimals and
    negative for a discount; `tax_rate` a fraction.
    """

    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal


@dataclass(frozen=True, slots=True)
class Buyer:
    """What an order is decided on."""

    account: Account
    book: Book
    room: Room


@dataclass(frozen=True, slots=True)
class CreateOrder(Command[Buyer, Invoice]):
    """Issue an ORDER invoice, and pay it from available credit at once where that is wanted: by
    `apply_credit`, else by the account's own setting. What credit does not cover stays due.

    Raises NotFound at `account_id`, CurrencyNotSupported, AmountPrecision, AmountOutOfRange,
    Invalid; NotAllowed at `account_id` where it has as many open invoices as it may have.
    """

    mutation: ClassVar[str] = "createInvoice"
    makes: ClassVar[tuple[str, str]] = ("invoice", Invoice.PREFIX)

    account_id: UUID
    currency: str
    lines: Sequence[OrderLine]
    due_at: datetime | None = None
    apply_credit: bool | None = None
    reference: str | None = None
    metadata: tuple[tuple[str, str], ...] | None = field(default=None, metadata=LATER)

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("invoices:write")

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Buyer:
        account = (await accounts.by_ids([self.account_id])).get(self.account_id)
        if account is None or not asked.by.sees(self.account_id):
            raise NotFound("account_id")
        provider().limits_of(self.currency, "currency")
        book = await open_book(journal, self.account_id, self.currency)
        return Buyer(account, book, await room_for(journal, self.account_id, asked.source))

    @override
    def decide(self, found: Buyer, asked: Invocation, journal: Journal) -> Invoice:
        drafts = drafted(self.lines, self.currency)
        if self.due_at is not None and self.due_at.year > _DUE_YEAR_MAX:
            raise Invalid("due_at", problem="far")
        text = clean_text(self.reference, "reference", maximum=200) if self.reference else None
        details = checked_metadata(self.metadata or ())
        amount = self._credit(found.book, gross(drafts))
        if amount < gross(drafts):
            found.room.check_open("account_id")
        found.room.check_new()
        line = _payment_of(asked.id) if amount else None
        draft = Draft(
            id=asked.id,
            account=found.account,
            kind=InvoiceKind.ORDER,
            currency=self.currency,
            lines=drafts,
            due_at=self.due_at,
            reference=text,
            source=asked.source,
            credit=amount,
            line=line,
            logged_by=asked.by,
            details=details or None,
        )
        invoice = issue(journal, draft)
        if line is not None:
            spending.spend(found.book, amount, line)
        return invoice

    def _credit(self, book: Book, total: int) -> int:
        """How much credit pays: as far as it goes. An account whose spending is stopped pays
        nothing, and is not refused.
        """
        wanted = book.auto_apply_credit if self.apply_credit is None else self.apply_credit
        return min(book.available, total) if wanted and not book.stopped else 0

    @override
    async def recall(self, made: Made, asked: Invocation) -> Invoice:
        if not asked.by.sees(self.account_id):
            raise NotFound("account_id")
        assert made.id is not None
        return await made_invoice(made.id)


def drafted(lines: Sequence[OrderLine], currency: str) -> list[DraftLine]:
    """The lines, checked and with their totals: each rounded once, half up."""
    if not 1 <= len(lines) <= LINES_MAX:
        raise Invalid("lines", problem="lines_count")
    drafts = [_drafted(line, currency, str(n)) for n, line in enumerate(lines)]
    total = sum(line.total for line in drafts)
    total += sum(tax.tax for tax in tax_per_rate((line.tax_rate, line.total) for line in drafts))
    if not 0 < total <= MINOR_MAX:
        smallest, largest = Money(1, currency), Money(MINOR_MAX, currency)
        raise AmountOutOfRange("lines", minimum=smallest, maximum=largest)
    return drafts


def _drafted(line: OrderLine, currency: str, at: str) -> DraftLine:
    place = ("lines", at, "unit_price")
    price = Money.rounded(line.unit_price, currency, *place, decimals=PRICE_DECIMALS_MAX)
    if not 0 < line.quantity <= _QUANTITY_MAX:
        raise Invalid("lines", at, "quantity", problem="quantity_range")
    if not 0 <= line.tax_rate <= 1:
        raise Invalid("lines", at, "tax_rate", problem="tax_rate_range")
    total = product(line.unit_price, line.quantity, currency)
    if abs(total) > MINOR_MAX:
        raise AmountOutOfRange(*place, maximum=Money(MINOR_MAX, currency))
    text = clean_text(line.description, "lines", at, "description", maximum=500, multiline=True)
    return DraftLine(text, line.quantity, price.minor, line.unit_price, line.tax_rate, total)


def _payment_of(invoice_id: UUID, number: str = "") -> StatementLine:
    kind = StatementLineKind.INVOICE_PAYMENT
    return StatementLine(kind, new_id().hex, note=number, invoice_id=invoice_id)


def spend_on(book: Book, invoice: Invoice, amount: int) -> None:
    """Pay `amount` of the invoice with credit."""
    spending.spend(book, amount, _payment_of(invoice.id, invoice.number))
    paid = invoice.amount_due == amount
    invoice.put(
        credit_applied=invoice.credit_applied + amount, amount_paid=invoice.amount_paid + amount
    )
    if paid:
        invoice.put(status=InvoiceStatus.PAID.value, paid_at=book.journal.at)
    kind = FactKind.INVOICE_PAID if paid else FactKind.INVOICE_UPDATED
    facts = {"number": invoice.number, "status": invoice.status}
    book.journal.tell(kind, invoice.account_id, invoice.id, **facts)
