"""Assigning a parked line of a bank statement: staff say what it pays, or dismiss it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.bank import draft as bank_draft
from models.bank import references
from models.bank.booking import alone, apply, assign, locked_for
from models.bank.draft import write_down
from models.bank.line import BankCredit, BankCreditKind, BankCreditState, read
from models.errors import CurrencyNotSupported, GatewayNotAvailable, Invalid, NotAllowed, NotFound
from models.invoices.invoice import Invoice
from models.invoices.invoice import read as read_invoice
from models.journal.command import Invocation, StaffCommand
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.payments.locked import LockedPayment
from models.payments.payment import Payment, of_invoices
from models.text import clean_code, clean_text


@dataclass(frozen=True, slots=True)
class Assigned:
    """A parked line, and the payment that it is to be booked on."""

    line: BankCredit
    at: LockedPayment


@dataclass(frozen=True, slots=True)
class AssignBankCredit(StaffCommand[Assigned, BankCredit, str | None]):
    """Book a parked line on an invoice, or on the payment that has a reference; on an invoice that
    nobody began to pay by bank transfer, such a payment is made.

    Raises NotFound at `bank_credit_id`, `invoice_id` or `reference`, Invalid at `invoice_id` where
    not one of the two is given, CurrencyNotSupported, GatewayNotAvailable, NotAllowed where the
    line is booked already. Staff only.
    """

    mutation: ClassVar[str] = "assignBankCredit"

    line_id: UUID
    invoice_id: UUID | None = None
    reference: str | None = None

    @override
    async def prepare(self, asked: Invocation) -> str | None:
        """The reference, as we write it."""
        quoted = None
        if self.reference is not None:
            quoted = clean_code(self.reference, "reference", maximum=100)
        if (self.invoice_id is None) == (quoted is None):
            raise Invalid("invoice_id", problem="invoice_or_reference")
        return quoted

    @override
    async def read(self, asked: Invocation[str | None], journal: Journal) -> Assigned:
        line = journal.watch(await _locked(self.line_id))
        if line.is_booked:
            raise NotAllowed("bank_credit_id", why="bank_credit_booked")
        payment = await _target(line, self.invoice_id, asked.prepared, asked.id)
        return Assigned(line, await locked_for(journal, payment, line.as_event(payment)))

    @override
    def decide(
        self, found: Assigned, asked: Invocation[str | None], journal: Journal
    ) -> BankCredit:
        line, payment = found.line, found.at.payment
        write_down(found.at, line.amount)
        apply(found.at, line.as_event(payment))
        assign(line, payment)
        facts = {"amount": line.amount, "currency": line.currency, "line": line.reference}
        facts |= {"payment": payment.public_id}
        own = payment.account_id
        journal.log(asked.by, "bank_credit.assign", line.public_id, own, **facts)
        return line

    @override
    async def recall(self, made: Made, asked: Invocation) -> BankCredit:
        return await _as_it_is(self.line_id)


@dataclass(frozen=True, slots=True)
class DismissBankCredit(StaffCommand[BankCredit, BankCredit]):
    """Say that a parked line is nothing to book, and why. It can still be assigned.

    Raises NotFound at `bank_credit_id`, Invalid at `reason`, NotAllowed where the line is not
    parked. Staff only.
    """

    mutation: ClassVar[str] = "dismissBankCredit"

    line_id: UUID
    reason: str

    @override
    async def read(self, asked: Invocation, journal: Journal) -> BankCredit:
        return journal.watch(await _locked(self.line_id))

    @override
    def decide(self, found: BankCredit, asked: Invocation, journal: Journal) -> BankCredit:
        text = clean_text(self.reason, "reason", maximum=500)
        if found.state != BankCreditState.PARKED:
            raise NotAllowed("bank_credit_id", why="bank_credit_not_parked")
        found.put(state=BankCreditState.DISMISSED.value, note=text)
        facts = {"amount": found.amount, "currency": found.currency, "reason": text}
        journal.log(asked.by, "bank_credit.dismiss", found.public_id, **facts)
        return found

    @override
    async def recall(self, made: Made, asked: Invocation) -> BankCredit:
        return await _as_it_is(self.line_id)


async def _as_it_is(line_id: UUID) -> BankCredit:
    line = await read(line_id)
    assert line is not None, "lines are never deleted"
    return line


async def _locked(line_id: UUID) -> BankCredit:
    """The line, locked so that nobody else assigns it meanwhile."""
    await alone()
    found = await read(line_id)
    if found is None:
        raise NotFound("bank_credit_id")
    return found


# ------------------------------------------------------------------------------- what it pays


async def _target(
    line: BankCredit, invoice_id: UUID | None, quoted: str | None, payment_id: UUID
) -> Payment:
    """The payment that the line is booked on."""
    if quoted is not None:
        payment = (await bank_draft.by_reference([quoted])).get(quoted)
        comes_in = line.kind == BankCreditKind.CREDIT
        if payment is None or (bank_draft.is_draft(payment) and not comes_in):
            raise NotFound("reference")
        _check_currency(line, payment.currency, "reference")
        return payment
    assert invoice_id is not None
    invoice = await read_invoice(invoice_id)
    if invoice is None:
        raise NotFound("invoice_id")
    _check_currency(line, invoice.currency, "invoice_id")
    return await _begun(line, invoice) or _drafted(invoice, payment_id)


def _check_currency(line: BankCredit, currency: str, field: str) -> None:
    if line.currency != currency:
        raise CurrencyNotSupported(field, currency=line.currency)


async def _begun(line: BankCredit, invoice: Invoice) -> Payment | None:
    """The bank transfer of the invoice that the line fits best: what waits for money gets it, and
    what money came in by gives it back; else the newest.
    """
    gateways = references.bank_gateways()
    begun = [
        one
        for one in (await of_invoices([invoice.id])).get(invoice.id, [])
        if one.gateway in gateways
    ]
    comes_in = line.kind == BankCreditKind.CREDIT
    if not comes_in:
        begun = [one for one in begun if one.received > one.taken_back]
        if not begun:
            raise NotFound("invoice_id")
    fitting = [one for one in begun if one.is_open] if comes_in else []
    return next(reversed(fitting or begun), None)


def _drafted(invoice: Invoice, payment_id: UUID) -> Payment:
    """A bank transfer that had not been begun."""
    draft = bank_draft.draft_of(invoice, payment_id)
    if draft is None:
        raise GatewayNotAvailable("invoice_id")
    return draft
