"""Updates of a balance: what a subscriber is owed since the version that it received last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from models.access.identity import Actor
from models.credit import lines
from models.credit.balance import BalanceState
from models.errors import Invalid, NotFound
from models.ledger.credit_transaction import CreditTransaction

#: How many lines are read at once.
BATCH: Final = 100

#: A balance, and the line that made it so; None for its present state.
Update = tuple[BalanceState, CreditTransaction | None]


async def updates(
    told: BalanceState | None,
    present: BalanceState | None,
    *,
    after_version: int | None,
    by: Actor,
) -> AsyncIterator[Update]:
    """One for each line since, then one for the present state if no line has shown it.

    `told` is the state of the last update; where there was none, the lines are those that follow
    `after_version`, if it is given. Raises NotFound for an account that is not there, and Invalid
    for a version that the balance has not reached.
    """
    if present is None:
        raise NotFound("account_id")
    since = _resume_from(after_version, present) if told is None else told.version
    while since < present.version:
        batch = await lines.after(present.account_id, present.currency, since, BATCH, by=by)
        assert batch, "every version has its line"
        for line in batch:
            if line.version > present.version:
                break
            assert line.version == since + 1, "versions have no gap"
            since = line.version
            yield _as_of(line, present), line
    if told is None or (told.version == present.version and not _same(told, present)):
        yield present, None


def _resume_from(after_version: int | None, present: BalanceState) -> int:
    if after_version is None:
        return present.version
    if not 0 <= after_version <= present.version:
        raise Invalid("after_version", problem="version_range")
    return after_version


def _as_of(line: CreditTransaction, present: BalanceState) -> BalanceState:
    """The balance after a line. What lines do not record (pending, expiry) is as at present."""
    if line.version == present.version:
        return present
    return replace(
        present,
        available=line.available_after,
        reserved=line.reserved_after,
        promotional=line.promotional_after,
        debt=line.debt_after,
        version=line.version,
        updated_at=line.created_at,
    )


def _same(one: BalanceState, other: BalanceState) -> bool:
    return replace(one, updated_at=other.updated_at) == other
