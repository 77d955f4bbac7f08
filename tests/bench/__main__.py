"""`make bench`: prints what was measured, and never fails.

`python -m tests.bench [sqlite] [postgres]`; BENCH_SECONDS is how long each operation is measured.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Final

from tests.bench import pgbench, program, throughput, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))


def main() -> None:
    """Measure each database in turn."""
    for kind in sys.argv[1:] or ["sqlite", "postgres"]:
        print(f"\n{kind}, {throughput.CONNECTIONS} connections, {_SECONDS:g} s each", flush=True)
        try:
            for line in _measured(kind):
                print(line, flush=True)
        except Exception:  # noqa: BLE001 - it never fails
            traceback.print_exc()


def _measured(kind: str) -> Iterator[str]:
    with program.databases(kind) as made:
        url = program.fresh(made)
        filled = throughput.seeded(url, _SECONDS)
        with program.serving(url):
            pass  # the second start is the one that counts: the first compiles modules
        with program.serving(url) as server:
            yield waiting.started(server)
            yield from throughput.measured(server, filled, _SECONDS)
            yield from waiting.documents(server, filled)
            yield waiting.waiting()
            yield waiting.memory(server)
        if kind == "postgres":
            yield from pgbench.compared(url, _SECONDS)
        yield from waiting.pushed(kind, url, filled)


main()
