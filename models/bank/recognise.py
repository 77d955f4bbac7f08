"""Lines of a statement that have come before, in whatever form and order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from models.bank.import_run import ReportedLine, Run
from models.bank.line import BY_HAND, BankCredit
from models.bank.match import same
from models.bank.near import near
from models.db import sql


async def recognised(lines: Sequence[ReportedLine], run: Run) -> dict[UUID, BankCredit]:
    """What has come before of a statement's lines: the records, by the id of what is told. As often
    as the statement says the same, as many records it has.
    """
    close = {one.told.id: await near(one.told, run.names) for one in lines}
    found: dict[UUID, BankCredit] = {}
    for certain in (True, False):  # the same form first, so that no other is taken for it
        for one in lines:
            if one.told.id not in found:
                known = the_same(one, close[one.told.id], run, same_form=certain)
                if known is not None:
                    found[one.told.id] = known
                    run.seen.add(known.id)
    return found


def the_same(
    one: ReportedLine, lines: Sequence[BankCredit], run: Run, *, same_form: bool = False
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
    return there, known.line_key == told.line_key, known.is_booked


def _is_apart(known: BankCredit, told: BankCredit, run: Run) -> bool:
    """Whether the balances show two: one statement begins where another ends on that day, and they
    come to different balances.
    """
    if None in (known.balance_after, told.balance_after):
        return False
    return told.day in run.beside and known.balance_after != told.balance_after


async def seen_as(known: BankCredit, told: BankCredit, run: Run) -> bool:
    """Note in which forms a line has come. What staff recorded becomes what the bank says of it;
    False where another line has been found to be that meanwhile.
    """
    columns = now_said(known, told)
    if known.forms == BY_HAND:
        if not await sql.execute(_BECOMES, known.id, *columns.values(), BY_HAND):
            run.seen.discard(known.id)
            return False
    elif columns:
        await known.change(**columns)
    return True


def now_said(known: BankCredit, told: BankCredit) -> dict[str, object]:
    """What a line is noted as where it comes (again)."""
    if known.forms == BY_HAND:
        said = {name: getattr(told, name) for name in _SAID}
        return {"forms": f"{told.forms} {BY_HAND}", **said}
    is_new = told.forms not in known.forms.split()
    return {"forms": f"{known.forms} {told.forms}"} if is_new else {}


_SAID: Final = (
    *("bank_ref", "folded", "booked_on", "payer_name", "payer_account", "text", "quoted"),
    "balance_after",
)
_BECOMES: Final = (
    "UPDATE bank_credit SET forms = $2, "
    + ", ".join(f"{name} = ${number}" for number, name in enumerate(_SAID, 3))
    + f" WHERE id = $1 AND forms = ${len(_SAID) + 3}"
)
