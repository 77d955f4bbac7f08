"""Invoices: issued, numbered without gaps, frozen as they were."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields
from typing_extensions import override

from models.access.identity import Actor, Role, seen
from models.clock import now
from models.credit.balance import EXPIRED_SQL
from models.db import sql
from models.db.changes import Changes
from models.db.page import Page, PageRequest, Rows, by_id, fetch_page, fetch_pages
from models.db.record import Changing, Table
from models.db.together import find_one
from models.db.transactions import ring
from models.errors import Forbidden, NotFound
from models.invoices.snapshot import InvoiceSnapshot
from models.journal.topics import topic_of_invoice
from models.ledger.stopped import BALANCE_STOPPED
from models.provider.day import today
from models.status import PAYABLE, PAYABLE_SQL, InvoiceStatus


class InvoiceKind(StrEnum):
    """What an invoice is for."""

    FUNDS = "FUNDS"
    "Adds funds: paying it credits the account. Never payable with credit."
    ORDER = "ORDER"
    "Goods or services: payable through a gateway, with credit, or both."


class Invoice(Changing):
    """What is to be paid, in minor units.

    `amount_paid` has the credit in it and what was returned taken off. `revision` grows with every
    change, so that a decision made on an older reading is noticed. `transfer_reference` is what a
    bank transfer quotes that pays it before anybody has begun a payment. `details` are what the API
    calls its metadata: a partner's notes, on no document.
    """

    PREFIX: ClassVar[str] = "inv"
    REVISION: ClassVar[str | None] = "revision"

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
    overdue_told_at = fields.DatetimeField(null=True)
    credit_note_number = fields.CharField(max_length=64, null=True)
    gateway = fields.CharField(max_length=64, null=True)
    reference = fields.CharField(max_length=200, null=True)
    transfer_reference = fields.CharField(max_length=25, null=True)
    snapshot: fields.Field[InvoiceSnapshot] = fields.JSONField()
    revision = fields.BigIntField(default=0)
    details: fields.Field[dict[str, str] | None] = fields.JSONField(null=True)

    class Meta:
        table = "invoice"

    @property
    def amount_due(self) -> int:
        """What is still to be paid, in minor units."""
        due: int = self.total - self.amount_paid
        return due

    @property
    def asked_for(self) -> int:
        """What a document asks for: nothing once it can no longer be paid. Minor units."""
        return self.amount_due if self.status in PAYABLE else 0

    @property
    def is_void(self) -> bool:
        """Whether it has been voided."""
        return self.voided_at is not None

    @property
    def overdue(self) -> bool:
        """Whether its due day, which is the seller's, is over, and it is not paid."""
        return self.status in PAYABLE and self.due_on < today().isoformat()

    @property
    def printed_status(self) -> str:
        """Its status as documents print it: OVERDUE in place of UNPAID where it is."""
        is_late = self.status == InvoiceStatus.UNPAID and self.overdue
        return "OVERDUE" if is_late else self.status

    @override
    def write_to(self, changes: Changes) -> bool:
        is_changed = super().write_to(changes)
        if is_changed:
            ring(topic_of_invoice(self.id))
        return is_changed


class InvoiceSource(Table):
    """The idempotency key that an invoice was issued for, UNIQUE for good."""

    source = fields.CharField(max_length=64, primary_key=True)
    invoice_id = fields.UUIDField()

    class Meta:
        table = "invoice_source"


class InvoiceCount(Table):
    """How many invoices an account has. Triggers maintain it, whatever adds invoices."""

    account_id = fields.UUIDField(primary_key=True)
    invoices = fields.BigIntField()

    class Meta:
        table = "invoice_count"


class InvoiceLine(Table):
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


async def read(invoice_id: UUID) -> Invoice | None:
    """The invoice, without a check of who asks; None if it does not exist."""
    return (await by_ids([invoice_id])).get(invoice_id)


async def visible(
    invoice_id: UUID | None, by: Actor, find: Callable[[UUID], Awaitable[Invoice | None]] = read
) -> Invoice | None:
    """The invoice, if it is there and `by` may see it. Raises Forbidden."""
    return await seen("invoices:read", invoice_id, by, find)


async def visible_by_number(number: str, by: Actor) -> Invoice | None:
    """The invoice with this number, if it is there and `by` may see it."""
    by.require_scope("invoices:read")
    rows = await sql.records(Invoice, "SELECT * FROM invoice WHERE number = $1", number)
    return rows[0] if rows and by.sees(rows[0].account_id) else None


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Invoice]:
    """The invoices with these ids; one statement. Unknown ids are left out."""
    return await sql.by_ids(Invoice, ids)


async def page(
    request: PageRequest,
    *,
    by: Actor,
    account_id: UUID | None = None,
    filter: InvoiceFilter | None = None,
    columns: frozenset[str] | None = None,
) -> Page[Invoice]:
    """Invoices of one account, newest first, without their snapshots; of all accounts in sight
    where it is None. Where `columns` are named, they have these and their ids alone.

    Raises NotFound at `account_id` for one that is not in sight.
    """
    by.require_scope("invoices:read")
    rows = _chosen(_in_sight(by, account_id), filter, columns)
    return await fetch_page(Invoice, rows, request, by_id(Invoice.PREFIX))


