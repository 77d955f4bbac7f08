"""Capturing a hold: what was reserved is billed, by an ORDER invoice that it pays at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor
from models.accounts import account as accounts
from models.accounts.account import Account
from models.credit.hold import holds_of
from models.credit.reservation import Reservation, ReservationState, Reserved, named, reserved_by
from models.errors import AccountFrozen, AmountOutOfRange, Invalid
from models.invoices.draft import Draft, DraftLine, gross
from models.invoices.invoice import Invoice, InvoiceKind, made_invoice
from models.invoices.issue import issue
from models.invoices.order import OrderLine, drafted
from models.invoices.room import Room, room_for
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.posting import StatementLine
from models.money import Money, in_major


@dataclass(frozen=True, slots=True)
class Capturable:
    """What capturing is decided on."""

    at: Reserved
    account: Account
    room: Room


@dataclass(frozen=True, slots=True)
class Captured:
    """A hold after a capture, and the invoice that it paid."""

    hold: Reservation
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class CaptureHold(Command[Capturable, Captured]):
    """Bill `amount` (major units) of what is held, or what the `lines` come to with tax, or all of
    it. Without lines there is one, with the hold's description and no tax. The rest is released
    unless `keep_rest`.

    What was promised is paid: a debt or a dispute does not stop it, but a freeze by staff does.

    Raises NotFound and HoldNotOpen at `hold_id`, AccountFrozen, AmountPrecision, AmountOutOfRange
    and Invalid at `amount` and in `lines`.
    """

    mutation: ClassVar[str] = "captureHold"
    makes: ClassVar[tuple[str, str]] = ("invoice", Invoice.PREFIX)

    hold_id: UUID
    amount: Decimal | None = None
    lines: Sequence[OrderLine] | None = None
    keep_rest: bool = False

    @override
    def require(self, by: Actor) -> None:
        by.require_scope("credit:hold")

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Capturable:
        at = await reserved_by(journal, self.hold_id, asked.by)
        account_id = at.record.account_id
        account = (await accounts.by_ids([account_id]))[account_id]
        return Capturable(at, account, await room_for(journal, account_id, asked.source))

    @override
    def decide(self, found: Capturable, asked: Invocation, journal: Journal) -> Captured:
        record, book = found.at.record, found.at.book
        record.check_open(journal.at)
        drafts = self._billed(record)
        if book.frozen:
            raise AccountFrozen("hold_id", why="staff")
        found.room.check_new()
        amount = gross(drafts)
        # UNIQUE, and where the audit finds what this capture has billed.
        source = f"{record.id.hex}:{asked.id.hex}"
        line = StatementLine(StatementLineKind.INVOICE_PAYMENT, source, invoice_id=asked.id)
        draft = Draft(
            id=asked.id,
            account=found.account,
            kind=InvoiceKind.ORDER,
            currency=record.currency,
            lines=drafts,
            reference=record.reference,
            source=asked.source,
            credit=amount,
            line=line,
            logged_by=asked.by,
        )
        invoice = issue(journal, draft)
        holds_of(book).capture(record.id, amount, line)
        self._end(found.at, amount, invoice)
        facts = {"amount": amount, "currency": record.currency, "invoice": invoice.public_id}
        journal.log(asked.by, "hold.capture", record.public_id, record.account_id, **facts)
        return Captured(record, invoice)

    def _billed(self, record: Reservation) -> list[DraftLine]:
        """The lines to issue: what they come to is what is captured."""
        currency = record.currency
        smallest, largest = Money(1, currency), Money(record.rest, currency)
        wanted = self._wanted(record)
        if self.lines is None:
            net, whole = in_major(wanted, currency), Decimal(1)
            return [DraftLine(record.description, whole, wanted, net, Decimal(0), wanted)]
        drafts = drafted(self.lines, currency)
        if self.amount is not None and gross(drafts) != wanted:
            raise Invalid("amount", problem="hold_lines")
        if gross(drafts) > record.rest:
            raise AmountOutOfRange("lines", minimum=smallest, maximum=largest)
        return drafts

    def _wanted(self, record: Reservation) -> int:
        """The amount that is named, else all that is held; minor units."""
        if self.amount is None:
            return record.rest
        wanted = Money.parse(self.amount, record.currency, "amount").minor
        if not 0 < wanted <= record.rest:
            smallest, largest = Money(1, record.currency), Money(record.rest, record.currency)
            raise AmountOutOfRange("amount", minimum=smallest, maximum=largest)
        return wanted

    def _end(self, at: Reserved, amount: int, invoice: Invoice) -> None:
        """What is captured is off the hold; it stays open with a rest that is kept."""
        record = at.record
        record.put(captured=record.captured + amount, invoice_id=invoice.id)
        if not (self.keep_rest and record.rest):
            holds_of(at.book).release(record.id)
            record.end(ReservationState.CAPTURED, at.book.journal.at)
        at.tell(FactKind.HOLD_CAPTURED, amount=amount, invoice=invoice.public_id)

    @override
    async def recall(self, made: Made, asked: Invocation) -> Captured:
        assert made.id is not None
        return Captured(await named(self.hold_id, asked.by), await made_invoice(made.id))
