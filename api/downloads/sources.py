"""From database records to documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from api.pdf.documents.document import Look
from api.pdf.documents.invoice import InvoiceState, PaymentLine, invoice_document
from api.pdf.documents.receipt import receipt_document
from api.pdf.documents.statement import Change, statement_document
from api.pdf.documents.transfer import transfer_of
from api.pdf.documents.void import void_document
from models.accounts import account as accounts
from models.bank import transfer
from models.credit import lines
from models.credit import statement as credit_statement
from models.db.record import parse_id
from models.invoices import invoice as invoices
from models.invoices.freeze import buyer_now, seller_now
from models.invoices.invoice import Invoice
from models.payments import payment as payments
from models.payments.payment import Payment
from models.provider import picture
from models.provider.day import day_of
from models.provider.provider import provider
from schema.core import texts

if TYPE_CHECKING:
    from api.downloads.links import Wanted
    from api.pdf.documents.document import Document
    from models.credit.statement import CreditStatement
    from models.gateway import Gateway
    from models.invoices.snapshot import InvoiceSnapshot
    from models.provider.seller import Picture

#: A statement of more lines is for a spreadsheet: with the longest texts it would need more memory
#: than a process may have.
STATEMENT_LINES_MAX: Final = 3000
TOO_LONG: Final = (
    f"A PDF statement has at most {STATEMENT_LINES_MAX} lines. Choose a shorter period, or CSV."
)


class TooLong(Exception):
    """The statement has more lines than a PDF may have."""


async def document_of(
    wanted: Wanted, gateways: Mapping[str, Gateway]
) -> tuple[Document, str] | None:
    """The document that a link names and a name for its file; None if there is none.

    Raises TooLong.
    """
    prefix = wanted.record.partition("_")[0]
    match prefix, wanted.params.get("kind"):
        case Invoice.PREFIX, None:
            return await _invoice(wanted, gateways)
        case Invoice.PREFIX, "void":
            return await _void(wanted)
        case Payment.PREFIX, None:
            return await _receipt(wanted, gateways)
        case accounts.Account.PREFIX, None:
            return await _statement(wanted)
    return None


async def invoice_pdf(invoice: Invoice, locale: str, gateways: Mapping[str, Gateway]) -> Document:
    """The document of an invoice as it stands."""
    paid = (await payments.of_invoices([invoice.id])).get(invoice.id, [])
    state = InvoiceState(
        status=invoice.printed_status,
        amount_due=invoice.asked_for,
        payments=_lines(invoice, paid, _namer(gateways, locale)),
        paid_at=invoice.paid_at,
        credit_applied=invoice.credit_applied,
        refunded=sum(payment.taken_back for payment in paid if not payment.several),
        voided_at=invoice.voided_at,
        void_reason=invoice.void_reason,
        credit_note_number=invoice.credit_note_number,
        transfer=transfer_of(awaited) if (awaited := transfer.awaited(invoice, paid)) else None,
    )
    return invoice_document(invoice.snapshot, state, await _look(invoice.snapshot, locale))


# ------------------------------------------------------------------------------- invoices


async def _invoice(wanted: Wanted, gateways: Mapping[str, Gateway]) -> tuple[Document, str] | None:
    invoice = await _read_invoice(wanted)
    if invoice is None:
        return None
    return await invoice_pdf(invoice, wanted.locale, gateways), invoice.number


async def _void(wanted: Wanted) -> tuple[Document, str] | None:
    invoice = await _read_invoice(wanted)
    if invoice is None or not invoice.is_void:
        return None
    assert invoice.voided_at is not None
    document = void_document(
        invoice.snapshot,
        await _look(invoice.snapshot, wanted.locale),
        voided_at=invoice.voided_at,
        reason=invoice.void_reason,
        credit_note_number=invoice.credit_note_number,
        returned=await lines.returned_of(invoice.id),
    )
    return document, invoice.credit_note_number or f"{invoice.number}-void"


async def _read_invoice(wanted: Wanted) -> Invoice | None:
    invoice_id = parse_id(Invoice.PREFIX, wanted.record)
    return None if invoice_id is None else await invoices.read(invoice_id)


def _lines(
    invoice: Invoice, paid: Sequence[Payment], method: Callable[[str], str]
) -> list[PaymentLine]:
    return [
        _line(invoice, payment, method(payment.gateway)) for payment in paid if payment.has_receipt
    ]


def _line(invoice: Invoice, payment: Payment, method: str) -> PaymentLine:
    """Of a payment for several invoices, what counts on this one; its receipt has the fee."""
    amount, fee = payment.net_received, payment.fee_taken
    for one in payment.allocations:
        if one.invoice_id == invoice.id:
            amount, fee = one.applied, 0
    return PaymentLine(
        at=payment.paid_at, method=method, reference=payment.reference, amount=amount, fee=fee
    )


def _namer(gateways: Mapping[str, Gateway], locale: str) -> Callable[[str], str]:
    """Gateways' names, of those that are not configured any more, too."""
    return lambda code: (
        gateways[code].name(locale) if code in gateways else texts.gateway(code, locale)
    )


# ------------------------------------------------------------------------------- receipts


async def _receipt(wanted: Wanted, gateways: Mapping[str, Gateway]) -> tuple[Document, str] | None:
    payment_id = parse_id(Payment.PREFIX, wanted.record)
    payment = None if payment_id is None else await payments.read(payment_id)
    if payment is None or not payment.has_receipt:
        return None
    found = await invoices.by_ids(payment.invoice_ids)
    invoice = found[payment.invoice_id]
    method = _namer(gateways, wanted.locale)(payment.gateway)
    look = await _look(invoice.snapshot, wanted.locale)
    parts = [
        (found[one.invoice_id].number, one.amount, one.credit_part) for one in payment.allocations
    ]
    document = receipt_document(payment, invoice.snapshot, method, look, parts)
    return document, f"{invoice.number}-{payment.reference}"


# ------------------------------------------------------------------------------- statements


async def statement_of(wanted: Wanted) -> CreditStatement | None:
    """The statement that a link names."""
    account_id = parse_id(accounts.Account.PREFIX, wanted.record)
    if account_id is None or wanted.params.keys() != {"currency", "from", "to"}:
        return None
    params = wanted.params
    days = date.fromisoformat(params["from"]), date.fromisoformat(params["to"])
    return await credit_statement.read(account_id, params["currency"], *days)


async def _statement(wanted: Wanted) -> tuple[Document, str] | None:
    statement = await statement_of(wanted)
    if statement is None:
        return None
    if statement.count > STATEMENT_LINES_MAX:
        raise TooLong
    account = (await accounts.by_ids([statement.account_id]))[statement.account_id]
    logo = provider().seller.logo
    changes = [
        Change(
            on=day_of(line.created_at).isoformat(),
            kind=line.kind,
            note=line.note,
            amount=line.amount,
            balance=line.balance_after,
        )
        async for line in statement.lines()
    ]
    document = statement_document(
        statement,
        changes,
        Look(wanted.locale, logo),
        seller=seller_now(),
        buyer=buyer_now(account),
    )
    return document, f"{statement.currency}-{statement.first_day}-{statement.last_day}"


# ------------------------------------------------------------------------------- logos


async def _look(snapshot: InvoiceSnapshot, locale: str) -> Look:
    name = snapshot["seller"].get("logo")
    return Look(locale, await _logo(name) if name else None)


async def _logo(name: str) -> Picture | None:
    today = provider().seller.logo
    if today is not None and today.name == name:
        return today
    return await picture.find(name)
