"""Payments: one attempt each to pay an invoice through one gateway. Nothing regresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.access.identity import Actor, MemberRole, Role, seen
from models.db import sql
from models.db.record import Changing
from models.gateway import (
    ConfirmCard,
    NextAction,
    PaymentOrder,
    Redirect,
    TransferInstructions,
)
from models.invoices.allocation import Allocation, of_payments
from models.invoices.invoice import Invoice
from models.money import Money
from models.provider.provider import provider
from models.status import OPEN, OPEN_SQL, PaymentStatus

#: When the gateway is asked about a payment that no message has come for, after it began.
_CHECKS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (2, 5, 15, 60, 240, 720, 1440, 2880, 5760, 10080)
)


class Payment(Changing):
    """One attempt. All amounts are minor units.

    `amount` is what it pays of the invoice, `fee` what the gateway adds. Of what came in
    (`received`), `fee_taken` is the gateway's, `applied` counts on the invoice, `excess` became
    credit, and `taken_back` the gateway has taken back:
    received = fee_taken + applied + excess + taken_back, always.
    `lease_at` is until when somebody is asking the gateway to begin.

    One for `several` invoices has an allocation for each; `invoice_id` is the first of them.
    """

    PREFIX: ClassVar[str] = "pay"

    invoice_id = fields.UUIDField()
    account_id = fields.UUIDField()
    currency = fields.CharField(max_length=3)
    gateway = fields.CharField(max_length=64)
    status = fields.CharField(max_length=16)
    amount = fields.BigIntField()
    fee = fields.BigIntField(default=0)
    credit_part = fields.BigIntField(default=0)
    received = fields.BigIntField(default=0)
    taken_back = fields.BigIntField(default=0)
    fee_taken = fields.BigIntField(default=0)
    applied = fields.BigIntField(default=0)
    excess = fields.BigIntField(default=0)
    disputed = fields.BooleanField(default=False)
    several = fields.BooleanField(default=False, db_default=False)
    reference = fields.CharField(max_length=40)
    gateway_ref = fields.CharField(max_length=255, default="")
    return_url = fields.CharField(max_length=2048, default="")
    action: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    failure = fields.CharField(max_length=64, null=True)
    lease_at = fields.DatetimeField(null=True)
    expires_at = fields.DatetimeField(null=True)
    completed_at = fields.DatetimeField(null=True)
    heard_at = fields.DatetimeField(null=True)
    next_check_at = fields.DatetimeField(null=True)
    checks = fields.IntField(default=0)

    class Meta:
        table = "payment"

    #: What each invoice gets, in their order, where there are several; read with the payment.
    allocations: Sequence[Allocation] = ()

    @property
    def invoice_ids(self) -> list[UUID]:
        """All that it pays, in the order in which it does."""
        return [one.invoice_id for one in self.allocations] or [self.invoice_id]

    @property
    def resource(self) -> Hashable:
        """What commands and steps of one batch that change it must not share; None: it is changed
        by itself.
        """
        return None if self.several else ("invoice", self.invoice_id)

    @property
    def charged(self) -> int:
        """What the client pays, the gateway's fee in it; minor units."""
        charged: int = self.amount + self.fee
        return charged

    @property
    def has_receipt(self) -> bool:
        """Whether there is money to give a receipt for."""
        return bool(self.received)

    @property
    def net_received(self) -> int:
        """What of the money received wasn't the gateway's fee; minor units."""
        net: int = self.received - self.fee_taken
        return net

    @property
    def kept(self) -> int:
        """What of the money received wasn't taken back; minor units."""
        kept: int = self.received - self.taken_back
        return kept

    @property
    def paid_at(self) -> datetime:
        """The moment that its receipt gives."""
        paid_at: datetime = self.completed_at or self.created_at
        return paid_at

    @property
    def printed_status(self) -> str:
        """How its receipt says that it stands."""
        if not self.taken_back:
            return "PAID"
        return "PARTLY_REFUNDED" if self.kept > 0 else "REFUNDED"

    @property
    def is_open(self) -> bool:
        """Whether it has begun and not ended."""
        return self.status in OPEN

    @property
    def has_gateway(self) -> bool:
        """Whether its gateway is configured: otherwise it can't be asked, and sends nothing."""
        return self.gateway in provider().gateways

    @property
    def next_action(self) -> NextAction | None:
        """What the client must do next; None when nothing is."""
        if self.status != PaymentStatus.REQUIRES_ACTION or not self.action:
            return None
        return _action_of(self.action)

    def order(self, invoice: Invoice) -> PaymentOrder:
        """This payment as its gateway knows it."""
        buyer = invoice.snapshot["buyer"]
        return PaymentOrder(
            id=self.public_id,
            amount=Money(self.charged, self.currency),
            invoice_number=invoice.number,
            reference=self.reference,
            email=buyer["email"],
            locale=buyer["locale"],
            return_url=f"{provider().public_url}/return/{self.public_id}",
            created_at=self.created_at,
            gateway_ref=self.gateway_ref,
            is_open=self.is_open,
        )

    def check_after(self, moment: datetime) -> datetime:
        """When the gateway is asked next, if it stays silent: at growing intervals from `moment`,
        and at the payment's expiry.
        """
        after = moment + _CHECKS[min(self.checks, len(_CHECKS) - 1)]
        expiry = self.expires_at
        return expiry if expiry is not None and moment < expiry < after else after


