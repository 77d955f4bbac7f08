"""Issuing: an invoice gets its number, its lines, and a snapshot of all that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.access.identity import Actor
from models.accounts.account import Account
from models.db import sql
from models.db.record import new_id
from models.db.together import find_one
from models.errors import IdempotencyKeyReused, NotAllowed
from models.invoices.invoice import (
    PAYABLE_SQL,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
)
from models.invoices.number import give_number, series_of
from models.invoices.snapshot import (
    BankSnapshot,
    BuyerSnapshot,
    InvoiceLineSnapshot,
    InvoiceSnapshot,
    SellerSnapshot,
    TaxSnapshot,
)
from models.journal.journal import Elsewhere, Journal, Patience
from models.journal.outbox import FactKind
from models.ledger.posting import StatementLine
from models.money import tax_per_rate
from models.provider import picture
from models.provider.day import day_of, days_after
from models.provider.provider import provider
from models.reference import new_reference


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


@dataclass(frozen=True, slots=True)
class Room:
    """How many open invoices an account has, and whether a `source` has issued its one."""

    open: int
    is_issued: bool

    def check_new(self) -> None:
        """Raises IdempotencyKeyReused where the source has its invoice."""
        if self.is_issued:
            raise IdempotencyKeyReused("idempotency_key")

    def check_open(self, *field: str) -> None:
        """Raises NotAllowed at `field` where the account has as many as it may have."""
        maximum = provider().open_invoices
        if self.open >= maximum:
            raise NotAllowed(*field, why="open_invoices", maximum=maximum)


async def room_for(journal: Journal, account_id: UUID, source: str) -> Room:
    """Whether the account may be issued an invoice. Inside a transaction, until whose end nobody
    else issues it another, whatever its currency; the seller's logo is kept for its documents.

    Raises Elsewhere.
    """
    find = _waited_for if journal.patience is Patience.WAITS else _free
    if not await find_one(find, account_id, is_lock=True):
        raise Elsewhere(("account", account_id))
    room = await find_one(_rooms, (account_id, source))
    assert room is not None
    if (logo := provider().seller.logo) is not None:
        await picture.keep(logo)
    return room


async def _waited_for(account_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Accounts, locked in the order of their ids."""
    return await _locked(account_ids, sql.for_update())


