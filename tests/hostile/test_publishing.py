"""Many processes write facts down and many publish them, and they are killed at any moment: each
event is published once, in the order in which it became true, without a gap.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from models.audit import audit
from models.db import connection, sql
from models.journal import feed
from tests.support.books.feeding import TOLD, enqueue
from tests.support.factories import a_client
from tests.support.server.many_servers import SOAK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

#: Of each host's clock, in hours.
CLOCKS: Final = (0, -9, 5)
KILLS: Final = 25 if SOAK else 4
PUBLISHERS: Final = 3


@contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.books.feeding", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_after(process: subprocess.Popen[str], lines: int) -> None:
    """Wait until it has done so much, and kill it while it goes on."""
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline(), "it has ended"
    process.kill()
    process.wait()


async def test_events_are_published_once_and_in_order_whoever_is_killed(database_url: str) -> None:
    await connection.connect(database_url)
    await sql.execute(TOLD)
    ids = [(await a_client()).id for _ in range(3)]
    choice = random.Random(7)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(started("write", database_url, hours, *ids)) for hours in CLOCKS
        ]
        publishers = [
            stack.enter_context(started("publish", database_url)) for _ in range(PUBLISHERS)
        ]
        for _ in range(KILLS):
            kill_after(publishers.pop(0), choice.randrange(1, 4))
            publishers.append(stack.enter_context(started("publish", database_url)))
        for one in (*writers, *publishers):
            kill_after(one, 1)
    while await feed.publish(enqueue):
        pass
    await _assert_all_is_published(ids)
    assert (await audit()).findings == []
    await connection.disconnect()


async def _assert_all_is_published(ids: list[UUID]) -> None:
    rows = await sql.fetch(
        "SELECT e.id, e.account_id, e.sequence, e.position, c.version FROM event e"
        " LEFT JOIN credit_transaction c ON c.id = e.subject_id ORDER BY e.position"
    )
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    told = await sql.fetch("SELECT id FROM told")
    assert sorted(str(row["id"]) for row in told) == sorted(str(row["id"]) for row in rows)
    lines = await sql.fetch("SELECT COUNT(*) AS count FROM credit_transaction")
    assert lines[0]["count"] == len(rows)
    sequences, versions = defaultdict(list), defaultdict(list)
    for row in rows:
        sequences[row["account_id"]].append(row["sequence"])
        versions[row["account_id"]].append(row["version"])
    assert sequences.keys() == set(ids)
    for id in ids:
        assert sequences[id] == versions[id] == list(range(1, len(sequences[id]) + 1))
