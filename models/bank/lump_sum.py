"""Lump sums: a bank books several transfers as one entry, a batch. It reports the transfers one by
one, or only their sum, or each in a different format; all carry the reference of the entry.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.bank.line import BankCredit, BankCreditState, ParkedWhy
from models.bank.match import pays, quote_others, same_payer
from models.payments.payment import Payment

#: Why a sum is dismissed by itself.
TOLD_ONE_BY_ONE = "told one by one"


def is_sum_of(told: BankCredit, lines: Sequence[BankCredit]) -> bool:
    """Whether it is the sum of transfers that have come one by one, of the same day.

    What says who has paid it, or quotes a reference of ours, is a transfer of its own.
    """
    if told.line_key != told.bank_ref or told.quoted:
        return False
    items = [one for one in lines if one.booked_on == told.booked_on and _is_item(one)]
    payers = [one for one in items if same_payer(one, told)]
    return bool(payers) and sum(one.amount for one in items) == told.amount


def _is_item(line: BankCredit) -> bool:
    return line.line_key.startswith(f"{line.bank_ref}:")


def done_with(lines: Sequence[BankCredit], told: BankCredit, whole: int) -> None:
    """Dismiss the parked sum of a batch, whose transfers come one by one now. `whole` is what all
    lines of the statement with this reference come to.
    """
    for one in lines:
        if _is_sum(one, told, whole) and one.state == BankCreditState.PARKED:
            one.put(state=BankCreditState.DISMISSED.value, note=TOLD_ONE_BY_ONE)


def _is_sum(line: BankCredit, told: BankCredit, whole: int) -> bool:
    alone = line.line_key == line.bank_ref != told.line_key
    about = line.why == ParkedWhy.BATCH or same_payer(line, told)
    return alone and about and line.amount == whole > told.amount


def belongs(line: BankCredit, told: BankCredit, whole: int, payment: Payment | None) -> bool:
    """Whether a line of another amount, with the same reference, may have this one's money in it,
    or this one its.
    """
    if line.state == BankCreditState.DISMISSED and line.note == TOLD_ONE_BY_ONE:
        return False
    if line.amount == whole or (payment is not None and pays(line, payment)):
        return True
    if quote_others(line, told):
        return ParkedWhy.BATCH in {line.why, told.why}
    larger = line if line.amount > told.amount else told
    return larger.why == ParkedWhy.BATCH or not larger.payer_name
