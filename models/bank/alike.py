"""Possible duplicates: lines that resemble what staff are about to record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from models.bank.line import BY_HAND, BankCredit
from models.bank.match import pays, same_reference
from models.bank.near import APART, RECORDED_LATE
from models.db import sql
from models.errors import Invalid, NotFound, PossibleDuplicate
from models.journal.journal import Journal
from models.payments.payment import Payment

#: As many lines of one reference are looked at; a bank that has more gives it to everything.
_SAME_REFERENCE_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Alike:
    """What a typed line is compared with: those that are `named` alike but for the spelling, and
    those `near` of its amount from about the same time. `known` is the parked line that it books,
    `names` what its account has been called; without a date (`dated`) it may have come long before.
    """

    typed: BankCredit
    known: BankCredit | None
    payment: Payment
    names: Sequence[str]
    dated: bool
    named: Sequence[BankCredit]
    near: Sequence[BankCredit]

    def check(self, despite: UUID | None, meant: BankCredit | None) -> None:
        """Raises PossibleDuplicate where it looks like a line, and that is not `despite`, which is
        `meant`; NotFound and Invalid at `despite`.
        """
        alike = [one for one in (*self.named, *self.near) if self._looks_like(one)]
        if despite is not None and meant is None:
            raise NotFound("despite")
        if meant is not None and self._looks_like(meant):
            return
        if alike:
            raise PossibleDuplicate("bank_transaction_id", line=self._closest(alike))
        if despite is not None:
            raise Invalid("despite", problem="not_alike")

    def _looks_like(self, one: BankCredit) -> bool:
        typed = self.typed
        if self.known is not None:  # which line it is has been said: only money that is booked
            return one.is_booked and pays(one, self.payment) and self._is_near(one)
        here, its = one.bank_account in self.names, pays(one, self.payment)
        if one.kind != typed.kind:
            return False
        if one.folded == typed.folded:
            return here or its
        named = here and bool(one.bank_ref) and same_reference(one.bank_ref, typed.bank_ref)
        return self._is_near(one) and (its or named)

    def _is_near(self, one: BankCredit) -> bool:
        before = APART if self.dated else RECORDED_LATE
        after = RECORDED_LATE if one.forms == BY_HAND else APART
        same_amount = (one.amount, one.currency) == (self.typed.amount, self.typed.currency)
        return same_amount and -before <= one.day - self.typed.day <= after

    def _closest(self, alike: Sequence[BankCredit]) -> BankCredit:
        """What staff are shown: the same name first, then what is booked."""
        return max(
            alike,
            key=lambda one: (one.folded == self.typed.folded, one.is_booked, one.created_at),
        )


async def alike_to(
    journal: Journal,
    typed: BankCredit,
    known: BankCredit | None,
    payment: Payment,
    names: Sequence[str],
    *,
    dated: bool,
) -> Alike:
    """Read what it is compared with."""
    named = await _named(typed, payment, names)
    near = [journal.watch(one) for one in await _near(typed, dated=dated)]
    return Alike(typed, known, payment, names, dated, named, near)


async def _named(typed: BankCredit, payment: Payment, names: Sequence[str]) -> list[BankCredit]:
    """Lines with the same reference but for its spelling."""
    return await sql.records(
        BankCredit,
        "SELECT * FROM bank_credit WHERE folded = $1 AND kind = $2 AND (payment_id = $3 OR"
        f" bank_account IN ({sql.placeholders(len(names), 4)}))"
        f" ORDER BY id DESC LIMIT {_SAME_REFERENCE_MAX}",
        typed.folded,
        typed.kind,
        payment.id,
        *names,
    )


async def _near(typed: BankCredit, *, dated: bool) -> list[BankCredit]:
    """Lines of the same amount from about the same time."""
    day, before = typed.day, APART if dated else RECORDED_LATE
    return await sql.records(
        BankCredit,
        "SELECT * FROM bank_credit WHERE kind = $1 AND currency = $2 AND amount = $3"
        " AND booked_on BETWEEN $4 AND $5 AND id <> $6 ORDER BY id",
        typed.kind,
        typed.currency,
        typed.amount,
        (day - before).isoformat(),
        (day + RECORDED_LATE).isoformat(),
        typed.id,
    )
