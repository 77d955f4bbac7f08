"""Staff adjust credit, with a reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from uuid import UUID

from models.access.identity import Actor
from models.accounts import account as accounts
from models.credit.balance import has_balance, lines_by_ids
from models.db import sql
from models.db.record import new_id, parse_id, public_id
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    IdempotencyKeyReused,
    InsufficientCredit,
    NotFound,
)
from models.journal import audit_log, idempotency, outbox
from models.ledger.book import Leg, Line, book
from models.ledger.chart import CreditTransaction, LedgerKind, LineKind
from models.money import Money
from models.provider.provider import house
from models.text import clean_text

#: A larger balance is a slip of the hand.
_BALANCE_MAX: Final = 10**17


async def _check_adjustable(account_id: UUID, currency: str) -> None:
    """What an account has is put right in any currency, also one that is no longer offered."""
    if currency not in house().limits and not await has_balance(account_id, currency):
        raise CurrencyNotSupported("amount", "currency", currency=currency)


async def adjust(
    account_id: UUID, amount: Decimal, currency: str, reason: str, *, by: Actor, key: str
) -> CreditTransaction:
    """Add to the deposits (or take from them, where `amount` is negative), with a reason. A debt of
    that currency is repaid first.

    Raises NotFound, CurrencyNotSupported, AmountPrecision, AmountOutOfRange, InsufficientCredit,
    Invalid at `reason`. Staff only.
    """
    by.require_staff()
    line_id, source = new_id(), idempotency.source_of(by, key)
    given = {
        "account": account_id.hex,
        "amount": str(amount),
        "currency": currency,
        "reason": reason,
    }

    async def work() -> None:
        if await _is_adjusted(source):
            raise IdempotencyKeyReused("idempotency_key")
        if account_id not in await accounts.by_ids([account_id]):
            raise NotFound("account_id")
        await _check_adjustable(account_id, currency)
        change = Money.parse(amount, currency, "amount", "amount")
        text = clean_text(reason, "reason", maximum=500)
        if not change:
            raise AmountOutOfRange("amount", "amount", minimum=Money(1, currency))
        line = Line(LineKind.ADJUSTMENT, source, note=text, id=line_id)
        async with book(account_id, currency) as opened:
            house_side = opened.house(LedgerKind.ADJUSTMENTS)
            if change.minor > 0:
                if opened.available + change.minor > _BALANCE_MAX:
                    raise AmountOutOfRange(
                        "amount", "amount", maximum=Money(_BALANCE_MAX, currency)
                    )
                opened.post(line, [Leg(house_side, opened.deposited, change.minor)])
            else:
                if opened.deposits < -change.minor:
                    there = Money(opened.deposits, currency)
                    raise InsufficientCredit("amount", "amount", available=there, required=-change)
                opened.post(line, [Leg(opened.deposited, house_side, -change.minor)])
        subject = public_id(accounts.Account.PREFIX, account_id)
        facts = {"amount": change.minor, "currency": currency, "reason": text}
        await outbox.record([outbox.Fact("credit.adjusted", account_id, line_id)])
        await audit_log.record(by, "credit.adjust", subject, **facts)

    made = {"transaction": public_id(CreditTransaction.PREFIX, line_id)}
    done = await idempotency.once(
        by, key, "adjustCredit", given, made, admit=idempotency.for_staff(by), work=work
    )
    adjusted_id = parse_id(CreditTransaction.PREFIX, done["transaction"])
    assert adjusted_id is not None
    return (await lines_by_ids([adjusted_id]))[adjusted_id]


async def _is_adjusted(source: str) -> bool:
    """Whether that key has adjusted credit before; kept for longer than the key itself."""
    statement = "SELECT id FROM credit_transaction WHERE kind = $1 AND source = $2"
    return await sql.fetch_one(statement, LineKind.ADJUSTMENT.value, source) is not None
