"""Issuing: an invoice gets its number, its lines, and a snapshot of all that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from models.accounts.account import Account
from models.clock import now
from models.db import sql
from models.db.record import new_id
from models.errors import IdempotencyKeyReused, NotAllowed
from models.invoices.invoice import Invoice, InvoiceKind, InvoiceStatus
from models.invoices.snapshot import BankSnapshot, BuyerSnapshot, InvoiceSnapshot, SellerSnapshot
from models.journal import outbox
from models.money import tax_per_rate
from models.provider import picture
from models.provider.day import day_of, days_after
from models.provider.provider import house
from models.reference import new_reference

_OPEN: Final = """
SELECT COUNT(*) AS count FROM invoice WHERE account_id = $1 AND status IN ('UNPAID', 'PROCESSING')
"""


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line to be issued, net: `unit_price` and `total` in minor units, `unit_price_exact` in
    major units with all its decimals.
    """

    description: str
    quantity: Decimal
    unit_price: int
    unit_price_exact: Decimal
    tax_rate: Decimal
    total: int


async def may_stay_open(account_id: UUID) -> bool:
    """Whether the account may have one more open invoice. Inside a transaction, until whose end
    nobody else issues another, whatever its currency.
    """
    if lock := sql.for_update():  # SQLite's transactions begin IMMEDIATE
        await sql.fetch(f"SELECT id FROM account WHERE id = $1{lock}", account_id)
    [row] = await sql.fetch(_OPEN, account_id)
    return bool(row["count"] < house().open_invoices)


def too_many_open(*field: str) -> NotAllowed:
    """Why an account gets no other invoice."""
    return NotAllowed(*field, why="open_invoices", maximum=house().open_invoices)


async def issue(
    account: Account,
    kind: InvoiceKind,
    currency: str,
    lines: Sequence[DraftLine],
    *,
    id: UUID,
    due_at: datetime | None = None,
    gateway: str | None = None,
    reference: str | None = None,
    source: str | None = None,
    credit: int = 0,
) -> Invoice:
    """Give it the next number and write it down, with `credit` that has paid of it already. Inside
    a transaction, as its last lock: the series is held until the commit, which is what makes it
    gapless, and so all that can come before has come before. One `source` has one invoice
    (IdempotencyKeyReused).
    """
    issued_at = now()
    due_at = due_at or days_after(issued_at, house().invoice_due)
    taxes = tax_per_rate((line.tax_rate, line.total) for line in lines)
    subtotal = sum(line.total for line in lines)
    tax = sum(rate.tax for rate in taxes)
    invoice = Invoice(
        id=id,
        created_at=issued_at,
        account_id=account.id,
        number="",
        kind=kind.value,
        status=InvoiceStatus.UNPAID.value,
        currency=currency,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        issued_at=issued_at,
        due_at=due_at,
        due_on=day_of(due_at).isoformat(),
        gateway=gateway,
        reference=reference,
        transfer_reference=new_reference() if currency in house().seller.bank_accounts else None,
        credit_applied=credit,
        amount_paid=credit,
        snapshot={},
        source=source,
    )
    if credit and not invoice.amount_due:
        invoice.status, invoice.paid_at = InvoiceStatus.PAID.value, issued_at
    if (logo := house().seller.logo) is not None:
        await picture.keep(logo)
    written: list[sql.Row] = [
        {
            "id": new_id(),
            "invoice_id": id,
            "position": position,
            "description": line.description,
            "quantity": f"{line.quantity:f}",
            "unit_price": line.unit_price,
            "unit_price_exact": f"{line.unit_price_exact:f}",
            "tax_rate": f"{line.tax_rate:f}",
            "total": line.total,
        }
        for position, line in enumerate(lines)
    ]
    invoice.number = await next_number(house().invoice_prefix, day_of(issued_at))
    invoice.snapshot = snapshot_of(invoice, account, lines)
    if not await sql.insert("invoice", [_row(invoice)], ignore_conflicts=True):
        assert await _is_issued(source), "a number is given once"
        raise IdempotencyKeyReused("idempotency_key")
    await sql.together([sql.insertion("invoice_line", written), outbox.recording(_facts(invoice))])
    return invoice


async def _is_issued(source: str | None) -> bool:
    return await sql.fetch_one("SELECT id FROM invoice WHERE source = $1", source) is not None


