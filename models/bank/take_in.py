"""Taking a bank statement in: each line is booked, parked, known already, or none of ours.

Lines are taken one by one, each in a transaction of its own, so that an import that was cut off
goes on where it was. What a line is depends on all that have come and not on the order in which
they came.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID

from models.bank import batch
from models.bank.draft import by_reference, is_draft, write_down
from models.bank.line import (
    BY_HAND,
    BankCredit,
    BankCreditKind,
    BankCreditState,
    ParkedWhy,
    alone,
    apply,
    names_of,
    of_line,
)
from models.bank.match import folded, same, same_payer
from models.bank.near import may_be, near, of_reference, warn_of
from models.bank.statement import BankLine, Gap, Statement, days_beside, gaps, remember
from models.clock import now
from models.db import sql
from models.db.record import new_id
from models.db.transactions import transaction
from models.payments.payment import Payment
from models.reference import candidates

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


@dataclass(frozen=True, slots=True)
class _Told:
    """A line as its statement tells it. `told` is the record that it would leave; `whole` what all
    lines of the statement with its reference come to, in minor units.
    """

    line: BankLine
    told: BankCredit
    whole: int


@dataclass(slots=True)
class _Run:
    """A statement while it is taken in. `names` are what its account has been called, `seen` the
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


async def take_in(statement: Statement) -> Import:
    """Take a statement in; told again, in whatever form and order, it changes nothing more."""
    run = await _run(statement)
    done = Import(statement)
    new: list[_Told] = []
    lines = list(_told(statement, run))
    # What is known first: a line beside it in the same statement is not the same once more.
    recognised = await _recognised(lines, run)
    for one in lines:
        known = recognised.get(one.told.id)
        if known is not None and await _seen_as(known, one.told, run):
            done.taken.append(Taken(one.line, Outcome.KNOWN, known))
        elif one.line.is_credit or one.line.is_reversal or run.quoted(one.line):
            new.append(one)
        else:  # our own money going out
            done.taken.append(Taken(one.line, Outcome.IGNORED))
    for one in new:
        taken = await transaction(lambda one=one: _take(one, run))  # type: ignore[misc]
        if taken.credit is not None:
            run.seen.add(taken.credit.id)
        done.taken.append(await _refreshed(taken, run))
    done.gaps = await transaction(lambda: _remembered(statement))
    return done


async def _run(statement: Statement) -> _Run:
    texts = [candidates((*line.texts, line.payer_name)) for line in statement.lines]
    names = await names_of(statement.account)
    payments = await by_reference(set().union(*texts))
    return _Run(payments, names, await days_beside(statement, names))


def _told(statement: Statement, run: _Run) -> Iterator[_Told]:
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
        yield _Told(line, told, wholes[line.bank_ref, line.is_credit])


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


# ------------------------------------------------------------------------------- known lines


async def _recognised(lines: Sequence[_Told], run: _Run) -> dict[UUID, BankCredit]:
    """What has come before of a statement's lines: the records, by the id of what is told. As often
    as the statement says the same, as many records it has.
    """
    close = {one.told.id: await near(one.told, run.names) for one in lines}
    found: dict[UUID, BankCredit] = {}
    for certain in (True, False):  # the same form first, so that no other is taken for it
        for one in lines:
            if one.told.id not in found:
                known = _the_same(one, close[one.told.id], run, same_form=certain)
                if known is not None:
                    found[one.told.id] = known
                    run.seen.add(known.id)
    return found


def _the_same(
    one: _Told, lines: Sequence[BankCredit], run: _Run, *, same_form: bool = False
) -> BankCredit | None:
    """The record of this very line, where there is one."""
    payment = run.the_quoted(one.line)
    found = [
        known
        for known in lines
        if known.id not in run.seen
        and known.bank_account in run.names
        and (not same_form or known.forms.partition(" ")[0] == one.told.forms)
        and not _is_apart(known, one.told, run)
        and same(known, one.told, payment)
    ]
    return max(found, key=lambda known: _closeness(known, one.told), default=None)


def _closeness(known: BankCredit, told: BankCredit) -> tuple[bool, bool, bool]:
    there = known.balance_after is not None and known.balance_after == told.balance_after
    return there, known.line_key == told.line_key, known.settled


def _is_apart(known: BankCredit, told: BankCredit, run: _Run) -> bool:
    """Whether the balances show two: one statement begins where another ends on that day, and they
    come to different balances.
    """
    if None in (known.balance_after, told.balance_after):
        return False
    return told.day in run.beside and known.balance_after != told.balance_after


