"""Paying an invoice: with credit, through a gateway, or with credit first and then a gateway."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor, MemberRole
from models.checkout.payable import Payable, check_return, payables
from models.checkout.paying import Paid, pay
from models.checkout.split import Wish
from models.credit.limits import deposits_begun
from models.db.record import public_id
from models.db.tasks import to_the_end
from models.db.together import find_one
from models.errors import (
    CreditNotApplicable,
    InvoiceNotPayable,
    NotFound,
)
from models.invoices.invoice import Invoice, InvoiceKind, made_invoice
from models.journal.command import Command, Invocation
from models.journal.idempotency import LATER, Made
from models.journal.journal import Journal
from models.payments.locked import locked_invoice
from models.payments.payment import Payment, require_payer
from models.payments.start import joined, start
from models.provider.circuit import is_down
from models.status import PAYABLE


@dataclass(frozen=True, slots=True)
class PayInvoice(Command[Payable, Paid]):
    """Pay an invoice. Credit pays at once; a gateway payment begins, and says what to do next.

    Raises NotFound, InvoiceNotPayable, PaymentInProgress, CreditNotApplicable, AccountFrozen,
    InsufficientCredit, GatewayNotAvailable, GatewayFailed, BalanceLimitExceeded, NotAllowed where
    the invoice has had as many payments as it may have, AmountOutOfRange, AmountPrecision,
    PriceChanged, Invalid at `return_url` and `amount`.
    """

    mutation: ClassVar[str] = "payInvoice"
    least_role: ClassVar[MemberRole] = MemberRole.BILLING
    makes: ClassVar[tuple[str, str]] = ("payment", Payment.PREFIX)

    invoice_id: UUID
    use_credit: bool = False
    credit_limit: Decimal | None = None
    gateway: str | None = None
    return_url: str | None = None
    quote: str | None = field(default=None, metadata=LATER)
    amount: Decimal | None = field(default=None, metadata=LATER)

    @property
    def wish(self) -> Wish:
        """How."""
        return Wish(
            use_credit=self.use_credit,
            credit_limit=self.credit_limit,
            gateway=self.gateway,
            return_url=self.return_url,
            quote=self.quote,
            amount=self.amount,
        )

    @override
    def require(self, by: Actor) -> None:
        require_payer(by)

    @override
    def made(self, id: UUID) -> dict[str, str]:
        # Where credit pays everything the payment never begins; the invoice is there.
        invoice = public_id(Invoice.PREFIX, self.invoice_id)
        return {"payment": public_id(Payment.PREFIX, id), "invoice": invoice}

    @override
    def resource(self, by: Actor) -> Hashable:
        return ("invoice", self.invoice_id)

    @override
    def more_resources(self, found: Payable) -> Collection[Hashable]:
        invoice = found.at.invoice
        return [("deposits", invoice.account_id)] if invoice.kind == InvoiceKind.FUNDS else ()

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Payable:
        # Before the lock: who has the invoice says which. It is noticed where it changes meanwhile.
        found, has_payments = await self._payable(asked.by)
        at = await locked_invoice(journal, found, has_payments=has_payments, optimistic=True)
        begun, code = 0, self.gateway or found.gateway
        if found.kind == InvoiceKind.FUNDS:
            begun = await deposits_begun(found.account_id, found.currency, but=found.id)
        return Payable(at, begun, is_down=code is not None and is_down(code))

    async def _payable(self, by: Actor) -> tuple[Invoice, bool]:
        """The invoice, where it can be paid as wished, and whether it has had payments."""
        found = await find_one(payables, self.invoice_id)
        if found is None or not by.sees(found[0].account_id):
            raise NotFound("invoice_id")
        invoice = found[0]
        if invoice.status not in PAYABLE:
            raise InvoiceNotPayable("invoice_id", status=invoice.status)
        if self.use_credit and invoice.kind == InvoiceKind.FUNDS:
            raise CreditNotApplicable("use_credit")
        check_return(self.return_url)
        return found

    @override
    def decide(self, found: Payable, asked: Invocation, journal: Journal) -> Paid:
        invoice = found.at.invoice
        journal.log_person(asked.by, "invoice.pay", invoice.public_id, invoice.account_id)
        return pay(found, self.wish, asked.id)

    @override
    def paid(self, answer: Paid) -> tuple[str, int]:
        payment = answer.payment
        return ("", 0) if payment is None else (payment.currency, payment.charged)

    @override
    async def follow(self, answer: Paid, asked: Invocation) -> Paid:
        if answer.payment is None:
            return answer
        payment = await to_the_end(start(answer.payment.id, asked.by, asked.key))
        return Paid(await made_invoice(self.invoice_id), payment)

    @override
    async def recall(self, made: Made, asked: Invocation) -> Paid:
        invoice = await made_invoice(self.invoice_id)
        if not asked.by.sees(invoice.account_id):
            raise NotFound("invoice_id")
        assert made.id is not None
        payment = await joined(made.id, asked.by, asked.key)
        return Paid(await made_invoice(self.invoice_id), payment)
