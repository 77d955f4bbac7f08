"""Importing a new line of a statement: it is booked by itself, or parked for staff to decide."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from models.bank import lump_sum
from models.bank.booking import alone, apply, locked_for
from models.bank.draft import write_down
from models.bank.import_run import Outcome, ReportedLine, Run, Taken
from models.bank.line import BankCredit, BankCreditState, ParkedWhy, of_line
from models.bank.match import same_payer
from models.bank.near import may_be, near, of_reference, warn_of
from models.bank.recognise import now_said, the_same
from models.bank.reported import BankLine
from models.db import sql
from models.journal.command import Step
from models.journal.journal import Journal
from models.payments.locked import LockedPayment
from models.payments.payment import Payment


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a new line is decided on: the lines `close` to it, those that have its reference, the
    payments that it is about, and the first of them, locked, where it is the only one.
    """

    close: Sequence[BankCredit]
    named: Sequence[BankCredit]
    quoted: Sequence[Payment]
    at: LockedPayment | None
    line_key: str


@dataclass(frozen=True, slots=True)
class ImportBankLine(Step[_Seen, Taken]):
    """Book or park a line that was not known a moment ago."""

    one: ReportedLine
    run: Run

    @override
    async def read(self, journal: Journal) -> _Seen:
        await alone()
        told, line, run = self.one.told, self.one.line, self.run
        close = [journal.watch(row) for row in await near(told, run.names)]
        of_its = await of_reference(told, run.names)
        named = [journal.watch(row) for row in of_its if row.id not in run.seen]
        quoted = run.quoted(line) or await _returned(told, line, run)
        key = await _free_key(told, run)
        at = None
        if len(quoted) == 1:
            record = _became(told, None, None, quoted[0], key)
            at = await locked_for(journal, quoted[0], record.as_event(quoted[0]))
        return _Seen(close, named, quoted, at, key)

    @override
    def decide(self, found: _Seen, journal: Journal) -> Taken:
        one, run = self.one, self.run
        known = the_same(one, found.close, run)
        if known is not None:  # another process was faster
            known.put(**now_said(known, one.told))
            return Taken(one.line, Outcome.KNOWN, known)
        if lump_sum.is_sum_of(one.told, found.named):
            return Taken(one.line, Outcome.KNOWN)
        lump_sum.done_with(found.named, one.told, one.whole)
        return self._keep(found, journal)

    def _keep(self, found: _Seen, journal: Journal) -> Taken:
        one, line = self.one, self.one.line
        close = [row for row in found.close if row.id not in self.run.seen]
        payment = found.at.payment if found.at else None
        twin = _twin(one, [*close, *found.named], payment, self.run)
        why = ParkedWhy.POSSIBLE_DUPLICATE if twin else _why(line, found.quoted)
        record = _became(one.told, why, twin, payment, found.line_key)
        if why is None:
            assert found.at is not None
            write_down(found.at, line.amount.minor)
            apply(found.at, record.as_event(found.at.payment))
            warn_of(close, record)
        journal.add(record)
        return Taken(line, Outcome.PARKED if why else Outcome.BOOKED, record, payment)


def _became(
    told: BankCredit,
    why: ParkedWhy | None,
    twin: BankCredit | None,
    payment: Payment | None,
    line_key: str,
) -> BankCredit:
    """The record that a line leaves."""
    record = sql.copy_of(told)
    record.put(
        state=(BankCreditState.PARKED if why else BankCreditState.BOOKED).value,
        why=why.value if why else "",
        duplicate_of_id=twin.id if twin else None,
        payment_id=payment.id if payment and not why else None,
        quoted=payment.reference if payment else "",
        line_key=line_key,
    )
    return record


async def _free_key(told: BankCredit, run: Run) -> str:
    """The line's key; where its bank has given it to another before, one of what the line says."""
    said = [told.line_key, told.amount, told.booked_on, told.payer_name, told.text]
    key, number = told.line_key, 0
    while await of_line(run.names, told.kind, key):
        number += 1
        digest = hashlib.sha256(repr([*said, number]).encode()).hexdigest()
        key = f"other:{digest[:32]}"
    return key


def _twin(
    one: ReportedLine, lines: Sequence[BankCredit], payment: Payment | None, run: Run
) -> BankCredit | None:
    """The line that this one may be, so that it is not booked by itself."""
    for row in lines:
        if row.amount == one.told.amount:
            alike = may_be(row, one.told, payment, run.names)
        else:
            alike = lump_sum.belongs(row, one.told, one.whole, payment)
        if alike:
            return row
    return None


def _why(line: BankLine, quoted: Sequence[Payment]) -> ParkedWhy | None:
    """Why the line cannot be booked by itself; None where it can."""
    if line.is_reversal and line.is_credit:
        return ParkedWhy.REVERSAL
    if line.is_batch:
        return ParkedWhy.BATCH
    if not quoted:
        return ParkedWhy.UNKNOWN_REFERENCE
    if len(quoted) > 1:
        return ParkedWhy.SEVERAL_REFERENCES
    return None if quoted[0].currency == line.amount.currency else ParkedWhy.CURRENCY


async def _returned(told: BankCredit, line: BankLine, run: Run) -> list[Payment]:
    """The payment that a reversal takes back, where it has the reference of the credit alone, and
    no other credit of its amount has that.
    """
    if line.is_credit or not line.is_reversal or not line.bank_ref:
        return []
    came = await sql.records(
        BankCredit,
        "SELECT * FROM bank_credit WHERE kind = 'CREDIT' AND folded = $1 AND amount = $2"
        f" AND bank_account IN ({sql.placeholders(len(run.names), 3)}) ORDER BY id LIMIT 2",
        told.folded,
        told.amount,
        *run.names,
    )
    if len(came) != 1 or came[0].payment_id is None or not same_payer(came[0], told):
        return []
    return await sql.records(Payment, "SELECT * FROM payment WHERE id = $1", came[0].payment_id)