async def _free(account_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Those that nobody else has locked."""
    lock = sql.for_update()
    return await _locked(account_ids, lock and f"{lock} SKIP LOCKED")


async def _locked(account_ids: Sequence[UUID], lock: str) -> dict[UUID, bool]:
    if not lock:  # SQLite's transactions begin IMMEDIATE
        return dict.fromkeys(account_ids, True)
    statement = f"SELECT id FROM account WHERE {sql.any_of('id', 1)} ORDER BY id{lock}"
    return {row["id"]: True for row in await sql.fetch(statement, list(account_ids))}


async def _rooms(keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Room]:
    """By account and source."""
    rows = await sql.fetch(
        f"""
        SELECT g.*, (SELECT COUNT(*) FROM invoice WHERE account_id = g.account_id
                        AND status IN {PAYABLE_SQL}) AS open,
               EXISTS (SELECT 1 FROM invoice i WHERE i.source = g.source) AS issued
          FROM {sql.given("g", 1, account_id="uuid", source="text")}
        """,
        sql.json([{"account_id": str(id), "source": source} for id, source in keys]),
    )
    return {
        (row["account_id"], row["source"]): Room(row["open"], bool(row["issued"])) for row in rows
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An invoice to be issued. `credit` has paid of it already, which the statement's `line` says;
    one `source` has one invoice. The audit log tells of it where it is `logged_by` somebody.
    """

    id: UUID
    account: Account
    kind: InvoiceKind
    currency: str
    lines: Sequence[DraftLine]
    source: str
    due_at: datetime | None = None
    gateway: str | None = None
    reference: str | None = None
    credit: int = 0
    line: StatementLine | None = None
    logged_by: Actor | None = None


def issue(journal: Journal, draft: Draft) -> Invoice:
    """Issue an invoice. Its number, which its snapshot shows, is given when everything else has
    been decided.
    """
    invoice = _invoice_of(draft, journal.at)
    if draft.credit and not invoice.amount_due:
        invoice.status, invoice.paid_at = InvoiceStatus.PAID.value, journal.at
    give_number(journal, _Issued(invoice, draft, journal))
    journal.claim(invoice)
    journal.add(*_lines_of(draft))
    return invoice


def _invoice_of(draft: Draft, moment: datetime) -> Invoice:
    taxes = tax_per_rate((line.tax_rate, line.total) for line in draft.lines)
    subtotal = sum(line.total for line in draft.lines)
    tax = sum(rate.tax for rate in taxes)
    due_at = draft.due_at or days_after(moment, provider().invoice_due)
    has_bank = draft.currency in provider().seller.bank_accounts
    return Invoice(
        id=draft.id,
        created_at=moment,
        account_id=draft.account.id,
        number="",
        kind=draft.kind.value,
        status=InvoiceStatus.UNPAID.value,
        currency=draft.currency,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        issued_at=moment,
        due_at=due_at,
        due_on=day_of(due_at).isoformat(),
        gateway=draft.gateway,
        reference=draft.reference,
        transfer_reference=new_reference() if has_bank else None,
        credit_applied=draft.credit,
        amount_paid=draft.credit,
        snapshot={},
        source=draft.source,
    )


def _lines_of(draft: Draft) -> list[InvoiceLine]:
    return [
        InvoiceLine(
            id=new_id(),
            invoice_id=draft.id,
            position=position,
            **_line_snapshot(line),
        )
        for position, line in enumerate(draft.lines)
    ]


@dataclass(frozen=True, slots=True)
class _Issued:
    """An invoice that waits for its number."""

    invoice: Invoice
    draft: Draft
    journal: Journal

    @property
    def series(self) -> str:
        return series_of(provider().invoice_prefix, day_of(self.invoice.issued_at))

    def take(self, number: str) -> None:
        invoice, draft, tell = self.invoice, self.draft, self.journal.tell
        invoice.number = number
        invoice.snapshot = snapshot_of(invoice, draft.account, draft.lines)
        if draft.line is not None:
            draft.line.note = number
        tell(FactKind.INVOICE_ISSUED, invoice.account_id, invoice.id, number=number)
        if invoice.credit_applied:
            is_paid = invoice.status == InvoiceStatus.PAID
            kind = FactKind.INVOICE_PAID if is_paid else FactKind.INVOICE_UPDATED
            tell(kind, invoice.account_id, invoice.id, number=number, status=invoice.status)
        if draft.logged_by is not None:
            self.journal.log(draft.logged_by, "invoice.create", invoice.public_id, number=number)


def gross(lines: Sequence[DraftLine]) -> int:
    """What they come to with tax, in minor units."""
    taxes = tax_per_rate((line.tax_rate, line.total) for line in lines)
    return sum(line.total for line in lines) + sum(rate.tax for rate in taxes)


def snapshot_of(invoice: Invoice, account: Account, lines: Sequence[DraftLine]) -> InvoiceSnapshot:
    """All that the invoice shows, as of now."""
    policy, funds = provider().policy, invoice.kind == InvoiceKind.FUNDS
    return {
        "number": invoice.number,
        "kind": "FUNDS" if funds else "ORDER",
        "currency": invoice.currency,
        "issued_at": invoice.issued_at.isoformat(),
        "due_at": invoice.due_at.isoformat(),
        "reference": invoice.reference,
        "seller": seller_now(),
        "buyer": buyer_now(account),
        "lines": [_line_snapshot(line) for line in lines],
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


def _line_snapshot(line: DraftLine) -> InvoiceLineSnapshot:
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
