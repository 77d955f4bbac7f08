"""Pay Now!: with credit, through a gateway, or with credit first and a gateway for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Final
from uuid import UUID

from models.access.identity import Actor
from models.clock import now
from models.credit import spending
from models.credit.limits import check_room
from models.db import sql
from models.db.record import new_id, public_id
from models.db.tasks import to_the_end
from models.db.transactions import Conflict
from models.errors import (
    AccountFrozen,
    AmountOutOfRange,
    CreditNotApplicable,
    GatewayFailed,
    GatewayNotAvailable,
    InsufficientCredit,
    Invalid,
    InvoiceNotPayable,
    NotFound,
    PaymentInProgress,
    Refusal,
)
from models.gateway import Gateway, accepts
from models.invoices.invoice import PAYABLE, Invoice, InvoiceKind, made_invoice
from models.invoices.invoice import visible as invoice_visible
from models.invoices.order import spend_on
from models.journal import idempotency, outbox
from models.ledger.book import Book, book
from models.ledger.chart import LedgerKind, house_account, open_accounts
from models.money import Money
from models.payments.calls import LEASE, joined, start
from models.payments.circuit import is_down
from models.payments.locked import LockedPayment, cancel_others, supersede
from models.payments.payment import (
    OPEN_SQL,
    Payment,
    PaymentStatus,
    check_another,
    open_of,
    require_payer,
)
from models.provider.provider import house, origin_of
from models.reference import new_reference


@dataclass(frozen=True, slots=True)
class Paid:
    """What paying made of the invoice, and the gateway payment that began, if one did."""

    invoice: Invoice
    payment: Payment | None


@dataclass(frozen=True, slots=True)
class Wish:
    """How somebody wants to pay."""

    use_credit: bool
    credit_limit: Decimal | None
    gateway: str | None
    return_url: str | None


@dataclass(frozen=True, slots=True)
class Payable:
    """An invoice that can be paid, as it was read."""

    invoice: Invoice
    has_open_payments: bool


async def pay(
    invoice_id: UUID,
    *,
    use_credit: bool,
    credit_limit: Decimal | None,
    gateway: str | None,
    return_url: str | None,
    by: Actor,
    key: str,
) -> Paid:
    """Pay an invoice. Credit pays at once; a gateway payment begins, and says what to do next.

    Raises NotFound, InvoiceNotPayable, PaymentInProgress, CreditNotApplicable, AccountFrozen,
    InsufficientCredit, GatewayNotAvailable, GatewayFailed, BalanceLimitExceeded, NotAllowed where
    the invoice has had as many payments as it may have, Invalid at `return_url`.
    """
    require_payer(by)
    wish = Wish(use_credit, credit_limit, gateway, return_url)
    payment_id = new_id()
    read: list[Payable] = []
    runs = count()
    begun = False
    paid: Invoice | None = None

    async def prepare() -> None:
        read.append(await _payable(invoice_id, wish, by))

    async def work() -> None:
        nonlocal begun, paid
        found = read[0]
        async with book(found.invoice.account_id, found.invoice.currency) as opened:
            # A second run follows on a conflict: then what was read before the lock is no good.
            if next(runs):
                found = await _payable(invoice_id, wish, by)
            try:
                begun = await _pay(opened, found, wish, payment_id)
            except Refusal:
                await _check_unchanged(found.invoice)
                raise
        paid = None if begun else found.invoice

    async def admit(_made: idempotency.Result) -> None:
        if await invoice_visible(invoice_id, by) is None:
            raise NotFound("invoice_id")

    given = {
        "invoice": invoice_id.hex,
        "use_credit": use_credit,
        "credit_limit": None if credit_limit is None else str(credit_limit),
        "gateway": gateway,
        "return_url": return_url,
    }
    made = {
        "invoice": public_id(Invoice.PREFIX, invoice_id),
        "payment": public_id(Payment.PREFIX, payment_id),
    }
    done = await idempotency.once(
        by, key, "payInvoice", given, made, admit=admit, work=work, prepare=prepare
    )
    if done is made and paid is not None:
        return Paid(paid, None)  # as it was committed
    payment = None
    if done is not made:
        payment = await joined(done["payment"], by, key)
    elif begun:
        payment = await to_the_end(start(payment_id, by, key))
    return Paid(await made_invoice(done), payment)


_PAYABLE: Final = f"""
SELECT i.*, EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id AND p.status IN {OPEN_SQL})
       AS has_open_payments
  FROM invoice i WHERE i.id = $1
