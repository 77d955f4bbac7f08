"""Order invoices: made by partners and staff, and paid with credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from models.access.identity import Actor
from models.accounts import account as accounts
from models.clock import now
from models.credit import spending
from models.db.record import new_id, public_id
from models.errors import (
    AmountOutOfRange,
    Invalid,
    NotFound,
)
from models.invoices.invoice import Invoice, InvoiceKind, InvoiceStatus, made_invoice
from models.invoices.issue import DraftLine, gross, issue, may_stay_open, too_many_open
from models.journal import audit_log, idempotency, outbox
from models.ledger.book import Book, Line, book
from models.ledger.chart import LineKind
from models.money import MINOR_MAX, Money, product, tax_per_rate
from models.provider.provider import house
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


async def create(
    account_id: UUID,
    currency: str,
    lines: Sequence[OrderLine],
    *,
    due_at: datetime | None,
    apply_credit: bool | None,
    reference: str | None,
    by: Actor,
    key: str,
) -> Invoice:
    """Issue an ORDER invoice, and pay it from available credit at once where that is wanted: by
    `apply_credit`, else by the account's own setting. What credit does not cover stays due.

    Raises NotFound at `account_id`, CurrencyNotSupported, AmountPrecision, AmountOutOfRange,
    Invalid; NotAllowed at `account_id` where it has as many open invoices as it may have.
    """
    by.require_scope("invoices:write")
    invoice_id = new_id()
    given = {
        "account": account_id.hex,
        "currency": currency,
        "lines": [
            [line.description, str(line.quantity), str(line.unit_price), str(line.tax_rate)]
            for line in lines
        ],
        "due": due_at.isoformat() if due_at else None,
        "apply_credit": apply_credit,
        "reference": reference,
    }

    async def admit(_made: idempotency.Result) -> None:
        if not by.sees(account_id):
            raise NotFound("account_id")

    async def work() -> None:
        account = (await accounts.by_ids([account_id])).get(account_id)
        if account is None or not by.sees(account_id):
            raise NotFound("account_id")
        house().limits_of(currency, "currency")
        drafts = drafted(lines, currency)
        if due_at is not None and due_at.year > _DUE_YEAR_MAX:
            raise Invalid("due_at", problem="far")
        text = clean_text(reference, "reference", maximum=200) if reference else None
        async with book(account_id, currency) as opened:
            wanted = opened.auto_apply_credit if apply_credit is None else apply_credit
            amount = _applicable(opened, gross(drafts)) if wanted else 0
            if amount < gross(drafts) and not await may_stay_open(account_id):
                raise too_many_open("account_id")
            invoice = await issue(
                account,
                InvoiceKind.ORDER,
                currency,
                drafts,
                id=invoice_id,
                due_at=due_at,
                reference=text,
                source=idempotency.source_of(by, key),
                credit=amount,
            )
            if amount:
                spending.spend(opened, amount, _payment_of(invoice))
        subject = invoice.public_id
        await audit_log.record(by, "invoice.create", subject, number=invoice.number)

    made = {"invoice": public_id(Invoice.PREFIX, invoice_id)}
    done = await idempotency.once(by, key, "createInvoice", given, made, admit=admit, work=work)
    return await made_invoice(done)


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


def _applicable(opened: Book, total: int) -> int:
    """How much credit pays: as far as it goes. An account whose spending is stopped pays nothing,
    and is not refused.
    """
    return 0 if opened.stopped else min(opened.available, total)


def _payment_of(invoice: Invoice) -> Line:
    kind = LineKind.INVOICE_PAYMENT
    return Line(kind, new_id().hex, note=invoice.number, invoice_id=invoice.id)


async def spend_on(opened: Book, invoice: Invoice, amount: int) -> None:
    """Pay `amount` of the invoice with credit."""
    spending.spend(opened, amount, _payment_of(invoice))
    columns: dict[str, object] = {
        "credit_applied": invoice.credit_applied + amount,
        "amount_paid": invoice.amount_paid + amount,
    }
    paid = invoice.amount_due == amount
    if paid:
        columns |= {"status": InvoiceStatus.PAID.value, "paid_at": now()}
    await invoice.change(**columns)
    kind = "invoice.paid" if paid else "invoice.updated"
    facts = {"number": invoice.number, "status": invoice.status}
    await outbox.record([outbox.Fact(kind, invoice.account_id, invoice.id, facts)])