async def _seen_as(known: BankCredit, told: BankCredit, run: _Run) -> bool:
    """Note in which forms a line has come. What staff recorded becomes what the bank says of it;
    False where another line has been found to be that meanwhile.
    """
    if known.forms == BY_HAND:
        said = [getattr(told, name) for name in _SAID]
        forms = f"{told.forms} {BY_HAND}"
        if not await sql.execute(_BECOMES, known.id, forms, *said, BY_HAND):
            run.seen.discard(known.id)
            return False
    elif told.forms not in known.forms.split():
        await known.change(forms=f"{known.forms} {told.forms}")
    return True


_SAID: Final = (
    *("bank_ref", "folded", "booked_on", "payer_name", "payer_account", "text", "quoted"),
    "balance_after",
)
_BECOMES: Final = (
    "UPDATE bank_credit SET forms = $2, "
    + ", ".join(f"{name} = ${number}" for number, name in enumerate(_SAID, 3))
    + f" WHERE id = $1 AND forms = ${len(_SAID) + 3}"
)


# ------------------------------------------------------------------------------- one new line


async def _take(one: _Told, run: _Run) -> Taken:
    """Book or park a line that was not known a moment ago."""
    await alone()
    line, told = one.line, one.told
    close = await near(told, run.names)
    known = _the_same(one, close, run)
    if known is not None:  # another process was faster
        await _seen_as(known, told, run)
        return Taken(line, Outcome.KNOWN, known)
    named = [row for row in await of_reference(told, run.names) if row.id not in run.seen]
    if batch.is_sum_of(told, named):
        return Taken(line, Outcome.KNOWN)
    await batch.done_with(named, told, one.whole)
    return await _kept(one, [row for row in close if row.id not in run.seen], named, run)


async def _kept(
    one: _Told, close: Sequence[BankCredit], named: Sequence[BankCredit], run: _Run
) -> Taken:
    line = one.line
    quoted = run.quoted(line) or await _returned(one.told, line, run)
    payment = quoted[0] if len(quoted) == 1 else None
    twin = _twin(one, [*close, *named], payment, run)
    why = ParkedWhy.POSSIBLE_DUPLICATE if twin else _why(line, quoted)
    credit = _became(one.told, why, twin, payment)
    credit.line_key = await _free_key(credit, run)
    if why is None:
        assert payment is not None
        await write_down(payment, line.amount.minor)
        await apply(payment.id, credit.told(payment))
        await warn_of(close, credit)
    await sql.insert("bank_credit", [sql.row_of(credit)])
    return Taken(line, Outcome.PARKED if why else Outcome.BOOKED, credit, payment)


def _became(
    told: BankCredit, why: ParkedWhy | None, twin: BankCredit | None, payment: Payment | None
) -> BankCredit:
    """The record that a line leaves: a new one each time, for a transaction may run again."""
    row = sql.row_of(told)
    row["state"] = (BankCreditState.PARKED if why else BankCreditState.BOOKED).value
    row["why"] = why.value if why else ""
    row["duplicate_of_id"] = twin.id if twin else None
    row["payment_id"] = payment.id if payment and not why else None
    row["quoted"] = payment.reference if payment else ""
    return BankCredit(**row)


async def _free_key(credit: BankCredit, run: _Run) -> str:
    """The line's key; where its bank has given it to another before, one of what the line says."""
    said = [credit.line_key, credit.amount, credit.booked_on, credit.payer_name, credit.text]
    key, number = credit.line_key, 0
    while await of_line(run.names, credit.kind, key):
        number += 1
        digest = hashlib.sha256(repr([*said, number]).encode()).hexdigest()
        key = f"other:{digest[:32]}"
    return key


def _twin(
    one: _Told, lines: Sequence[BankCredit], payment: Payment | None, run: _Run
) -> BankCredit | None:
    """The line that this one may be, so that it is not booked by itself."""
    for row in lines:
        if row.amount == one.told.amount:
            alike = may_be(row, one.told, payment, run.names)
        else:
            alike = batch.belongs(row, one.told, one.whole, payment)
        if alike:
            return row
    return None


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


async def _returned(told: BankCredit, line: BankLine, run: _Run) -> list[Payment]:
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


def outcomes(imports: Iterable[Import]) -> dict[Outcome, int]:
    """How many lines there were of each outcome."""
    taken = [one.outcome for each in imports for one in each.taken]
    return {outcome: taken.count(outcome) for outcome in Outcome}
