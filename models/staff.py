"""What staff do by hand: book a bank transfer, adjust credit."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from models import account as accounts
from models import audit_log, bank_by_hand, bank_draft, event, idempotency, sql
from models.balance import has_balance, lines_by_ids
from models.bank_credit import BankCredit
from models.base import new_id, parse_id, public_id
from models.book import Leg, Line, book
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    IdempotencyKeyReused,
    InsufficientCredit,
    NotFound,
)
from models.identity import Actor
from models.ledger import CreditTransaction, LedgerKind, LineKind
from models.money import Money
from models.payment import Payment
from models.payment import read as read_payment
from models.policy import house
from models.text import clean_code, clean_text

#: What a person can have meant with a balance of that size is decided by somebody else.
_BALANCE_MAX: Final = 10**17


async def record_bank_transfer(
    reference: str,
    amount: Decimal,
    currency: str,
    *,
    bank_account: str,
    bank_transaction: str,
    received_at: datetime | None,
    by: Actor,
    key: str,
    despite: UUID | None = None,
) -> Payment:
    """Book money that came in by bank transfer on the payment that has this reference.

    One bank transaction of one bank account is booked once: told again with the same reference and
    amount it changes nothing, with others it is Invalid at `bank_transaction_id`. What only looks
    like a line that has come before is PossibleDuplicate, unless `despite` is that line. Raises
    NotFound at `reference` and `despite`, CurrencyNotSupported, AmountPrecision, AmountOutOfRange.
    Staff only.
    """
    by.require_staff()
    bank = _wide(bank_account, "bank_account", maximum=64).replace(" ", "").upper()
    line = _wide(bank_transaction, "bank_transaction_id", maximum=128)
    quoted = clean_code(reference, "reference", maximum=100)
    found: list[Payment] = []
    made: dict[str, str] = {}
    given = {
        "reference": quoted,
        "amount": str(amount),
        "currency": currency,
        "bank": bank,
        "line": line,
        "received": received_at.isoformat() if received_at else None,
        **({"despite": despite.hex} if despite else {}),
    }

    async def prepare() -> None:
        payment = await _by_reference(quoted)
        found.append(payment)
        made["payment"] = payment.public_id

    async def work() -> None:
        payment = found[0]
        paid = _received(amount, currency, payment)
        await bank_draft.write_down(payment, paid.minor)
        await bank_by_hand.record(
            payment,
            paid,
            bank_account=bank,
            line=line,
            received_at=received_at,
            despite=despite,
        )
        facts = {"amount": paid.minor, "currency": currency, "bank": bank, "line": line}
        facts |= {"despite": public_id(BankCredit.PREFIX, despite)} if despite else {}
        await audit_log.record(by, "bank_transfer.record", payment.public_id, **facts)

    done = await idempotency.once(
        by,
        key,
        "recordBankTransfer",
        given,
        made,
        admit=idempotency.for_staff(by),
        work=work,
        prepare=prepare,
    )
    payment_id = parse_id(Payment.PREFIX, done["payment"])
    assert payment_id is not None
    booked = await read_payment(payment_id)
    assert booked is not None
    return booked


def _wide(text: str, field: str, *, maximum: int) -> str:
    """What was typed, full-width letters as the bank has them."""
    return clean_text(unicodedata.normalize("NFKC", text), field, maximum=maximum)


async def _by_reference(reference: str) -> Payment:
    payment = (await bank_draft.by_reference([reference])).get(reference)
    if payment is None:
        raise NotFound("reference")
    return payment


def _received(amount: Decimal, currency: str, payment: Payment) -> Money:
    if currency != payment.currency:
        raise CurrencyNotSupported("amount", "currency", currency=currency)
    paid = Money.parse(amount, currency, "amount", "amount")
    if paid.minor < 1:
        raise AmountOutOfRange("amount", "amount", minimum=Money(1, currency))
    return paid


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
        await event.record([event.Fact("credit.adjusted", account_id, line_id)])
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
