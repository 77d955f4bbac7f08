"""A statement while it is imported, line by line, and what each line turned out to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from uuid import UUID

from models.bank.draft import is_draft
from models.bank.line import BankCredit
from models.bank.reported import BankLine
from models.payments.payment import Payment
from models.reference import candidates


class Outcome(StrEnum):
    """What a line turned out to be."""

    BOOKED = "BOOKED"
    PARKED = "PARKED"
    KNOWN = "KNOWN"
    IGNORED = "IGNORED"


@dataclass(frozen=True, slots=True)
class Taken:
    """A line and what it turned out to be; `record` is its row, None where it left none."""

    line: BankLine
    outcome: Outcome
    record: BankCredit | None = None
    payment: Payment | None = None


@dataclass(frozen=True, slots=True)
class ReportedLine:
    """A line as its statement tells it. `told` is the record that it would leave; `whole` what all
    lines of the statement with its reference come to, in minor units.
    """

    line: BankLine
    told: BankCredit
    whole: int


@dataclass(slots=True)
class Run:
    """A statement while it is imported. `names` are what its account has been called, `seen` the
    records of its lines, `beside` the days on which another statement ends where it begins, or
    begins where it ends.
    """

    payments: dict[str, Payment]
    names: Sequence[str]
    beside: set[date]
    seen: set[UUID] = field(default_factory=set)

    def quoted(self, line: BankLine) -> list[Payment]:
        """The payments whose references the line quotes."""
        named = candidates((*line.texts, line.payer_name))
        found = [self.payments[one] for one in sorted(named) if one in self.payments]
        begun = [one for one in found if not is_draft(one)]
        if not line.is_credit:
            return begun
        # Who quotes the invoice's reference and the payment's means the payment.
        known = {one.invoice_id for one in begun}
        return begun + [one for one in found if is_draft(one) and one.invoice_id not in known]

    def the_quoted(self, line: BankLine) -> Payment | None:
        """The payment, where it quotes one alone."""
        quoted = self.quoted(line)
        return quoted[0] if len(quoted) == 1 else None
