"""Importing a bank statement: each line is booked, parked, known already, or not for us.

Lines are imported one by one, each in a transaction of its own, so that an import that was cut off
goes on where it was. What a line is depends on all that have come and not on the order in which
they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from models.bank.draft import by_reference
from models.bank.import_line import ImportBankLine
from models.bank.import_run import Outcome, ReportedLine, Run, Taken
from models.bank.line import BankCredit, BankCreditKind, BankCreditState, ParkedWhy, names_of
from models.bank.match import folded
from models.bank.recognise import recognised, seen_as
from models.bank.reported import BankLine, ReportedStatement
from models.bank.statement import Gap, days_beside, gaps, remember
from models.clock import now
from models.db.record import new_id
from models.db.transactions import transaction
from models.journal.command import perform
from models.reference import candidates

_TEXT_MAX: Final = 2000


@dataclass(slots=True)
class Import:
    """What became of a statement."""

    statement: ReportedStatement
    taken: list[Taken] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


async def import_statement(statement: ReportedStatement) -> Import:
    """Import a statement; imported again, in whatever form and order, it changes nothing more."""
    run = await _run(statement)
    done = Import(statement)
    new: list[ReportedLine] = []
    lines = list(_told(statement, run))
    # What is known first: a line beside it in the same statement is not the same once more.
    before = await recognised(lines, run)
    for one in lines:
        known = before.get(one.told.id)
        if known is not None and await seen_as(known, one.told, run):
            done.taken.append(Taken(one.line, Outcome.KNOWN, known))
        elif one.line.is_credit or one.line.is_reversal or run.quoted(one.line):
            new.append(one)
        else:  # our own money going out
            done.taken.append(Taken(one.line, Outcome.IGNORED))
    for one in new:
        taken = await perform(ImportBankLine(one, run))
        if taken.record is not None:
            run.seen.add(taken.record.id)
        if taken.outcome is Outcome.BOOKED and taken.payment is not None:
            run.payments[taken.payment.reference] = taken.payment  # no draft any more
        done.taken.append(taken)
    done.gaps = await transaction(lambda: _remembered(statement))
    return done


async def _run(statement: ReportedStatement) -> Run:
    texts = [candidates((*line.texts, line.payer_name)) for line in statement.lines]
    names = await names_of(statement.account)
    payments = await by_reference(set().union(*texts))
    return Run(payments, names, await days_beside(statement, names))


def _told(statement: ReportedStatement, run: Run) -> Iterator[ReportedLine]:
    wholes: Counter[tuple[str, bool]] = Counter()
    for line in statement.lines:
        wholes[line.bank_ref, line.is_credit] += line.amount.minor
    there = statement.opening.minor if statement.opening and not statement.missing else None
    for line in statement.lines:
        if there is not None:
            there += line.amount.minor if line.is_credit else -line.amount.minor
        told = _record_of(line, statement.form, there)
        payment = run.the_quoted(line)
        told.quoted = payment.reference if payment else ""
        yield ReportedLine(line, told, wholes[line.bank_ref, line.is_credit])


def _record_of(line: BankLine, form: str, balance_after: int | None) -> BankCredit:
    kind = BankCreditKind.CREDIT if line.is_credit else BankCreditKind.RETURN
    return BankCredit(
        id=new_id(),
        created_at=now(),
        kind=kind.value,
        state=BankCreditState.PARKED.value,
        why=ParkedWhy.BATCH.value if line.is_batch else "",
        bank_account=line.account,
        line_key=line.key,
        bank_ref=line.bank_ref,
        folded=folded(line.bank_ref or line.key),
        forms=form,
        amount=line.amount.minor,
        currency=line.amount.currency,
        booked_on=line.booked_on.isoformat(),
        payer_name=line.payer_name[:200],
        payer_account=line.payer_account[:64],
        text="\n".join(line.texts)[:_TEXT_MAX],
        balance_after=balance_after,
    )


async def _remembered(statement: ReportedStatement) -> list[Gap]:
    await remember(statement)
    return await gaps(statement)


def outcomes(imports: Iterable[Import]) -> dict[Outcome, int]:
    """How many lines there were of each outcome."""
    taken = [one.outcome for each in imports for one in each.taken]
    return {outcome: taken.count(outcome) for outcome in Outcome}
