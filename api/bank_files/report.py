"""The report of an import: lines for people, JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.bank.import_run import Outcome, Taken
from models.bank.import_statement import outcomes
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models.bank.import_statement import Import
    from models.bank.reported import ReportedStatement
    from models.bank.statement import Gap

_WORDS = {
    Outcome.BOOKED: "booked",
    Outcome.PARKED: "parked",
    Outcome.KNOWN: "known already",
    Outcome.IGNORED: "ignored (our own money going out)",
}


def lines(file: str, imports: Sequence[Import]) -> Iterator[str]:
    """What became of a file: each line that was booked or parked, then the counts."""
    for each in imports:
        for taken in each.taken:
            if taken.outcome in {Outcome.BOOKED, Outcome.PARKED}:
                yield _line(taken)
    counts = [f"{number} {_WORDS[outcome]}" for outcome, number in outcomes(imports).items()]
    pending = sum(each.statement.pending for each in imports)
    counts += [f"{pending} not booked by the bank yet"] if pending else []
    yield f"{file}: {', '.join(counts)}"


def _line(taken: Taken) -> str:
    line, record = taken.line, taken.record
    assert record is not None
    sign = "" if line.is_credit else "-"
    what = f"{line.booked_on}  {sign}{line.amount.amount} {line.amount.currency}"
    became = f"{record.state.lower()}  {what}  {record.public_id}"
    if taken.outcome is Outcome.PARKED:
        return f"{became}  {record.why.lower().replace('_', ' ')}  {line.payer_name}".rstrip()
    return f"{became}  {taken.payment.reference if taken.payment else ''}".rstrip()


def warnings(imports: Sequence[Import]) -> Iterator[str]:
    """What does not fit together: people ask the bank for what is missing."""
    for each in imports:
        if each.statement.missing:
            yield _incomplete(each.statement)
    gaps = {gap.statement.id: _gap(gap) for each in imports for gap in each.gaps}
    yield from gaps.values()


def _incomplete(statement: ReportedStatement) -> str:
    missing = statement.missing
    return (
        f"Statement {statement.reference} of {statement.account} does not add up: its entries are "
        f"{missing.amount} {missing.currency} short of its closing balance."
    )


def _gap(gap: Gap) -> str:
    now, before = gap.statement, gap.before
    begin = f"A statement of {now.bank_account} is missing before {now.reference} ({now.closed_on})"
    opening, closing = Money(now.opening, now.currency), Money(before.closing, now.currency)
    return (
        f"{begin}: it opens with {opening.amount} {now.currency}, and {before.reference} "
        f"({before.closed_on}) closed with {closing.amount}."
    )


def as_json(file: str, imports: Sequence[Import]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "file": file,
        "counts": {outcome.value: number for outcome, number in outcomes(imports).items()},
        "pending": sum(each.statement.pending for each in imports),
        "lines": [_json_of(taken) for each in imports for taken in each.taken],
        "warnings": list(warnings(imports)),
    }


def _json_of(taken: Taken) -> dict[str, Any]:
    line, record, payment = taken.line, taken.record, taken.payment
    return {
        "outcome": taken.outcome.value,
        "bankCreditId": record.public_id if record else None,
        "parkedReason": record.why or None if record else None,
        "bankAccount": line.account,
        "bankTransactionId": record.line_key if record else line.key,
        "credit": line.is_credit,
        "amount": f"{line.amount.amount:f}",
        "currency": line.amount.currency,
        "bookedOn": line.booked_on.isoformat(),
        "paymentId": payment.public_id if payment else None,
        "reference": payment.reference if payment else None,
    }
