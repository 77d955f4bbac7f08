"""What the readers have in common: accounts, amounts, dates, texts, and the keys of lines."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from models.bank import account
from models.clock import now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from models.bank.reported import BankLine

#: What banks write where they have no reference (SWIFT's User Handbook, ISO 20022).
_NO_REFERENCE: Final = frozenset({"", "0", "NONREF", "NOTPROVIDED", "NOT PROVIDED", "UNKNOWN"})
_REFERENCE_MAX: Final = 100
_EARLIEST: Final = date(2000, 1, 1)
_AHEAD: Final = timedelta(days=366)


class StatementUnreadable(Exception):
    """The file cannot be imported; the message, the rest of a sentence, says where and why."""


@contextmanager
def at(place: str) -> Iterator[None]:
    """What is unreadable meanwhile is so at this place; an empty one says nothing."""
    try:
        yield
    except StatementUnreadable as problem:
        raise StatementUnreadable(f"{place} {problem}" if place else str(problem)) from None


# ------------------------------------------------------------------------------- accounts


def own_account(written: str, accounts: Collection[str], bic: str = "") -> str:
    """Which of our accounts a statement is of, however its bank writes the number; `bic` is the
    bank's, where it is told beside it.

    Raises StatementUnreadable for any other: money is booked from no account but our own.
    """
    shown = clean(written)[:40] or "no account"
    try:
        found = account.own_account(written, accounts, bic)
    except account.AccountUnclear as unclear:
        raise StatementUnreadable(
            f"it is a statement of {shown}, which could be {unclear.own} or an account at another "
            "bank: if it is yours, add it to statements_of in BANK_ACCOUNTS"
        ) from None
    if found is None:
        raise StatementUnreadable(f"it is a statement of {shown}, which isn't in BANK_ACCOUNTS")
    return found


# ------------------------------------------------------------------------------- values


def checked_day(day: date) -> date:
    """A day on which a bank can have booked. Raises StatementUnreadable."""
    if not _EARLIEST <= day <= now().date() + _AHEAD:
        raise StatementUnreadable(f"the date {day.isoformat()} isn't possible")
    return day


def clean(text: str) -> str:
    """One line that can be printed and kept."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def reference_of(text: str) -> str:
    """The bank's reference of an entry; empty where it has none."""
    reference = clean(text)
    if reference.upper() in _NO_REFERENCE:
        return ""
    if len(reference) > _REFERENCE_MAX:
        return hashlib.sha256(reference.encode()).hexdigest()
    return reference


# ------------------------------------------------------------------------------- keys


def keyed(lines: Iterable[BankLine], statement: str) -> tuple[BankLine, ...]:
    """The lines of a statement with their keys, which `BankLine` tells of. `statement` is what the
    statement is known by. What moved nothing is left out.
    """
    moved = [line for line in lines if line.amount]
    uses = Counter((line.bank_ref, line.is_credit) for line in moved)
    met: Counter[object] = Counter()
    made = []
    for line in moved:
        if line.bank_ref and uses[line.bank_ref, line.is_credit] == 1:
            key = line.bank_ref
        elif line.bank_ref:
            key = f"{line.bank_ref}:{met[line.bank_ref, line.is_credit]}"
            met[line.bank_ref, line.is_credit] += 1
        else:
            key = _content_key(line, statement, met[line])
            met[line] += 1
        made.append(replace(line, key=key))
    return tuple(made)


def _content_key(line: BankLine, statement: str, number: int) -> str:
    said = [statement, line.account, line.amount.minor, line.amount.currency, line.is_credit]
    said += [line.booked_on.isoformat(), line.payer_name, line.payer_account, *line.texts, number]
    return f"said:{hashlib.sha256(repr(said).encode()).hexdigest()[:32]}"
