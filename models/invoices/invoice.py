"""Invoices: issued, numbered without gaps, frozen as they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from models.access.identity import Actor, Role
from models.clock import now
from models.credit.balance import EXPIRED_SQL
from models.db import sql
from models.db.page import Page, PageRequest, by_id, fetch_page
from models.db.record import Changing, parse_id
from models.db.transactions import Conflict, ring
from models.errors import Forbidden, NotFound
from models.invoices.snapshot import InvoiceSnapshot
from models.journal import idempotency
from models.provider.day import today


class InvoiceKind(StrEnum):
    """What an invoice is for."""

    FUNDS = "FUNDS"
    "Adds funds: paying it credits the account. Never payable with credit."
    ORDER = "ORDER"
    "Goods or services: payable through a gateway, with credit, or both."


class InvoiceStatus(StrEnum):
    """The status of an invoice."""

    UNPAID = "UNPAID"
    "Issued, and not fully paid."
    PROCESSING = "PROCESSING"
    "A payment is in progress and not confirmed yet."
    PAID = "PAID"
    "Paid in full."
    VOID = "VOID"
    "Voided: nothing is due anymore."
    REFUNDED = "REFUNDED"
    "Paid, then reversed by the gateway (refund or dispute)."


PAYABLE = frozenset({InvoiceStatus.UNPAID.value, InvoiceStatus.PROCESSING.value})


class Invoice(Changing):
    """What is to be paid, in minor units.

    `amount_paid` has the credit in it and what was returned taken off. `revision` grows with every
    change, so that a decision made on an older reading is noticed. `transfer_reference` is what a
    bank transfer quotes that pays it before anybody has begun a payment, `source` the idempotency
    key that it was issued for, UNIQUE for good.
    """

    PREFIX: ClassVar[str] = "inv"

    account_id = fields.UUIDField()
    number = fields.CharField(max_length=64)
    kind = fields.CharField(max_length=8)
    status = fields.CharField(max_length=16)
    currency = fields.CharField(max_length=3)
    subtotal = fields.BigIntField()
    tax = fields.BigIntField()
    total = fields.BigIntField()
    credit_applied = fields.BigIntField(default=0)
    amount_paid = fields.BigIntField(default=0)
    issued_at = fields.DatetimeField()
    due_at = fields.DatetimeField()
    due_on = fields.CharField(max_length=10, db_default="")
    paid_at = fields.DatetimeField(null=True)
    voided_at = fields.DatetimeField(null=True)
    void_reason = fields.CharField(max_length=500, null=True)
    credit_note_number = fields.CharField(max_length=64, null=True)
    gateway = fields.CharField(max_length=64, null=True)
    reference = fields.CharField(max_length=200, null=True)
    transfer_reference = fields.CharField(max_length=25, null=True)
    source = fields.CharField(max_length=64, null=True)
    snapshot: fields.Field[InvoiceSnapshot] = fields.JSONField()
    revision = fields.BigIntField(default=0)

    class Meta:
        table = "invoice"

    @property
    def amount_due(self) -> int:
        """What is still to be paid, in minor units."""
        due: int = self.total - self.amount_paid
        return due

    @property
    def overdue(self) -> bool:
        """Whether its due day, which is the seller's, is over, and it is not paid."""
        return self.status in PAYABLE and self.due_on < today().isoformat()

    async def _write(self, changes: dict[str, object]) -> None:
        """Unless somebody else has written since (Conflict)."""
        assignments = ", ".join(f"{name} = ${n}" for n, name in enumerate(changes, 3))
        changed = await sql.execute(
            f"UPDATE invoice SET revision = revision + 1, {assignments}"
            " WHERE id = $1 AND revision = $2",
            self.id,
            self.revision,
            *changes.values(),
        )
        if changed != 1:
            raise Conflict
        self.revision += 1
        ring(f"invoice:{self.id.hex}")


class InvoiceLine(Model):
    """One line: `unit_price` and `total` net in minor units, the rest exact decimals;
    `unit_price_exact` in major units.
    """

    id = fields.UUIDField(primary_key=True)
    invoice_id = fields.UUIDField()
    position = fields.SmallIntField()
    description = fields.CharField(max_length=500)
    quantity = fields.CharField(max_length=32)
    unit_price = fields.BigIntField()
    unit_price_exact = fields.CharField(max_length=32, db_default="")
    tax_rate = fields.CharField(max_length=16)
    total = fields.BigIntField()

    class Meta:
        table = "invoice_line"


