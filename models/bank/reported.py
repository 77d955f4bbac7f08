"""Reported statements: what a reader makes of a bank's file.

A reader knows its format and nothing of us; what a line means is decided where it is imported
(`models.bank.import_statement`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from models.money import Money


@dataclass(frozen=True, slots=True)
class BankLine:
    """One movement on an account of ours, booked by the bank; `amount` is positive.

    `bank_ref` is the bank's own reference of the entry, the same in every form that it is reported
    in, or empty. `key` is the line's own: of a transfer that was booked alone it is `bank_ref`, of
    the n-th in a batch `bank_ref:n`, of a line without reference made from what it says and the
    statement that says it. `is_batch` is a sum of several transfers that are not told apart.
    `texts` is all that payer and bank wrote, in their order.
    """

    account: str
    key: str
    bank_ref: str
    amount: Money
    is_credit: bool
    is_reversal: bool
    is_batch: bool
    booked_on: date
    payer_name: str
    payer_account: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """What was on the account, in signed minor units, and when."""

    minor: int
    on: date


@dataclass(frozen=True, slots=True)
class ReportedStatement:
    """One statement or notification of one account. A notification (camt.054) has no balances.

    `form` is `camt.052`, `camt.053`, `camt.054`, `MT940`, `Zengin` or `CSV`; `pending` counts what
    the bank had not booked yet.
    """

    form: str
    reference: str
    account: str
    currency: str
    number: int | None
    opening: Balance | None
    closing: Balance | None
    lines: tuple[BankLine, ...]
    pending: int = 0

    @property
    def missing(self) -> Money:
        """What its entries lack to lead from the opening to the closing balance."""
        if self.opening is None or self.closing is None:
            return Money.zero(self.currency)
        moved = sum(one.amount.minor if one.is_credit else -one.amount.minor for one in self.lines)
        return Money(self.closing.minor - self.opening.minor - moved, self.currency)
