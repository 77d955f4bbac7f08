"""Bank transfers that staff record themselves, with the care of an import: what looks like a line
that has come before is refused, until they say that it is another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models.bank.account import AccountUnclear, account_of_ours
from models.bank.alike import Alike, alike_to
from models.bank.booking import alone, apply, assign, locked_for
from models.bank.draft import by_reference, write_down
from models.bank.line import (
    BY_HAND,
    BankCredit,
    BankCreditKind,
    BankCreditState,
    names_of,
    of_line,
    read,
)
from models.bank.match import folded
from models.bank.near import warn_of
from models.clock import now
from models.db.record import public_id
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    Invalid,
    NotFound,
)
from models.journal.command import Invocation, StaffCommand
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.money import Money
from models.payments.locked import LockedPayment
from models.payments.payment import Payment
from models.provider.provider import provider
from models.text import clean_code, clean_text, common_width

_LINE: Final = "bank_transaction_id"


@dataclass(frozen=True, slots=True)
class Typed:
    """What staff have typed, as the bank and we write it."""

    payment: Payment
    paid: Money
    bank: str
    account: str
    line: str
    booked_on: str


@dataclass(frozen=True, slots=True)
class Recordable:
    """What recording a transfer is decided on. `typed` is the record that it would leave, `known`
    the line with the same key, `meant` the one that it is said not to be, `alike` what it looks
    like.
    """

    at: LockedPayment
    typed: BankCredit
    known: BankCredit | None
    meant: BankCredit | None
    alike: Alike


@dataclass(frozen=True, slots=True)
class RecordBankTransfer(StaffCommand[Recordable, Payment, Typed]):
    """Book money that came in by bank transfer on the payment that has this reference.

    One bank transaction of one bank account is booked once: told again with the same reference and
    amount it changes nothing, with others it is Invalid at `bank_transaction_id`. What only looks
    like a line that has come before is PossibleDuplicate, unless `despite` is that line. Raises
    NotFound at `reference` and `despite`, CurrencyNotSupported, AmountPrecision, AmountOutOfRange.
    Staff only.
    """

    mutation: ClassVar[str] = "recordBankTransfer"

    reference: str
    amount: Decimal
    currency: str
    bank_account: str
    bank_transaction: str
    received_at: datetime | None = None
    despite: UUID | None = None

    @override
    async def prepare(self, asked: Invocation) -> Typed:
        bank = _wide(self.bank_account, "bank_account", maximum=64).replace(" ", "").upper()
        line = _wide(self.bank_transaction, "bank_transaction_id", maximum=128)
        payment = await self._payment()
        paid = _received(self.amount, self.currency, payment)
        day = (self.received_at or now()).date().isoformat()
        return Typed(payment, paid, bank, account_typed(bank), line, day)

    async def _payment(self) -> Payment:
        reference = clean_code(self.reference, "reference", maximum=100)
        payment = (await by_reference([reference])).get(reference)
        if payment is None:
            raise NotFound("reference")
        return payment

    @override
    async def read(self, asked: Invocation[Typed], journal: Journal) -> Recordable:
        await alone()
        told = asked.prepared
        names = await names_of(told.account)
        known = await of_line(names, BankCreditKind.CREDIT, told.line)
        typed = self._record_of(told, asked.id, journal)
        at = await locked_for(journal, told.payment, (known or typed).as_event(told.payment))
        known = known and journal.watch(known)
        meant = await read(self.despite) if self.despite else None
        dated = self.received_at is not None
        alike = await alike_to(journal, typed, known, at.payment, names, dated=dated)
        return Recordable(at, typed, known, meant, alike)

    def _record_of(self, told: Typed, id: UUID, journal: Journal) -> BankCredit:
        return BankCredit(
            id=id,
            created_at=journal.at,
            kind=BankCreditKind.CREDIT.value,
            state=BankCreditState.ASSIGNED.value,
            bank_account=told.account,
            line_key=told.line,
            bank_ref=told.line,
            folded=folded(told.line),
            forms=BY_HAND,
            amount=told.paid.minor,
            currency=told.paid.currency,
            booked_on=told.booked_on,
            payment_id=told.payment.id,
            duplicate_of_id=self.despite,
        )

    @override
    def decide(self, found: Recordable, asked: Invocation[Typed], journal: Journal) -> Payment:
        at, typed, known = found.at, found.typed, found.known
        if known is not None and known.id == self.despite:
            raise Invalid(_LINE, problem="bank_transaction_of_despite")
        if known is not None and not _is(known, at.payment, asked.prepared.paid):
            raise Invalid(_LINE, problem="bank_transaction_booked")
        write_down(at, typed.amount)
        if known is None or not known.is_booked:
            self._book(found, journal)
        self._log(typed, at.payment, asked, journal)
        return at.payment

    def _book(self, found: Recordable, journal: Journal) -> None:
        """Book the line; a parked one is assigned to the payment."""
        at, typed, known = found.at, found.typed, found.known
        found.alike.check(self.despite, found.meant)
        apply(at, (known or typed).as_event(at.payment))
        if known is not None:
            assign(known, at.payment)
        else:
            journal.add(typed)
            warn_of(found.alike.near, typed)

    def _log(
        self, typed: BankCredit, payment: Payment, asked: Invocation[Typed], journal: Journal
    ) -> None:
        told = asked.prepared
        facts: dict[str, object] = {"amount": typed.amount, "currency": typed.currency}
        facts |= {"bank": told.bank, "line": told.line}
        if self.despite:
            facts["despite"] = public_id(BankCredit.PREFIX, self.despite)
        own = payment.account_id
        journal.log(asked.by, "bank_transfer.record", payment.public_id, own, **facts)

    @override
    async def recall(self, made: Made, asked: Invocation) -> Payment:
        return await self._payment()


def _wide(text: str, field: str, *, maximum: int) -> str:
    """What was typed, full-width letters as the bank has them."""
    return clean_text(common_width(text), field, maximum=maximum)


def _received(amount: Decimal, currency: str, payment: Payment) -> Money:
    if currency != payment.currency:
        raise CurrencyNotSupported("amount", "currency", currency=currency)
    paid = Money.parse(amount, currency, "amount", "amount")
    if paid.minor < 1:
        raise AmountOutOfRange("amount", "amount", minimum=Money(1, currency))
    return paid


def account_typed(bank_account: str) -> str:
    """The account that staff mean; one that is not ours stays as it is. Raises Invalid at
    `bank_account` where it may be one of ours and may be another.
    """
    try:
        return account_of_ours(bank_account, provider().own_accounts) or bank_account
    except AccountUnclear:
        raise Invalid("bank_account", problem="bank_account_unclear") from None


def _is(line: BankCredit, payment: Payment, paid: Money) -> bool:
    """Whether the line is this money, and booked on no other payment."""
    same = Money(line.amount, line.currency) == paid
    return same and (not line.is_booked or line.payment_id == payment.id)
