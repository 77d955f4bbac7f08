"""What staff do with a parked line of a bank statement: book it, or say that it is none of ours."""

from __future__ import annotations

from uuid import UUID

from models.access.identity import Actor
from models.bank import draft as bank_draft
from models.bank import references
from models.bank.line import (
    BankCredit,
    BankCreditKind,
    BankCreditState,
    alone,
    apply,
    read,
    settle,
)
from models.db.record import new_id, public_id
from models.errors import CurrencyNotSupported, GatewayNotAvailable, Invalid, NotAllowed, NotFound
from models.invoices.invoice import Invoice
from models.invoices.invoice import read as read_invoice
from models.journal import audit_log, idempotency
from models.payments.payment import Payment, of_invoices
from models.text import clean_code, clean_text


async def assign(
    credit_id: UUID,
    *,
    invoice_id: UUID | None,
    reference: str | None,
    by: Actor,
    key: str,
) -> BankCredit:
    """Book a parked line on an invoice, or on the payment that has a reference; on an invoice that
    nobody began to pay by bank transfer, such a payment is made.

    Raises NotFound at `bank_credit_id`, `invoice_id` or `reference`, Invalid at `invoice_id` where
    not one of the two is given, CurrencyNotSupported, GatewayNotAvailable, NotAllowed where the
    line is booked already. Staff only.
    """
    by.require_staff()
    quoted = None
    if reference is not None:
        quoted = clean_code(reference, "reference", maximum=100)
    if (invoice_id is None) == (quoted is None):
        raise Invalid("invoice_id", problem="invoice_or_reference")
    payment_id = new_id()

    async def work() -> None:
        credit = await _locked(credit_id)
        if credit.settled:
            raise NotAllowed("bank_credit_id", why="bank_credit_booked")
        payment = await _target(credit, invoice_id, quoted, payment_id)
        await apply(payment.id, credit.told(payment))
        await settle(credit, payment)
        facts = {"amount": credit.amount, "currency": credit.currency, "line": credit.reference}
        facts |= {"payment": payment.public_id}
        await audit_log.record(by, "bank_credit.assign", credit.public_id, **facts)

    given = {"credit": credit_id.hex, "invoice": invoice_id and invoice_id.hex, "ref": quoted}
    made = {"credit": public_id(BankCredit.PREFIX, credit_id)}
    await idempotency.once(
        by, key, "assignBankCredit", given, made, admit=idempotency.for_staff(by), work=work
    )
    return await _as_it_is(credit_id)


async def dismiss(credit_id: UUID, reason: str, *, by: Actor, key: str) -> BankCredit:
    """Say that a parked line is nothing to book, and why. It can still be assigned.

    Raises NotFound at `bank_credit_id`, Invalid at `reason`, NotAllowed where the line is not
    parked. Staff only.
    """
    by.require_staff()
    text = clean_text(reason, "reason", maximum=500)

    async def work() -> None:
        credit = await _locked(credit_id)
        if credit.state != BankCreditState.PARKED:
            raise NotAllowed("bank_credit_id", why="bank_credit_not_parked")
        await credit.change(state=BankCreditState.DISMISSED.value, note=text)
        facts = {"amount": credit.amount, "currency": credit.currency, "reason": text}
        await audit_log.record(by, "bank_credit.dismiss", credit.public_id, **facts)

    given = {"credit": credit_id.hex, "reason": text}
    made = {"credit": public_id(BankCredit.PREFIX, credit_id)}
    await idempotency.once(
        by, key, "dismissBankCredit", given, made, admit=idempotency.for_staff(by), work=work
    )
    return await _as_it_is(credit_id)


async def _as_it_is(credit_id: UUID) -> BankCredit:
    credit = await read(credit_id)
    assert credit is not None, "lines are never deleted"
    return credit


async def _locked(credit_id: UUID) -> BankCredit:
    """The line, which nobody else settles meanwhile."""
    await alone()
    found = await read(credit_id)
    if found is None:
        raise NotFound("bank_credit_id")
    return found


# ------------------------------------------------------------------------------- what it pays


async def _target(
    credit: BankCredit, invoice_id: UUID | None, quoted: str | None, payment_id: UUID
) -> Payment:
    """The payment that the line is booked on."""
    if quoted is not None:
        payment = (await bank_draft.by_reference([quoted])).get(quoted)
        comes_in = credit.kind == BankCreditKind.CREDIT
        if payment is None or (bank_draft.is_draft(payment) and not comes_in):
            raise NotFound("reference")
        _check_currency(credit, payment.currency, "reference")
        await bank_draft.write_down(payment, credit.amount)
        return payment
    assert invoice_id is not None
    invoice = await read_invoice(invoice_id)
    if invoice is None:
        raise NotFound("invoice_id")
    _check_currency(credit, invoice.currency, "invoice_id")
    return await _begun(credit, invoice) or await _made(credit, invoice, payment_id)


def _check_currency(credit: BankCredit, currency: str, field: str) -> None:
    if credit.currency != currency:
        raise CurrencyNotSupported(field, currency=credit.currency)


async def _begun(credit: BankCredit, invoice: Invoice) -> Payment | None:
    """The bank transfer of the invoice that the line fits best: what waits for money gets it, and
    what money came in by gives it back; else the newest.
    """
    gateways = references.bank_gateways()
    begun = [
        one
        for one in (await of_invoices([invoice.id])).get(invoice.id, [])
        if one.gateway in gateways
    ]
    comes_in = credit.kind == BankCreditKind.CREDIT
    if not comes_in:
        begun = [one for one in begun if one.received > one.taken_back]
        if not begun:
            raise NotFound("invoice_id")
    fitting = [one for one in begun if one.is_open] if comes_in else []
    return next(reversed(fitting or begun), None)


async def _made(credit: BankCredit, invoice: Invoice, payment_id: UUID) -> Payment:
    """A bank transfer that nobody had begun."""
    draft = bank_draft.draft_of(invoice, payment_id)
    if draft is None:
        raise GatewayNotAvailable("invoice_id")
    await bank_draft.write_down(draft, credit.amount)
    return draft