# ------------------------------------------------------------------------------- next actions

_ACTIONS: Final[dict[str, type[Redirect | ConfirmCard | TransferInstructions]]] = {
    "redirect": Redirect,
    "confirm_card": ConfirmCard,
    "transfer": TransferInstructions,
}


def action_json(action: NextAction | None) -> dict[str, Any] | None:
    """A next action as the `action` column keeps it."""
    if action is None:
        return None
    kind = next(name for name, cls in _ACTIONS.items() if isinstance(action, cls))
    facts = {name: getattr(action, name) for name in action.__dataclass_fields__}
    return {"kind": kind, **facts}


def _moment(stored: str | datetime) -> datetime:
    return stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)


def _action_of(stored: dict[str, Any]) -> NextAction:
    facts = {name: value for name, value in stored.items() if name != "kind"}
    if facts.get("expires_at"):
        facts["expires_at"] = _moment(facts["expires_at"])
    return _ACTIONS[stored["kind"]](**facts)


# ------------------------------------------------------------------------------- reading


async def read(payment_id: UUID) -> Payment | None:
    """The payment, without a check of who asks; None if it does not exist."""
    return (await by_ids([payment_id])).get(payment_id)


async def visible(
    payment_id: UUID | None, by: Actor, find: Callable[[UUID], Awaitable[Payment | None]] = read
) -> Payment | None:
    """The payment, if it is there and `by` may see it. Raises Forbidden."""
    return await seen("invoices:read", payment_id, by, find)


async def by_ids(ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """The payments with these ids; one statement. Unknown ids are left out."""
    found = await sql.by_ids(Payment, ids)
    await _allocate(found.values())
    return found


async def of_invoices(ids: Sequence[UUID]) -> dict[UUID, list[Payment]]:
    """The payments of these invoices, those for several among them, oldest first."""
    found: defaultdict[UUID, list[Payment]] = defaultdict(list)
    for invoice_id, payment in await _of(ids):
        found[invoice_id].append(payment)
    return dict(found)


async def _of(ids: Sequence[UUID], which: str = "", *args: object) -> list[tuple[UUID, Payment]]:
    """Payments of these invoices, with the invoice, oldest first; `which` of them is SQL."""
    if not ids:
        return []
    rows = await sql.fetch(
        "SELECT p.*, p.invoice_id AS of_invoice_id FROM payment p"
        f" WHERE {sql.any_of('p.invoice_id', 1)}{which} UNION ALL"
        " SELECT p.*, a.invoice_id FROM payment_allocation a JOIN payment p ON p.id = a.payment_id"
        f" WHERE a.place > 0 AND {sql.any_of('a.invoice_id', 1)}{which} ORDER BY id",
        list(ids),
        *args,
    )
    records: dict[UUID, Payment] = {}
    found = []
    for row in rows:
        invoice_id: UUID = row.pop("of_invoice_id")
        payment = records.get(row["id"]) or sql.record_of(Payment, row)
        records[payment.id] = payment
        found.append((invoice_id, payment))
    await _allocate(records.values())
    return found


async def _allocate(payments: Iterable[Payment]) -> None:
    """Read the allocations of those that have some."""
    several = [one for one in payments if one.several]
    if several:
        found = await of_payments([one.id for one in several])
        for payment in several:
            payment.allocations = found[payment.id]


async def with_open_ones(
    keys: Sequence[tuple[UUID, UUID]],
) -> dict[tuple[UUID, UUID], list[Payment]]:
    """By an invoice and a payment of it: this payment as it is now, if it is there, and the open
    payments of the invoice, oldest first.
    """
    which = f" AND ({sql.any_of('p.id', 2)} OR p.status IN {OPEN_SQL})"
    rows = await _of([key[0] for key in keys], which, [id for _, id in keys])
    return {
        (invoice_id, id): [
            one for its, one in rows if its == invoice_id and (one.id == id or one.is_open)
        ]
        for invoice_id, id in keys
    }


def require_payer(by: Actor) -> None:
    """Raises Forbidden for partners whose key may write neither invoices nor funds, and members who
    only read.
    """
    by.require_member(MemberRole.BILLING)
    if by.role is Role.PARTNER and not by.may("funds:write"):
        by.require_scope("invoices:write")
