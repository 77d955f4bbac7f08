"""Holds: credit that partners reserve for an order, and bill."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import strawberry

from models.accounts.account import Account as AccountRecord
from models.credit import reservation
from models.credit.reservation import Reservation, ReservationState
from models.credit.reserve import ExtendHold, ReleaseHold, ReserveCredit
from models.db.record import parse_id
from models.invoices import invoice as invoices
from models.invoices.capture_hold import CaptureHold
from models.journal.command import run
from schema.account import Account
from schema.balance import BalancePayload
from schema.core.context import Info
from schema.core.errors import refused_at_top, refused_in_payload
from schema.core.ids import existing_account, id_of
from schema.core.money import Money, MoneyInput
from schema.core.nodes import Node, found_by
from schema.invoice import Invoice
from schema.order import InvoiceLineInput

PREFIX = Reservation.PREFIX


@strawberry.type
class Hold(Node):
    """Credit that a partner has reserved for an order. It can't be spent on anything else, and
    promotional credit doesn't expire while it is held.
    """

    amount: Money
    "The amount that was reserved."
    captured: Money
    "How much of it has been billed. While the hold is open, the rest is still reserved."
    reference: str
    "The partner's own order number."
    description: str
    "What it is for, as the client sees it."
    state: ReservationState
    "What has become of it."
    expires_at: datetime
    "Until when the credit is reserved. A hold can't be captured or extended after that."
    created_at: datetime
    "When the credit was reserved."
    ended_at: datetime | None
    "When it was captured, released or expired; null while it is open."
    record: strawberry.Private[Reservation]

    @classmethod
    def of(cls, record: Reservation) -> Hold:
        """Show a hold."""
        return cls(
            id=strawberry.ID(record.public_id),
            amount=Money.minor(record.amount, record.currency),
            captured=Money.minor(record.captured, record.currency),
            reference=record.reference,
            description=record.description,
            state=ReservationState(record.state),
            expires_at=record.expires_at,
            created_at=record.created_at,
            ended_at=record.ended_at,
            record=record,
        )

    @strawberry.field
    @refused_at_top
    async def account(self, info: Info) -> Account:
        """The client whose credit it is."""
        return Account.of(await existing_account(info, self.record.account_id))

    @strawberry.field
    @refused_at_top
    async def invoice(self, info: Info) -> Invoice | None:
        """The invoice of its latest capture; null if nothing has been captured."""
        by, find = info.context.signed_in(), info.context.loaders.invoice.load
        record = await invoices.visible(self.record.invoice_id, by, find)
        return Invoice.of(record) if record else None


@found_by(PREFIX)
async def _hold_node(info: Info, id: str) -> Hold | None:
    by, find = info.context.signed_in(), info.context.loaders.reservation.load
    record = await reservation.visible(parse_id(PREFIX, id), by, find)
    return Hold.of(record) if record else None


@strawberry.input
class ReserveCreditInput:
    """Credit to reserve."""

    account_id: strawberry.ID
    "The client whose credit to reserve."
    amount: MoneyInput
    "The amount to reserve."
    expires_at: datetime
    "Until when to reserve it: by default at most 31 days from now."
    reference: str
    "The partner's own order number, at most 200 characters. Its invoices show it."
    description: str
    "What it is for, at most 500 characters, as the client sees it."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class ExtendHoldInput:
    """The hold to extend."""

    hold_id: strawberry.ID
    "The hold to extend. It must be open."
    expires_at: datetime
    "Until when to reserve the credit: not sooner than before, by default at most 31 days from now."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class CaptureHoldInput:
    """What to bill of a hold."""

    hold_id: strawberry.ID
    "The hold to capture. It must be open."
    amount: Decimal | None = None
    """How much to capture, including tax. Defaults to the gross total of `lines`, or without them
    to all that is still held. Where both are given, they must agree.
    """
    lines: list[InvoiceLineInput] | None = None
    """The invoice lines. Without them the invoice has one line with the hold's description and no
    tax.
    """
    keep_rest: bool = False
    """Whether the rest stays reserved, to be captured later. Otherwise what isn't captured is
    released.
    """
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class ReleaseHoldInput:
    """The hold to release."""

    hold_id: strawberry.ID
    "The hold to release. It must be open."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class HoldPayload(BalancePayload):
    """The result of reserving credit, and of extending, capturing or releasing a hold."""

    hold: Hold | None = None
    "The hold as it is now."
    invoice: Invoice | None = None
    "The invoice that `captureHold` issued. Null for partners whose key lacks `invoices:read`."

    @classmethod
    def after(cls, record: Reservation) -> HoldPayload:
        """What is answered of a hold."""
        return cls(hold=Hold.of(record), touched=(record.account_id, record.currency))


@strawberry.type
class HoldMutation:
    """Reserving credit, and billing what is reserved."""

    @strawberry.mutation
    @refused_in_payload
    async def reserve_credit(self, info: Info, input: ReserveCreditInput) -> HoldPayload:
        """Partners (scope `credit:hold`) and staff: reserves a client's credit for an order."""
        by = info.context.signed_in()
        command = ReserveCredit(
            id_of(AccountRecord.PREFIX, input.account_id, "account_id"),
            input.amount.amount,
            input.amount.currency,
            input.expires_at,
            input.reference,
            input.description,
        )
        return HoldPayload.after(await run(command, by, input.idempotency_key))

    @strawberry.mutation
    @refused_in_payload
    async def extend_hold(self, info: Info, input: ExtendHoldInput) -> HoldPayload:
        """Partners (scope `credit:hold`) and staff: reserves the credit for longer."""
        by = info.context.signed_in()
        command = ExtendHold(id_of(PREFIX, input.hold_id, "hold_id"), input.expires_at)
        return HoldPayload.after(await run(command, by, input.idempotency_key))

    @strawberry.mutation
    @refused_in_payload
    async def capture_hold(self, info: Info, input: CaptureHoldInput) -> HoldPayload:
        """Partners (scope `credit:hold`) and staff: issues an invoice for what was reserved, and
        pays it from the hold at once.

        A hold can be captured several times with `keepRest`. A debt or a dispute doesn't stop it,
        a freeze by staff does. Voiding the invoice gives the credit back to where it came from.
        """
        by = info.context.signed_in()
        lines = None if input.lines is None else [line.domain() for line in input.lines]
        command = CaptureHold(
            id_of(PREFIX, input.hold_id, "hold_id"), input.amount, lines, input.keep_rest
        )
        done = await run(command, by, input.idempotency_key)
        payload = HoldPayload.after(done.hold)
        payload.invoice = Invoice.of(done.invoice) if by.may("invoices:read") else None
        return payload

    @strawberry.mutation
    @refused_in_payload
    async def release_hold(self, info: Info, input: ReleaseHoldInput) -> HoldPayload:
        """Partners (scope `credit:hold`) and staff: makes what is still reserved available again.

        It goes back to where it came from; promotional credit that has expired meanwhile is gone.
        """
        by = info.context.signed_in()
        command = ReleaseHold(id_of(PREFIX, input.hold_id, "hold_id"))
        return HoldPayload.after(await run(command, by, input.idempotency_key))