"""


async def _payable(invoice_id: UUID, wish: Wish, by: Actor) -> Payable:
    """The invoice, where it can be paid as wished."""
    row = await sql.fetch_one(_PAYABLE, invoice_id)
    if row is None or not by.sees(row["account_id"]):
        raise NotFound("invoice_id")
    has_open = bool(row.pop("has_open_payments"))
    invoice = sql.record_of(Invoice, row)
    if invoice.status not in PAYABLE:
        raise InvoiceNotPayable("invoice_id", status=invoice.status)
    if wish.use_credit and invoice.kind == InvoiceKind.FUNDS:
        raise CreditNotApplicable("use_credit")
    if wish.return_url is not None and origin_of(wish.return_url) not in house().return_origins:
        raise Invalid("return_url", problem="return_origin")
    return Payable(invoice, has_open)


async def _check_unchanged(invoice: Invoice) -> None:
    """Raises Conflict where it has changed since it was read: then nothing is refused for it."""
    row = await sql.fetch_one("SELECT revision FROM invoice WHERE id = $1", invoice.id)
    if row is None or row["revision"] != invoice.revision:
        raise Conflict


async def _pay(opened: Book, found: Payable, wish: Wish, payment_id: UUID) -> bool:
    """Pay with credit alone, or begin a payment: whether one has begun."""
    invoice = found.invoice
    if wish.use_credit and opened.stopped:
        raise AccountFrozen("use_credit")
    # Before anything is counted: the credit that they hold is free for what takes their place.
    under_way = found.has_open_payments and await _supersede(opened, invoice)
    part = _credit_part(opened, invoice, wish)
    if part == invoice.amount_due:
        await spend_on(opened, invoice, part)
        if found.has_open_payments:
            await cancel_others(invoice, opened)
        return False
    if under_way:
        raise PaymentInProgress("invoice_id")
    gateway = _gateway_for(opened, invoice, wish)
    part, rest = _split(gateway, invoice, part)
    await _begin(opened, invoice, gateway, wish, payment_id, part=part, rest=rest)
    return True


def _credit_part(opened: Book, invoice: Invoice, wish: Wish) -> int:
    """How much credit goes first: as far as it is there, is wanted, and is due."""
    if not wish.use_credit:
        return 0
    most = invoice.amount_due
    if wish.credit_limit is not None:
        limit = Money.parse(wish.credit_limit, invoice.currency, "credit_limit")
        if limit.minor < 0:
            raise AmountOutOfRange("credit_limit", minimum=Money.zero(invoice.currency))
        most = min(most, limit.minor)
    return min(most, opened.available)


def _gateway_for(opened: Book, invoice: Invoice, wish: Wish) -> Gateway:
    code = wish.gateway or invoice.gateway
    if code is None and wish.use_credit:
        raise InsufficientCredit(
            available=Money(opened.available, invoice.currency),
            required=Money(invoice.amount_due, invoice.currency),
        )
    if code is None:
        raise GatewayNotAvailable("gateway")
    gateway = house().gateway(code, "gateway")
    if is_down(code):
        raise GatewayFailed("gateway", problem="down")
    return gateway


def _split(gateway: Gateway, invoice: Invoice, part: int) -> tuple[int, int]:
    """(credit, gateway) parts of what is due: less credit where the rest would be too little for
    the gateway.
    """
    due = invoice.amount_due
    minimum = gateway.minimum(invoice.currency)
    if part and minimum is not None and due - part < minimum.minor:
        part = max(0, due - minimum.minor)
    if not accepts(gateway, Money(due - part, invoice.currency)):
        raise GatewayNotAvailable("gateway")
    return part, due - part


# ------------------------------------------------------------------------------- beginning


async def _begin(
    opened: Book,
    invoice: Invoice,
    gateway: Gateway,
    wish: Wish,
    payment_id: UUID,
    *,
    part: int,
    rest: int,
) -> None:
    await check_another(invoice.id, "invoice_id")
    amount = Money(rest, invoice.currency)
    if invoice.kind == InvoiceKind.FUNDS:
        await check_room(opened, amount, "invoice_id", invoice_id=invoice.id)
    payment = Payment(
        id=payment_id,
        created_at=now(),
        invoice_id=invoice.id,
        account_id=invoice.account_id,
        currency=invoice.currency,
        gateway=gateway.code,
        status=PaymentStatus.CREATED.value,
        amount=rest,
        fee=gateway.fee(amount).minor,
        credit_part=part,
        reference=new_reference(),
        return_url=wish.return_url or "",
        lease_at=now() + LEASE,
    )
    payment.next_check_at = payment.check_after()
    await open_accounts(
        invoice.currency, [house_account(LedgerKind.CLEARING, invoice.currency, gateway.code)]
    )
    await sql.insert("payment", [sql.row_of(payment)])
    if part:
        await spending.hold(opened, payment_id, part)
    await invoice.change(gateway=gateway.code)
    facts = {"invoice": invoice.public_id, "status": payment.status}
    await outbox.record(
        [
            outbox.Fact("payment.begun", invoice.account_id, payment_id, facts),
            outbox.Fact("invoice.updated", invoice.account_id, invoice.id),
        ]
    )
    opened.touch()


async def _supersede(opened: Book, invoice: Invoice) -> bool:
    """A new payment takes the place of those that wait for the client: whether one is under way."""
    under_way = False
    for other in await open_of(invoice.id):
        leased = other.lease_at is not None and other.lease_at > now()
        if other.status == PaymentStatus.PROCESSING or (
            other.status == PaymentStatus.CREATED and leased
        ):
            under_way = True
        else:
            await supersede(LockedPayment(other, invoice, opened, other.id.hex))
    return under_way
