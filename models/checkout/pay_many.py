"""Paying several invoices at once: one payment, one fee, one receipt, one reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor, MemberRole
from models.checkout.payable import Payable, check_return
from models.checkout.paying import pay
from models.checkout.split import Wish
from models.credit.limits import deposits_begun
from models.db.tasks import to_the_end
from models.db.together import find_some
from models.errors import CreditNotApplicable, Invalid, InvoiceNotPayable, NotAllowed, NotFound
from models.invoices import invoice as invoices
from models.invoices.allocation import ALLOCATIONS_MAX
from models.invoices.invoice import Invoice, InvoiceKind
from models.invoices.terms import Terms
from models.journal.command import Command, Invocation
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.payments.locked import locked_invoices
from models.payments.payment import Payment, require_payer
from models.payments.start import joined, start
from models.provider.circuit import is_down
from models.status import PAYABLE

_FIELD = "invoice_ids"


@dataclass(frozen=True, slots=True)
class PaidMany:
    """What paying made of the invoices, and the gateway payment that began, if one did. `terms` are
    what was decided, None where that is not known any more.
    """

    invoices: Sequence[Invoice]
    payment: Payment | None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class PayInvoices(Command[Payable, PaidMany]):
    """Pay invoices of one account and currency, each once, earliest due first: with credit
    at once, or by one payment through a gateway. A deposit is paid alone.

    Raises Invalid at `invoice_ids` or one of them, NotAllowed at a deposit, and at
    `invoice_ids` and the number of the invoice what PayInvoice refuses at `invoice_id`.
    """

    mutation: ClassVar[str] = "payInvoices"
    least_role: ClassVar[MemberRole] = MemberRole.BILLING
    makes: ClassVar[tuple[str, str]] = ("payment", Payment.PREFIX)

    invoice_ids: Sequence[UUID]
    use_credit: bool = False
    credit_limit: Decimal | None = None
    gateway: str | None = None
    return_url: str | None = None
    quote: str | None = None
    #: How much goes through the gateway, where not all does; of one invoice alone, in major units.
    amount: Decimal | None = None

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
    async def read(self, asked: Invocation, journal: Journal) -> Payable:
        self._check_ids()
        found = await self._in_sight(asked.by)
        bills = await locked_invoices(journal, [found[id] for id in self.invoice_ids])
        for n, bill in enumerate(bills):
            self._check(n, bill.invoice)
        # Earliest due first; those of one moment as they were issued.
        order = sorted(
            range(len(bills)), key=lambda n: (bills[n].invoice.due_at, bills[n].invoice.id)
        )
        first, *more = [bills[n] for n in order]
        begun, code = 0, self.gateway or first.invoice.gateway
        if first.invoice.kind == InvoiceKind.FUNDS:
            book = first.book
            begun = await deposits_begun(book.account_id, book.currency, but=first.invoice.id)
        fields = [(_FIELD, str(n)) for n in order]
        down = code is not None and is_down(code)
        return Payable(first, begun, is_down=down, more=more, fields=fields)

    def _check_ids(self) -> None:
        if not 1 <= len(self.invoice_ids) <= ALLOCATIONS_MAX:
            raise Invalid(_FIELD, problem="invoice_count")
        seen: set[UUID] = set()
        for n, id in enumerate(self.invoice_ids):
            if id in seen:
                raise Invalid(_FIELD, str(n), problem="invoice_twice")
            seen.add(id)
        if self.amount is not None and len(seen) > 1:
            raise Invalid("amount", problem="amount_of_several")

    async def _in_sight(self, by: Actor) -> Mapping[UUID, Invoice]:
        """The invoices, as they are before the lock: whose they are never changes."""
        found = await find_some(invoices.by_ids, self.invoice_ids)
        for n, id in enumerate(self.invoice_ids):
            one = found.get(id)
            if one is None or not by.sees(one.account_id):
                raise NotFound(_FIELD, str(n))
        first = found[self.invoice_ids[0]]
        for n, id in enumerate(self.invoice_ids):
            if found[id].account_id != first.account_id:
                raise Invalid(_FIELD, str(n), problem="other_account")
            if found[id].currency != first.currency:
                raise Invalid(_FIELD, str(n), problem="other_currency")
        check_return(self.return_url)
        return found

    def _check(self, n: int, invoice: Invoice) -> None:
        if invoice.status not in PAYABLE:
            raise InvoiceNotPayable(_FIELD, str(n), status=invoice.status)
        if invoice.kind != InvoiceKind.FUNDS:
            return
        if len(self.invoice_ids) > 1:
            raise NotAllowed(_FIELD, str(n), why="deposit_alone")
        if self.use_credit:
            raise CreditNotApplicable("use_credit")

    @override
    def decide(self, found: Payable, asked: Invocation, journal: Journal) -> PaidMany:
        bills = [bill.invoice for bill in found.bills]
        for one in bills:
            journal.log_person(asked.by, "invoice.pay", one.public_id, one.account_id)
        paid = pay(found, self.wish, asked.id)
        return PaidMany(bills, paid.payment, paid.terms)

    @override
    def paid(self, answer: PaidMany) -> tuple[str, int]:
        payment = answer.payment
        return ("", 0) if payment is None else (payment.currency, payment.charged)

    @override
    async def follow(self, answer: PaidMany, asked: Invocation) -> PaidMany:
        if answer.payment is None:
            return answer
        payment = await to_the_end(start(answer.payment.id, asked.by, asked.key))
        return PaidMany(await self._now(), payment)

    @override
    async def recall(self, made: Made, asked: Invocation) -> PaidMany:
        await self._in_sight(asked.by)
        assert made.id is not None
        payment = await joined(made.id, asked.by, asked.key)
        return PaidMany(await self._now(), payment)

    async def _now(self) -> list[Invoice]:
        """The invoices as they are, in the order in which they are paid."""
        found = await invoices.by_ids(self.invoice_ids)
        return sorted(found.values(), key=lambda one: (one.due_at, one.id))