class NumberSeries(Model):
    """The last number that was given out in a series."""

    name = fields.CharField(max_length=64, primary_key=True)
    last_number = fields.BigIntField()

    class Meta:
        table = "number_series"


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which invoices; None means any."""

    status: Sequence[str] | None = None
    kind: str | None = None
    reference: str | None = None
    issued_after: datetime | None = None
    issued_before: datetime | None = None
    overdue: bool | None = None


# ------------------------------------------------------------------------------- reading


async def visible(invoice_id: UUID, by: Actor) -> Invoice | None:
    """The invoice, if it is there and `by` may see it."""
    by.require_scope("invoices:read")
    invoice = await read(invoice_id)
    return invoice if invoice is not None and by.sees(invoice.account_id) else None


async def visible_by_number(number: str, by: Actor) -> Invoice | None:
    """The invoice with this number, if it is there and `by` may see it."""
    by.require_scope("invoices:read")
    rows = await sql.records(Invoice, "SELECT * FROM invoice WHERE number = $1", number)
    return rows[0] if rows and by.sees(rows[0].account_id) else None


async def read(invoice_id: UUID) -> Invoice | None:
    """The invoice, whoever asks; None where there is none."""
    return (await by_ids([invoice_id])).get(invoice_id)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Invoice]:
    """The invoices with these ids; one statement. An id of none is left out."""
    rows = await sql.records(
        Invoice,
        f"SELECT * FROM invoice WHERE id IN ({sql.placeholders(len(ids))})",
        *ids,
    )
    return {invoice.id: invoice for invoice in rows}


async def page(
    request: PageRequest,
    *,
    by: Actor,
    account_id: UUID | None = None,
    filter: InvoiceFilter | None = None,
) -> Page[Invoice]:
    """Invoices of one account, newest first; of all accounts in sight where it is None.

    Raises NotFound at `account_id` for one that is not in sight.
    """
    by.require_scope("invoices:read")
    where, args = _in_sight(by, account_id)
    if filter is not None:
        where += _filtered(filter, args)
    return await fetch_page(Invoice, where, args, request, by_id(Invoice.PREFIX))


def _in_sight(by: Actor, account_id: UUID | None) -> tuple[str, list[Any]]:
    if account_id is None and by.role is Role.CLIENT:
        account_id = by.own_account()
    if account_id is not None:
        if not by.sees(account_id):
            raise NotFound("account_id")
        return "account_id = $1", [account_id]
    if by.is_staff or by.accounts is None:
        return "1 = 1", []
    if not by.accounts:
        raise Forbidden("accounts")
    return f"account_id IN ({sql.placeholders(len(by.accounts))})", sorted(by.accounts, key=str)


def _filtered(filter: InvoiceFilter, args: list[Any]) -> str:
    clauses: list[str] = []

    def add(clause: str, *values: object) -> None:
        start = len(args) + 1
        args.extend(values)
        clauses.append(clause.replace("?", sql.placeholders(len(values), start)))

    if filter.status is not None:
        add("status IN (?)", *filter.status) if filter.status else add("1 = 0")
    if filter.kind is not None:
        add("kind = ?", filter.kind)
    if filter.reference is not None:
        add("reference = ?", filter.reference)
    if filter.issued_after is not None:
        add("issued_at > ?", filter.issued_after)
    if filter.issued_before is not None:
        add("issued_at < ?", filter.issued_before)
    if filter.overdue is not None:
        negation = "" if filter.overdue else "NOT "
        add(f"{negation}(status IN ('UNPAID', 'PROCESSING') AND due_on < ?)", today().isoformat())
    return "".join(f" AND {clause}" for clause in clauses)


async def lines_of(ids: Sequence[UUID]) -> dict[UUID, list[InvoiceLine]]:
    """The lines of these invoices, in their order; one statement."""
    rows = await sql.records(
        InvoiceLine,
        "SELECT * FROM invoice_line"
        f" WHERE invoice_id IN ({sql.placeholders(len(ids))}) ORDER BY invoice_id, position",
        *ids,
    )
    lines: defaultdict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in rows:
        lines[line.invoice_id].append(line)
    return lines


_APPLICABLE = f"""
SELECT i.id, CASE WHEN a.frozen OR a.open_disputes > 0 OR b.debt > 0 THEN 0
       ELSE b.available - {EXPIRED_SQL.format(now="$1")} END AS available
  FROM invoice i JOIN account a ON a.id = i.account_id
  JOIN balance b ON b.account_id = i.account_id AND b.currency = i.currency
"""


async def credit_applicable(invoices: Sequence[Invoice]) -> dict[UUID, int]:
    """How much available credit could pay of each, now; minor units. One statement."""
    open_orders = {
        invoice.id: invoice.amount_due
        for invoice in invoices
        if invoice.kind == InvoiceKind.ORDER and invoice.status in PAYABLE
    }
    if not open_orders:
        return {}
    ids = list(open_orders)
    statement = f"{_APPLICABLE} WHERE i.id IN ({sql.placeholders(len(ids), 2)})"
    rows = await sql.fetch(statement, now(), *ids)
    return {row["id"]: min(int(row["available"]), open_orders[row["id"]]) for row in rows}


async def made_invoice(done: idempotency.Result) -> Invoice:
    """The invoice that a keyed operation made, as it is now."""
    invoice_id = parse_id(Invoice.PREFIX, done["invoice"])
    assert invoice_id is not None
    invoice = await read(invoice_id)
    assert invoice is not None, "invoices are never deleted"
    return invoice
