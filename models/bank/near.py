"""Near duplicates: lines that may report the same transfer as one that comes now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from models.bank.line import BY_HAND, BankCredit, BankCreditState, ParkedWhy
from models.bank.match import other_reference, pays, quote_others, same_reference
from models.db import sql
from models.payments.payment import Payment

#: How far apart two reports of one transfer may date it: some name its value date, some the day on
#: which it was booked, and staff the day on which they saw it.
APART: Final = timedelta(days=10)
#: How long after it came in staff record a transfer as of the day on which they do.
RECORDED_LATE: Final = timedelta(days=60)

_NEAR: Final = """
SELECT * FROM bank_credit WHERE kind = $1 AND currency = $2 AND {} AND booked_on >= $3
   AND (booked_on <= $4 OR (forms = $5 AND booked_on <= $6))
   AND (forms = $5 OR bank_account IN ({}))
 ORDER BY id
"""


async def near(told: BankCredit, names: Sequence[str]) -> list[BankCredit]:
    """Lines of the same amount, dated not far away, on the account that has these `names`; what
    staff have recorded counts on whatever account they did.
    """
    return await _near("amount = $7", told.amount, told, names)


async def of_reference(told: BankCredit, names: Sequence[str]) -> list[BankCredit]:
    """Lines of any amount that have its reference, dated not far away."""
    if not told.bank_ref:
        return []
    lines = await _near("folded = $7", told.folded, told, names)
    return [line for line in lines if line.bank_account in names]


async def _near(
    which: str, value: object, told: BankCredit, names: Sequence[str]
) -> list[BankCredit]:
    return await sql.records(
        BankCredit,
        _NEAR.format(which, sql.placeholders(len(names), 8)),
        told.kind,
        told.currency,
        (told.day - APART).isoformat(),
        (told.day + APART).isoformat(),
        BY_HAND,
        (told.day + RECORDED_LATE).isoformat(),
        value,
        *names,
    )


def may_be(
    known: BankCredit, told: BankCredit, payment: Payment | None, names: Sequence[str]
) -> bool:
    """Whether a line of the same amount, dated not far away, may be this one, whose account has
    these `names`.
    """
    if other_reference(known, told) or quote_others(known, told):
        return False
    named = bool(known.bank_ref and told.bank_ref) and known.bank_account in names
    if named and same_reference(known.bank_ref, told.bank_ref):
        return True
    if payment is not None:
        return pays(known, payment)
    by_hand = known.forms == BY_HAND and abs(known.day - told.day) <= APART
    return by_hand or known.day == told.day


def warn_of(lines: Sequence[BankCredit], booked: BankCredit) -> None:
    """What was parked because it quotes nothing may be what is booked here."""
    for one in lines:
        vague = one.state == BankCreditState.PARKED and not one.quoted
        if vague and one.booked_on == booked.booked_on and one.duplicate_of_id is None:
            why = ParkedWhy.POSSIBLE_DUPLICATE.value
            one.put(why=why, duplicate_of_id=booked.id)
            return