@dataclass(frozen=True, slots=True)
class InvoiceList:
    """A page of one account's invoices, as `page` has it."""

    account_id: UUID
    request: PageRequest
    filter: InvoiceFilter | None = None
    columns: frozenset[str] | None = None


async def page_of(
    asked: InvoiceList, by: Actor, find: Callable[[InvoiceList], Awaitable[Page[Invoice]]]
) -> Page[Invoice]:
    """A page that `find` reads, perhaps together with those of other accounts (`pages_of`).

    Raises Forbidden, and NotFound at `account_id`.
    """
    by.require_scope("invoices:read")
    by.account_meant(asked.account_id)
    return await find(asked)


async def pages_of(lists: Sequence[InvoiceList]) -> dict[InvoiceList, Page[Invoice]]:
    """Pages that differ in nothing but their accounts, without a check of who asks."""
    rows = [_chosen(Rows(_OF_ONE, [one.account_id]), one.filter, one.columns) for one in lists]
    found = await fetch_pages(Invoice, rows, lists[0].request, by_id(Invoice.PREFIX))
    return dict(zip(lists, found, strict=True))


def _chosen(rows: Rows, filter: InvoiceFilter | None, columns: frozenset[str] | None) -> Rows:
    _choose(rows, filter or InvoiceFilter())
    # A snapshot is longer than all the rest of its row, and only documents show it.
    only = None if columns is None else columns | {"id"}
    rows.columns = sql.columns(Invoice, only=only, without="snapshot")
    return rows


def _in_sight(by: Actor, account_id: UUID | None) -> Rows:
    if account_id is None and by.role is Role.CLIENT:
        account_id = by.own_account()
    if account_id is not None:
        if not by.sees(account_id):
            raise NotFound("account_id")
        return Rows(_OF_ONE, [account_id])
    if by.is_staff or by.accounts is None:
        return Rows("1 = 1")
    if not by.accounts:
        raise Forbidden("accounts")
    return Rows(sql.any_of("account_id", 1), [sorted(by.accounts, key=str)])


#: The list of one account has indexes for what it is filtered by.
_OF_ONE: Final = "account_id = $1"


def _choose(rows: Rows, filter: InvoiceFilter) -> None:
    """Restrict `rows` to those of the filter."""
    if filter == InvoiceFilter():
        rows.total = "SELECT CAST(COALESCE(SUM(invoices), 0) AS BIGINT) AS total FROM invoice_count"
        return
    of_one = rows.where == _OF_ONE
    clauses = list(_clauses(rows, filter))
    rows.few = of_one and (filter.overdue is True or filter.reference is not None or _dated(filter))
    rows.where += "".join(f" AND {clause}" for clause in clauses)
    if filter.status is None:
        return
    if of_one and filter.status and not rows.few:
        rows.each = ("status", sorted(set(filter.status)))
        return
    status = _NOT_BY_INDEX if rows.few else "status"
    rows.where += f" AND {status} IN ({', '.join(map(rows.arg, filter.status)) or 'NULL'})"


#: SQLite, which keeps no statistics, would look for what has a status before all else.
_NOT_BY_INDEX: Final = "status || ''"


def _dated(filter: InvoiceFilter) -> bool:
    return filter.issued_after is not None or filter.issued_before is not None


def _clauses(rows: Rows, filter: InvoiceFilter) -> Iterator[str]:
    """What the filter demands beside the status."""
    if filter.kind is not None:
        yield f"kind = {rows.arg(filter.kind)}"
    if filter.reference is not None:
        yield f"reference = {rows.arg(filter.reference)}"
    if filter.issued_after is not None:
        yield f"issued_at > {rows.arg(filter.issued_after)}"
    if filter.issued_before is not None:
        yield f"issued_at < {rows.arg(filter.issued_before)}"
    if filter.overdue is not None:
        negation = "" if filter.overdue else "NOT "
        yield f"{negation}(status IN {PAYABLE_SQL} AND due_on < {rows.arg(today().isoformat())})"


async def lines_of(ids: Sequence[UUID]) -> dict[UUID, list[InvoiceLine]]:
    """The lines of these invoices, in their order; one statement."""
    return await sql.of_each(InvoiceLine, "invoice_id", ids, order="position")


_APPLICABLE = f"""
SELECT i.id, CASE WHEN {BALANCE_STOPPED} THEN 0
       ELSE b.available - {EXPIRED_SQL.format(now="$1")} END AS available
  FROM invoice i JOIN account a ON a.id = i.account_id
  JOIN balance b ON b.account_id = i.account_id AND b.currency = i.currency
"""


async def visible_credit_applicable(
    invoice: Invoice, by: Actor, find: Callable[[Invoice], Awaitable[int]]
) -> int:
    """What `find` (see `credit_applicable`) says of an invoice. Raises Forbidden."""
    by.require_scope("credit:read")
    return await find(invoice)


async def credit_applicable(invoices: Sequence[Invoice]) -> dict[UUID, int]:
    """How much available credit could pay of each, now, whoever asks; minor units. One
    statement.
    """
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


async def made_invoice(invoice_id: UUID) -> Invoice:
    """An invoice that was made, as it is now."""
    invoice = await find_one(by_ids, invoice_id)
    assert invoice is not None, "invoices are never deleted"
    return invoice
