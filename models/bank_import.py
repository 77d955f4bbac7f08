"""Taking a bank statement in: each line is booked, parked, known already, or none of ours.

Lines are taken one by one, each in a transaction of its own, so that an import that was cut off
goes on where it was. What a line is depends on all that have come and not on the order in which
they came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from models import sql
from models.bank_credit import (
    BY_HAND,
    BankCredit,
    BankCreditKind,
    BankCreditState,
    ParkedWhy,
    alone_on,
    apply,
    of_line,
)
from models.bank_draft import by_reference, is_draft, write_down
from models.bank_reference import candidates
from models.bank_statement import BankLine, Gap, Statement, gaps, remember
from models.base import new_id, now, transaction
from models.payment import Payment

#: How far apart two reports of one transfer may date it: some name its value date, some the day on
#: which it was booked, and staff the day on which they saw it.
_APART: Final = timedelta(days=10)
_TEXT_MAX: Final = 2000


class Outcome(StrEnum):
    """What a line turned out to be."""

    BOOKED = "BOOKED"
    PARKED = "PARKED"
    KNOWN = "KNOWN"
    IGNORED = "IGNORED"


@dataclass(frozen=True, slots=True)
class Taken:
    """A line and what it turned out to be; `credit` is its record, None where it left none."""

    line: BankLine
    outcome: Outcome
    credit: BankCredit | None = None
    payment: Payment | None = None


@dataclass(slots=True)
class Import:
    """What became of a statement."""

    statement: Statement
    taken: list[Taken] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    """A statement while it is taken in. `seen` are the records of its lines."""

    form: str
    payments: dict[str, Payment]
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


async def take_in(statement: Statement) -> Import:
    """Take a statement in; told again, in whatever form and order, it changes nothing more."""
    texts = [candidates((*line.texts, line.payer_name)) for line in statement.lines]
    run = _Run(statement.form, await by_reference(set().union(*texts)))
    done = Import(statement)
    new: list[BankLine] = []
    # What is known first: a line beside it in the same statement is not the same once more.
    for line in statement.lines:
        known = await _known(line, run)
        if known is not None:
            await _seen_in(known, run)
            done.taken.append(Taken(line, Outcome.KNOWN, known))
        elif line.is_credit or line.is_reversal or run.quoted(line):
            new.append(line)
        else:  # our own money going out
            done.taken.append(Taken(line, Outcome.IGNORED))
    for line in new:
        taken = await transaction(lambda line=line: _take(line, run))  # type: ignore[misc]
        done.taken.append(await _refreshed(taken, run))
    done.gaps = await transaction(lambda: _remembered(statement))
    return done


async def _refreshed(taken: Taken, run: _Run) -> Taken:
    """With the payment that was a draft when the statement was begun, as it has been written."""
    if taken.payment is None or not is_draft(taken.payment):
        return taken
    reference = taken.payment.reference
    run.payments |= await by_reference([reference])
    return replace(taken, payment=run.payments[reference])


async def _remembered(statement: Statement) -> list[Gap]:
    await remember(statement)
    return await gaps(statement)


async def _known(line: BankLine, run: _Run) -> BankCredit | None:
    """The record of this very line, where there is one."""
    for key in (line.key, _key_of_another(line)):
        known = await of_line(line.account, _kind(line), key)
        if known is not None and _says_the_same(known, line, run):
            return known
    return None


def _kind(line: BankLine) -> BankCreditKind:
    return BankCreditKind.CREDIT if line.is_credit else BankCreditKind.RETURN


def _key_of_another(line: BankLine) -> str:
    """The key of a line whose bank has given its reference to another before."""
    said = [line.key, line.amount.minor, line.booked_on.isoformat(), line.payer_name, *line.texts]
    return f"other:{hashlib.sha256(repr(said).encode()).hexdigest()[:32]}"


def _says_the_same(known: BankCredit, line: BankLine, run: _Run) -> bool:
    if (known.amount, known.currency) != (line.amount.minor, line.amount.currency):
        return False
    quoted = {payment.id for payment in run.quoted(line)}
    if known.state == BankCreditState.BOOKED and quoted and known.payment_id not in quoted:
        return False
    return abs(known.day - line.booked_on) <= _APART


async def _seen_in(known: BankCredit, run: _Run) -> None:
    run.seen.add(known.id)
    if run.form not in known.forms.split():
        forms = f"{known.forms} {run.form}"
        await sql.execute("UPDATE bank_credit SET forms = $2 WHERE id = $1", known.id, forms)


# ------------------------------------------------------------------------------- one new line


async def _take(line: BankLine, run: _Run) -> Taken:
    """Book or park a line that was not known a moment ago."""
    await alone_on(line.account)
    quoted = run.quoted(line) or await _returned(line)
    known = await _known(line, run)
    if known is not None:  # another process was faster
        await _seen_in(known, run)
        return Taken(line, Outcome.KNOWN, known)
    if await _is_sum_of_known(line):
        return Taken(line, Outcome.KNOWN)
    return await _kept(line, quoted, run)


async def _kept(line: BankLine, quoted: list[Payment], run: _Run) -> Taken:
    payment = quoted[0] if len(quoted) == 1 else None
    near = await _near(line, run)
    twin = await _reference_twin(line, run) or _twin(near, line, payment)
    why = ParkedWhy.POSSIBLE_DUPLICATE if twin else _why(line, quoted)
    credit = _record_of(line, run.form, why, twin)
    if payment is not None:
        credit.quoted = payment.reference
    if why is None:
        assert payment is not None
        credit.payment_id = payment.id
        await write_down(payment, line.amount.minor)
        await apply(payment.id, credit.told(payment))
        await _warn_of(near, credit)
    if await of_line(line.account, _kind(line), line.key):
        credit.line_key = _key_of_another(line)
    await sql.insert("bank_credit", [sql.row_of(credit)])
    run.seen.add(credit.id)
    return Taken(line, Outcome.PARKED if why else Outcome.BOOKED, credit, payment)


def _why(line: BankLine, quoted: list[Payment]) -> ParkedWhy | None:
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


def _record_of(
    line: BankLine, form: str, why: ParkedWhy | None, twin: BankCredit | None
) -> BankCredit:
    return BankCredit(
        id=new_id(),
        created_at=now(),
        kind=_kind(line).value,
        state=(BankCreditState.PARKED if why else BankCreditState.BOOKED).value,
        why=why.value if why else "",
        bank_account=line.account,
        line_key=line.key,
        bank_ref=line.bank_ref,
        forms=form,
        amount=line.amount.minor,
        currency=line.amount.currency,
        booked_on=line.booked_on.isoformat(),
        payer_name=line.payer_name[:200],
        payer_account=line.payer_account[:64],
        text="\n".join(line.texts)[:_TEXT_MAX],
        duplicate_of_id=twin.id if twin else None,
    )


# ------------------------------------------------------------------------------- twins


async def _near(line: BankLine, run: _Run) -> list[BankCredit]:
    """Lines that have come before and may be this one, told in another form: of the same amount,
    and dated not far away.
    """
    rows = await sql.records(
        BankCredit,
        "SELECT * FROM bank_credit WHERE kind = $1 AND currency = $2 AND amount = $3"
        " AND booked_on BETWEEN $4 AND $5 AND (bank_account = $6 OR forms = $7) ORDER BY id",
        _kind(line).value,
        line.amount.currency,
        line.amount.minor,
        (line.booked_on - _APART).isoformat(),
        (line.booked_on + _APART).isoformat(),
        line.account,
        BY_HAND,
    )
    return [row for row in rows if not _is_another(row, line, run)]


def _is_another(row: BankCredit, line: BankLine, run: _Run) -> bool:
    """Whether it cannot be the same: beside it in this statement, or with a reference of its own in
    the same form.
    """
    both_named = bool(row.bank_ref and line.bank_ref)
    return row.id in run.seen or (both_named and run.form in row.forms.split())


def _twin(near: list[BankCredit], line: BankLine, payment: Payment | None) -> BankCredit | None:
    """The line that this one may be, so that it is not booked by itself."""
    return next((row for row in near if _may_be(row, line, payment)), None)


def _may_be(row: BankCredit, line: BankLine, payment: Payment | None) -> bool:
    if payment is None:
        return row.forms == BY_HAND or row.day == line.booked_on
    if row.settled:
        return row.payment_id == payment.id
    return row.quoted == payment.reference


async def _warn_of(near: list[BankCredit], booked: BankCredit) -> None:
    """What was parked because it quotes nothing may be what quotes its payment here."""
    for row in near:
        vague = row.state == BankCreditState.PARKED and not row.quoted
        if vague and row.booked_on == booked.booked_on and row.duplicate_of_id is None:
            why = ParkedWhy.POSSIBLE_DUPLICATE.value
            await row.change(why=why, duplicate_of_id=booked.id)
            return


# ------------------------------------------------------------------------------- batches


async def _of_entry(line: BankLine) -> list[BankCredit]:
    """Other lines that the bank reports under the same reference."""
    if not line.bank_ref:
        return []
    return await sql.records(
        BankCredit,
        "SELECT * FROM bank_credit WHERE bank_account = $1 AND kind = $2 AND bank_ref = $3"
        " AND line_key <> $4 ORDER BY id",
        line.account,
        _kind(line).value,
        line.bank_ref,
        line.key,
    )


async def _is_sum_of_known(line: BankLine) -> bool:
    """Whether it is a batch in one sum whose transfers have come one by one."""
    if line.key != line.bank_ref:
        return False
    items = [one for one in await _of_entry(line) if one.line_key.startswith(f"{line.bank_ref}:")]
    return bool(items) and sum(one.amount for one in items) == line.amount.minor


async def _reference_twin(line: BankLine, run: _Run) -> BankCredit | None:
    """A line of another kind of report that has this line's reference, and so perhaps its money.

    A batch that was parked as one sum is done with when its transfers come one by one.
    """
    same = await of_line(line.account, _kind(line), line.key)
    others = [*([same] if same else []), *await _of_entry(line)]
    for other in others:
        if other.id in run.seen:
            continue
        if _is_sum(other, line) and other.state == BankCreditState.PARKED:
            await other.change(state=BankCreditState.DISMISSED.value, note="told one by one")
        elif not (_is_sum(other, line) and other.state == BankCreditState.DISMISSED):
            return other
    return None


def _is_sum(other: BankCredit, line: BankLine) -> bool:
    return other.line_key == other.bank_ref != line.key and other.amount > line.amount.minor


async def _returned(line: BankLine) -> list[Payment]:
    """The payment that a reversal takes back, where it has the reference of the credit alone."""
    if line.is_credit or not line.is_reversal or not line.bank_ref:
        return []
    rows = await sql.records(
        Payment,
        "SELECT p.* FROM payment p JOIN bank_credit b ON b.payment_id = p.id"
        " WHERE b.bank_account = $1 AND b.kind = 'CREDIT' AND b.bank_ref = $2 AND b.amount = $3",
        line.account,
        line.bank_ref,
        line.amount.minor,
    )
    return rows[:2]


def outcomes(imports: Iterable[Import]) -> dict[Outcome, int]:
    """How many lines there were of each outcome."""
    taken = [one.outcome for each in imports for one in each.taken]
    return {outcome: taken.count(outcome) for outcome in Outcome}
