"""The proof that it all adds up.

Checks find what must not be, with the sentence that says so; all of them see one moment. Nothing is
corrected here: a finding is for people. What may heal by itself is a warning, and the books are
right with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from models.audit import invoices, ledger, money, promises
from models.audit.check import Finding, Sweep
from models.audit.ledger import NET
from models.clock import now
from models.db import sql
from models.db.connection import dialect
from models.db.transactions import snapshot

SWEEPS: Final = (*ledger.SWEEPS, *money.SWEEPS, *invoices.SWEEPS, *promises.SWEEPS)

#: What should have been done for so long is worth a warning.
_LATE: Final = timedelta(hours=1)
#: What is put off for longer is put off for good.
_FOR_GOOD: Final = timedelta(days=30)

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
    return await snapshot(_audit)


async def _audit() -> Report:
    report = Report()
    for sweep in SWEEPS:
        report.found += await _swept(sweep)
    for table in _COUNTED:
        row = await sql.fetch_one(f"SELECT COUNT(*) AS n FROM {table}")
        assert row is not None
        report.counts[table] = row["n"]
    rows = await sql.fetch(
        f"WITH {NET} SELECT l.currency, l.kind, SUM(n.net) AS net FROM net n"
        " JOIN ledger_account l ON l.id = n.id GROUP BY l.currency, l.kind"
        " ORDER BY l.currency, l.kind"
    )
    for row in rows:
        report.totals.setdefault(row["currency"], {})[row["kind"]] = int(row["net"])
    return report


async def _swept(sweep: Sweep) -> list[Finding]:
    statement = sweep.statement(dialect())
    moment = now()
    moments = (moment - _LATE, moment + _FOR_GOOD)
    given = [at for n, at in enumerate(moments, 1) if f"${n}" in statement]
    return list(sweep.findings(await sql.fetch(statement, *given)))