def gross(lines: Sequence[DraftLine]) -> int:
    """What they come to with tax, in minor units."""
    taxes = tax_per_rate((line.tax_rate, line.total) for line in lines)
    return sum(line.total for line in lines) + sum(rate.tax for rate in taxes)


def _facts(invoice: Invoice) -> list[outbox.Fact]:
    number = {"number": invoice.number}
    facts = [outbox.Fact("invoice.issued", invoice.account_id, invoice.id, number)]
    if invoice.credit_applied:
        kind = "invoice.paid" if invoice.status == InvoiceStatus.PAID else "invoice.updated"
        status = {**number, "status": invoice.status}
        facts.append(outbox.Fact(kind, invoice.account_id, invoice.id, status))
    return facts


def _row(invoice: Invoice) -> sql.Row:
    return {**sql.row_of(invoice), "snapshot": sql.json(invoice.snapshot)}


async def next_number(prefix: str, day: date) -> str:
    """The next number of the series of the document's year, without gaps: `INV-2026-000042`."""
    series = f"{prefix}-{day.year}"
    row = await sql.fetch_one(
        "INSERT INTO number_series (name, last_number) VALUES ($1, 1) ON CONFLICT (name)"
        " DO UPDATE SET last_number = number_series.last_number + 1 RETURNING last_number",
        series,
    )
    assert row is not None
    return f"{series}-{row['last_number']:06d}"


def snapshot_of(invoice: Invoice, account: Account, lines: Sequence[DraftLine]) -> InvoiceSnapshot:
    """All that the invoice shows, as of now."""
    policy, funds = house().policy, invoice.kind == InvoiceKind.FUNDS
    return {
        "number": invoice.number,
        "kind": "FUNDS" if funds else "ORDER",
        "currency": invoice.currency,
        "issued_at": invoice.issued_at.isoformat(),
        "due_at": invoice.due_at.isoformat(),
        "reference": invoice.reference,
        "seller": seller_now(),
        "buyer": buyer_now(account),
        "lines": [
            {
                "description": line.description,
                "quantity": f"{line.quantity:f}",
                "unit_price": line.unit_price,
                "unit_price_exact": f"{line.unit_price_exact:f}",
                "tax_rate": f"{line.tax_rate:f}",
                "total": line.total,
            }
            for line in lines
        ],
        "subtotal": invoice.subtotal,
        "tax": invoice.tax,
        "total": invoice.total,
        "taxes": [
            {"rate": f"{rate.rate:f}", "base": rate.base, "tax": rate.tax}
            for rate in tax_per_rate((line.tax_rate, line.total) for line in lines)
        ],
        "notes": list(house().seller.notes),
        "policy": {"version": policy.version, "url": policy.url} if funds else None,
        "bank": _bank(invoice.currency),
        "transfer_reference": invoice.transfer_reference,
        "deposit_tax": house().deposit_tax if funds else "",
        "e_invoice": house().e_invoices and not funds,
    }


def seller_now() -> SellerSnapshot:
    """The provider as its documents name it today."""
    seller = house().seller
    known: SellerSnapshot = {
        "name": seller.name,
        "address_lines": list(seller.address),
        "email": seller.email,
        "registration": [{"label": label, "value": v} for label, v in seller.registration],
        "url": seller.url,
        "timezone": seller.timezone,
        "postcode": seller.postcode,
        "city": seller.city,
        "country": seller.country,
        "vat_id": seller.vat_id,
        "exemption": seller.exemption,
    }
    if seller.brand:
        known["brand"] = seller.brand
    if seller.accent:
        known["accent"] = seller.accent
    if seller.logo is not None:
        known["logo"] = seller.logo.name
    return known


def buyer_now(account: Account) -> BuyerSnapshot:
    """The client as documents address them today."""
    billing = account.billing_details
    return {
        "name": account.name,
        "email": account.email,
        "locale": account.locale,
        "address_lines": list(billing.address),
        "company": billing.company,
        "postcode": billing.postcode,
        "city": billing.city,
        "country": billing.country,
        "vat_id": billing.vat_id,
    }


def _bank(currency: str) -> BankSnapshot | None:
    bank = house().seller.bank_accounts.get(currency)
    if bank is None:
        return None
    return {
        "beneficiary": bank.beneficiary,
        "bank_name": bank.bank_name,
        "account_number": bank.account_number,
        "bic": bank.bic,
        "branch_name": bank.branch_name,
        "branch_code": bank.branch_code,
        "account_type": bank.account_type,
    }
