"""Freezing an invoice: the snapshot of all that it shows, taken as it is issued."""

from __future__ import annotations

from collections.abc import Sequence

from models.accounts.account import Account
from models.invoices.draft import DraftLine
from models.invoices.invoice import Invoice, InvoiceKind
from models.invoices.snapshot import (
    BankSnapshot,
    BuyerSnapshot,
    InvoiceLineSnapshot,
    InvoiceSnapshot,
    SellerSnapshot,
    TaxSnapshot,
)
from models.money import tax_per_rate
from models.provider.provider import provider


def snapshot_of(invoice: Invoice, account: Account, lines: Sequence[DraftLine]) -> InvoiceSnapshot:
    """All that the invoice shows, as of now."""
    policy, funds = provider().policy, invoice.kind == InvoiceKind.FUNDS
    return {
        "number": invoice.number,
        "kind": InvoiceKind(invoice.kind).value,
        "currency": invoice.currency,
        "issued_at": invoice.issued_at.isoformat(),
        "due_at": invoice.due_at.isoformat(),
        "reference": invoice.reference,
        "seller": seller_now(),
        "buyer": buyer_now(account),
        "lines": [line_snapshot(line) for line in lines],
        "subtotal": invoice.subtotal,
        "tax": invoice.tax,
        "total": invoice.total,
        "taxes": _taxes(lines),
        "notes": list(provider().seller.notes),
        "policy": {"version": policy.version, "url": policy.url} if funds else None,
        "bank": _bank(invoice.currency),
        "transfer_reference": invoice.transfer_reference,
        "deposit_tax": provider().deposit_tax if funds else "",
        "e_invoice": provider().e_invoices and not funds,
    }


def line_snapshot(line: DraftLine) -> InvoiceLineSnapshot:
    """A line as the snapshot and the table of lines keep it."""
    return {
        "description": line.description,
        "quantity": f"{line.quantity:f}",
        "unit_price": line.unit_price,
        "unit_price_exact": f"{line.unit_price_exact:f}",
        "tax_rate": f"{line.tax_rate:f}",
        "total": line.total,
    }


def _taxes(lines: Sequence[DraftLine]) -> list[TaxSnapshot]:
    rates = tax_per_rate((line.tax_rate, line.total) for line in lines)
    return [{"rate": f"{rate.rate:f}", "base": rate.base, "tax": rate.tax} for rate in rates]


def seller_now() -> SellerSnapshot:
    """The provider as its documents name it today."""
    seller = provider().seller
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
    bank = provider().seller.bank_accounts.get(currency)
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
