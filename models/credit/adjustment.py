"""Staff adjust credit, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final
from uuid import UUID

from typing_extensions import override

from models.accounts import account as accounts
from models.credit import lines
from models.credit.balance import has_balance
from models.db import sql
from models.db.record import public_id
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    IdempotencyKeyReused,
    InsufficientCredit,
    NotFound,
)
from models.journal.command import Invocation, StaffCommand
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.ledger.book import Book
from models.ledger.chart import LedgerKind
from models.ledger.credit_transaction import CreditTransaction, StatementLineKind
from models.ledger.opening import open_book
from models.ledger.posting import Leg, StatementLine
from models.money import Money
from models.provider.provider import provider
from models.text import clean_text

#: A larger balance is a slip of the hand.
_BALANCE_MAX: Final = 10**17


@dataclass(frozen=True, slots=True)
class AdjustCredit(StaffCommand[Book, CreditTransaction]):
    """Add to the deposits (or take from them, where `amount` is negative), with a reason. A debt of
    that currency is repaid first.

    Raises NotFound, CurrencyNotSupported, AmountPrecision, AmountOutOfRange, InsufficientCredit,
    Invalid at `reason`. Staff only.
    """

    mutation: ClassVar[str] = "adjustCredit"
    makes: ClassVar[tuple[str, str]] = ("transaction", CreditTransaction.PREFIX)

    account_id: UUID
    amount: Decimal
    currency: str
    reason: str

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Book:
        if await _is_adjusted(asked.source):
            raise IdempotencyKeyReused("idempotency_key")
        if self.account_id not in await accounts.by_ids([self.account_id]):
            raise NotFound("account_id")
        # What an account has is put right in any currency, also one that is no longer offered.
        offered = self.currency in provider().limits
        if not offered and not await has_balance(self.account_id, self.currency):
            raise CurrencyNotSupported("amount", "currency", currency=self.currency)
        return await open_book(journal, self.account_id, self.currency)

    @override
    def decide(self, found: Book, asked: Invocation, journal: Journal) -> CreditTransaction:
        change = Money.parse(self.amount, self.currency, "amount", "amount")
        text = clean_text(self.reason, "reason", maximum=500)
        if not change:
            raise AmountOutOfRange("amount", "amount", minimum=Money(1, self.currency))
        line = StatementLine(StatementLineKind.ADJUSTMENT, asked.source, note=text, id=asked.id)
        found.post(line, [_leg(found, change)])
        subject = public_id(accounts.Account.PREFIX, self.account_id)
        facts = {"amount": change.minor, "currency": self.currency, "reason": text}
        journal.log(asked.by, "credit.adjust", subject, **facts)
        return found.posted(asked.id)

    @override
    async def recall(self, made: Made, asked: Invocation) -> CreditTransaction:
        assert made.id is not None
        return (await lines.by_ids([made.id]))[made.id]


def _leg(book: Book, change: Money) -> Leg:
    adjustments = book.provider_account(LedgerKind.ADJUSTMENTS)
    if change.minor > 0:
        if book.available + change.minor > _BALANCE_MAX:
            maximum = Money(_BALANCE_MAX, change.currency)
            raise AmountOutOfRange("amount", "amount", maximum=maximum)
        return Leg(adjustments, book.deposited, change.minor)
    if book.deposits < -change.minor:
        there = Money(book.deposits, change.currency)
        raise InsufficientCredit("amount", "amount", available=there, required=-change)
    return Leg(book.deposited, adjustments, -change.minor)


async def _is_adjusted(source: str) -> bool:
    """Whether that key has adjusted credit before; kept for longer than the key itself."""
    statement = "SELECT id FROM credit_transaction WHERE kind = $1 AND source = $2"
    return await sql.fetch_one(statement, StatementLineKind.ADJUSTMENT.value, source) is not None
