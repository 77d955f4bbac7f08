"""The proof that it all adds up.

Checks find what must not be, and report it in a sentence; all of them see the same moment. Nothing
is corrected here: a finding is for people. What may resolve itself is a warning, and the books are
right all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from models.audit import (
    balances,
    bank_lines,
    deliveries,
    invoices,
    ledger,
    messages,
    numbers,
    payments,
    promises,
    records,
    refunds,
    watermark,
)
from models.audit.check import Finding, Sweep, written_out
from models.audit.ledger import NET
from models.clock import now
from models.db import sql
from models.db.connection import dialect
from models.db.transactions import read_only

#: Each begins at what is written down and asks whether the rest of the books agrees with it.
SWEEPS: Final = (
    *ledger.SWEEPS,
    *balances.SWEEPS,
    *payments.SWEEPS,
    *messages.SWEEPS,
    *refunds.SWEEPS,
    *bank_lines.SWEEPS,
    *invoices.SWEEPS,
    *numbers.SWEEPS,
    *promises.SWEEPS,
    *records.SWEEPS,
    *deliveries.SWEEPS,
)

#: Work overdue longer than this is treated as stuck.
_LATE: Final = timedelta(hours=1)
#: What takes seconds is late after this.
_SOON: Final = timedelta(minutes=5)
#: What is put off for longer is put off for good.
_FOR_GOOD: Final = timedelta(days=30)
#: What no account is touched by is proven, too, and what has been changed behind our back.
_WHOLE_EVERY: Final = timedelta(days=1)

_COUNTED: Final = (
    "account",
    "balance",
    "credit_transaction",
    "transfer",
    "invoice",
    "payment",
    "settlement",
    "bank_credit",
    "refund",
    "receipt",
    "voucher",
)


@dataclass(slots=True)
class Report:
    """What the audit found; clean when `findings` is empty. `totals` are minor units, by currency
    and kind of ledger account.
    """

    found: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def findings(self) -> list[str]:
        """What makes the books wrong."""
        return [one.text for one in self.found if not one.warning]

    @property
    def warnings(self) -> list[str]:
        """What may heal by itself, and should be looked at when it stays."""
        return [one.text for one in self.found if one.warning]


async def audit() -> Report:
    """Check everything, as of one moment."""
    return await read_only(_audit)


async def audit_changes() -> Report:
    """Check all accounts that have been touched since the last time, as of one moment; everything
    where the last time is too long ago. It is not counted or summed.

    What was found is found again until it is mended: the next one begins where this one did.
    """
    moment = now()
    report, whole_at = await read_only(lambda: _continued(moment))
    if not report.found:
        await watermark.advance(moment, whole_at)
    return report


async def _continued(moment: datetime) -> tuple[Report, datetime]:
    """The report, and when everything was last proven."""
    last = await watermark.read()
    if last is None or last.whole_at < moment - _WHOLE_EVERY:
        return Report(await _swept_all(Sweeping(moment))), moment
    accounts = await watermark.touched(last.since, moment - _SOON)
    return Report(await _swept_all(Sweeping(moment, accounts, last.since))), last.whole_at


async def _audit() -> Report:
    report = Report(await _swept_all(Sweeping(now())))
    for table in _COUNTED:
        row = await sql.fetch_one(f"SELECT COUNT(*) AS n FROM {table}")
        assert row is not None
        report.counts[table] = row["n"]
    totals = (
        f"WITH {NET} SELECT l.currency, l.kind, SUM(n.net) AS net FROM net n"
        " JOIN ledger_account l ON l.id = n.id GROUP BY l.currency, l.kind"
        " ORDER BY l.currency, l.kind"
    )
    for row in await sql.fetch(written_out(totals, dialect())):
        report.totals.setdefault(row["currency"], {})[row["kind"]] = int(row["net"])
    return report


@dataclass(frozen=True, slots=True)
class Sweeping:
    """What an audit goes over: everything, or `accounts` and what is newer than `since`."""

    moment: datetime
    accounts: Sequence[UUID] | None = None
    since: UUID | None = None

    def query(self, sweep: Sweep) -> tuple[str, list[object]] | None:
        """The sweep's SQL with its arguments; None where it goes over everything only."""
        narrow = self.accounts is not None
        if narrow and not sweep.scope:
            return None
        text = sweep.query(dialect(), narrow=narrow)
        accounts = sql.json([str(id) for id in self.accounts or ()])
        late, for_good = self.moment - _LATE, self.moment + _FOR_GOOD
        facts = (
            *(late, for_good, accounts, self.since, len(self.accounts or ())),
            self.moment - _SOON,
            self.moment,
        )
        used = [n for n in range(1, len(facts) + 1) if f"${n}" in text]
        # PostgreSQL wants to know the type of all up to the last.
        for place, n in enumerate(used, 1):
            text = text.replace(f"${n}", f"${place}")
        return text, [facts[n - 1] for n in used]


async def _swept_all(sweeping: Sweeping) -> list[Finding]:
    return [one for sweep in SWEEPS for one in await _swept(sweep, sweeping)]


async def _swept(sweep: Sweep, sweeping: Sweeping) -> list[Finding]:
    query = sweeping.query(sweep)
    if query is None:
        return []
    text, args = query
    return list(sweep.findings(await sql.fetch(text, *args)))
