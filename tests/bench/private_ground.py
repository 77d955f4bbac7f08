"""What private ground is worth (tests/test_private_ground.py): CPU time, and without it.

`python -m tests.bench.private_ground`, on SQLite in this process.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from decimal import Decimal
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any, Final

import pytest
import structlog
from graphql import execute, parse
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as StockExecutor

from api.server import serve
from models.clock import now
from models.db import connection, record, sql, transactions
from models.db.changes import Changes
from models.db.pulse import Pulse
from models.invoices import order
from models.invoices.invoice import Invoice, InvoiceLine
from models.journal.command import run
from tests.support import staffed_provider as desk
from tests.support.factories import STAFF

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from models.accounts.account import Account

_INVOICES: Final = 100
_LINES: Final = 3
_ROUNDS: Final = 15
#: So often in one transaction.
_TIMES: Final = 20
_PAGE: Final = """{ invoices(first: 100) { edges { node {
    id number kind status issuedAt dueAt total { amount currency } amountDue { amount currency }
    lines { description quantity unitPrice { amount } taxRate total { amount } }
} } pageInfo { hasNextPage endCursor } } }"""
_BALANCE: Final = "{ balance { currency available { amount } version } }"


async def main() -> None:
    """Measure, and print how many times as fast it is."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        await connection.migrate(f"sqlite://{folder}/bench.db")
        await connection.connect(f"sqlite://{folder}/bench.db")
        desk.wire_provider(patch)
        owner = await _owner()
        serve._spare_what_stays()
        for text in (_PAGE, _BALANCE):
            _tell(f"plan, {text[:14]}", *await _executors(owner, text))
        for model in (Invoice, InvoiceLine):
            _tell(f"record_of, {model.__name__}", *await _records(model))
        _tell("together, 20 times five INSERTs", *await _medians(_together, _apart))
        await connection.disconnect()


def _tell(what: str, ours: float, stock: float) -> None:
    print(f"{what}: {ours * 1000:.2f} ms, {stock * 1000:.2f} ms without, {stock / ours:.1f} times")


async def _medians(*works: Callable[[], Awaitable[Any]]) -> list[float]:
    """Seconds of CPU of each; they take turns, so that other work on the machine meets them all."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(_ROUNDS):
        for work, spent in zip(works, seconds, strict=True):
            begun = process_time()
            await work()
            spent.append(process_time() - begun)
    return [median(spent) for spent in seconds]


async def _owner() -> Account:
    owner = await desk.an_account()
    line = order.OrderLine("Server", Decimal(1), Decimal("0.30"), Decimal("0.1"))
    for number in range(_INVOICES):
        asked = order.CreateOrder(owner.id, "USD", [line] * _LINES, apply_credit=False)
        await run(asked, STAFF, f"bench-{number}")
    return owner


async def _executors(owner: Account, text: str) -> list[float]:
    """Our way from a document that is known to its answer, and graphql-core's with Strawberry."""
    who, schema, document = desk.client(owner), desk.SCHEMA, parse(text)

    async def ours() -> None:
        result = await schema.execute(text, {}, desk.context(who))
        assert not result.errors

    async def stock() -> None:
        answer: Any = execute(
            schema.core,
            document,
            context_value=desk.context(who),
            executor_class=StockExecutor,
            operation_extensions=None,
        )
        assert not (await answer).errors

    return await _medians(ours, stock)


async def _records(model: Any) -> list[float]:
    rows = await sql.fetch(f"SELECT * FROM {sql.table_of(model)}")

    async def ours() -> None:
        for row in rows:
            sql.record_of(model, row)

    async def stock() -> None:
        for row in rows:
            model._init_from_db(**row)

    return await _medians(ours, stock)


def _five() -> list[sql.Row]:
    return [{"id": record.new_id(), "created_at": now(), "filler": "x"} for _ in range(5)]


async def _together() -> None:
    async def work() -> None:
        for _ in range(_TIMES):
            changes = Changes()
            changes.insert(Pulse, _five())
            await changes.write()

    await transactions.transaction(work)


async def _apart() -> None:
    async def work() -> None:
        for _ in range(_TIMES):
            for row in _five():
                await sql.insert("pulse", [row])

    await transactions.transaction(work)


if __name__ == "__main__":
    asyncio.run(main())
