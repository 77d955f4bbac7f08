"""Bank statement lines, and what staff do with those that could not be matched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models.bank import line
from models.bank.assign import AssignBankCredit, DismissBankCredit
from models.bank.line import BankCredit as Record
from models.bank.line import BankCreditKind, BankCreditState, ParkedWhy
from models.db.record import parse_id
from models.invoices.invoice import Invoice as InvoiceRecord
from models.journal.command import run
from schema.balance import BalancePayload
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top, refused_in_payload
from schema.core.ids import id_of
from schema.core.money import Money
from schema.core.nodes import Node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request
from schema.payment import Payment, PaymentPayload

strawberry.enum(BankCreditKind)


strawberry.enum(BankCreditState)


strawberry.enum(ParkedWhy, name="ParkedReason")


@strawberry.type
class BankCredit(Node):
    """One line of a bank statement. Staff only."""

    kind: BankCreditKind
    "The direction of the money."
    state: BankCreditState
    "Its current state."
    parked_reason: ParkedWhy | None
    "Why it wasn't booked automatically. Stays set after staff have decided."
    bank_account: str
    "The provider's account that it is on."
    bank_transaction_id: str
    "The line's ID on that account: the `bankTransactionId` of `recordBankTransfer`."
    amount: Money
    "The amount; never negative."
    booked_on: str
    "The day on which the bank booked it, ISO 8601: `2026-11-23`."
    payer_name: str | None
    "The payer's name, as reported by the bank."
    payer_account: str | None
    "The payer's account."
    text: str
    "The remittance information, line by line."
    note: str | None
    "Why it was dismissed."
    created_at: datetime
    "When it was imported."
    record: strawberry.Private[Record]

    @classmethod
    def of(cls, record: Record) -> BankCredit:
        """Show a line."""
        return cls(
            id=strawberry.ID(record.public_id),
            kind=BankCreditKind(record.kind),
            state=BankCreditState(record.state),
            parked_reason=ParkedWhy(record.why) if record.why else None,
            bank_account=record.bank_account,
            bank_transaction_id=record.line_key,
            amount=Money.minor(record.amount, record.currency),
            booked_on=record.booked_on,
            payer_name=record.payer_name or None,
            payer_account=record.payer_account or None,
            text=record.text,
            note=record.note or None,
            created_at=record.created_at,
            record=record,
        )

    @strawberry.field
    async def payment(self, info: Info) -> Payment | None:
        """The payment that it was booked to."""
        if self.record.payment_id is None:
            return None
        found = await info.context.loaders.payment.load(self.record.payment_id)
        return Payment.of(found) if found else None

    @strawberry.field
    async def duplicate_of(self, info: Info) -> BankCredit | None:
        """The line that this one may repeat."""
        if self.record.duplicate_of_id is None:
            return None
        found = await info.context.loaders.bank_credit.load(self.record.duplicate_of_id)
        return BankCredit.of(found) if found else None


@found_by(Record.PREFIX)
async def _bank_credit_node(info: Info, id: str) -> BankCredit | None:
    by, find = info.context.signed_in(), info.context.loaders.bank_credit.load
    found = await line.visible(parse_id(Record.PREFIX, id), by, find)
    return BankCredit.of(found) if found else None


@strawberry.type
class BankQuery:
    """Reading what bank statements brought."""

    @strawberry.field
    @refused_at_top
    async def bank_credits(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        state: Annotated[
            list[BankCreditState] | None,
            strawberry.argument(description="Only lines in one of these states. Defaults to all."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[BankCredit]:
        """Staff: the lines of bank statements, newest first."""
        by = info.context.signed_in()
        request = page_request(info, first, after, last, before)
        states = None if state is None else [one.value for one in state]
        return Connection.of(await line.page(states, request, by), BankCredit.of)


@strawberry.input
class AssignBankCreditInput:
    """A parked bank statement line, and what it pays: either an invoice or a reference."""

    bank_credit_id: strawberry.ID
    "The bank statement line."
    invoice_id: strawberry.ID | None = None
    "The invoice that it pays. If no bank transfer payment is open for it, one is started."
    reference: str | None = None
    "The reference that the payer should have quoted."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


def _invoice_of(input: AssignBankCreditInput) -> UUID | None:
    if input.invoice_id is None:
        return None
    return id_of(InvoiceRecord.PREFIX, input.invoice_id, "invoice_id")


@strawberry.type
class AssignBankCreditPayload(BalancePayload, PaymentPayload):
    """The result of `assignBankCredit`."""

    bank_credit: BankCredit | None = None
    "The line as it is now."


@strawberry.input
class DismissBankCreditInput:
    """The parked bank statement line to dismiss."""

    bank_credit_id: strawberry.ID
    "The bank statement line."
    reason: str
    "The reason: kept with the line and in the audit log."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class DismissBankCreditPayload(Payload):
    """The result of `dismissBankCredit`."""

    bank_credit: BankCredit | None = None
    "The line as it is now."


@strawberry.type
class BankMutation:
    """What staff do with bank statement lines that could not be matched."""

    @strawberry.mutation
    @refused_in_payload
    async def assign_bank_credit(
        self, info: Info, input: AssignBankCreditInput
    ) -> AssignBankCreditPayload:
        """Staff: books a parked line of a bank statement."""
        by = info.context.signed_in()
        record = await run(
            AssignBankCredit(
                id_of(Record.PREFIX, input.bank_credit_id, "bank_credit_id"),
                invoice_id=_invoice_of(input),
                reference=input.reference,
            ),
            by,
            input.idempotency_key,
        )
        assert record.payment_id is not None, "a line that was assigned has a payment"
        paid = await info.context.loaders.payment.load(record.payment_id)
        assert paid is not None
        return AssignBankCreditPayload(
            bank_credit=BankCredit.of(record),
            payment=Payment.of(paid),
            touched=(paid.account_id, paid.currency),
        )

    @strawberry.mutation
    @refused_in_payload
    async def dismiss_bank_credit(
        self, info: Info, input: DismissBankCreditInput
    ) -> DismissBankCreditPayload:
        """Staff: dismisses a parked line of a bank statement."""
        by = info.context.signed_in()
        record = await run(
            DismissBankCredit(
                id_of(Record.PREFIX, input.bank_credit_id, "bank_credit_id"),
                input.reason,
            ),
            by,
            input.idempotency_key,
        )
        return DismissBankCreditPayload(bank_credit=BankCredit.of(record))
