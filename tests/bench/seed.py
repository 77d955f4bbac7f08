"""Fills an empty database for the bench and prints, as JSON, what may be asked of it.

In a process of its own (`python -m tests.bench.seed`): Tortoise speaks to one kind of database in a
process.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from api.domain import opened
from api.gateways import load_gateways
from api.live.local import LocalFeed
from api.observe import logs
from api.settings.settings import load_settings
from models.access import session
from models.access.user import User, create_staff
from models.accounts.create import CreateAccount
from models.credit.adjustment import AdjustCredit
from models.db import record, sql, transactions
from models.invoices import invoice, order
from models.invoices.order import CreateOrder
from models.journal.command import run

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.accounts.account import Account
    from models.invoices.invoice import Invoice

_CLIENTS: Final = 32
_PAGE: Final = 20
_LINES: Final = 3
_BATCH: Final = 1000
_CREDIT: Final = Decimal(900_000)


async def seed(payments: int) -> dict[str, Any]:
    """Clients with credit and unpaid invoices: their tokens and accounts, the invoices in turns."""
    desk = (await create_staff("bench@example.com", secrets.token_hex(16))).actor()
    clients = [await _client(number, desk) for number in range(_CLIENTS)]
    pattern = await _order(clients[0], desk)
    owners = [clients[n % _CLIENTS] for n in range(max(payments, _CLIENTS * _PAGE))]
    return {
        "tokens": [await _token(one) for one in clients],
        "accounts": [one.public_id for one in clients],
        "invoices": await _copies(pattern, owners),
    }


async def _client(number: int, desk: Actor) -> Account:
    made = await run(
        CreateAccount(
            name=f"Client {number}",
            email=f"client{number}@example.com",
            # Hashing passwords that nobody types would take longer than all the rest.
            password=None,
            currency="USD",
            locale="en",
        ),
        desk,
        f"client-{number}",
    )
    await run(AdjustCredit(made.id, _CREDIT, "USD", "bench"), desk, f"gift-{number}")
    return made


async def _order(owner: Account, desk: Actor) -> Invoice:
    lines = [
        order.OrderLine(f"Virtual server M, part {n}", Decimal(1), Decimal("0.30"), Decimal("0.1"))
        for n in range(_LINES)
    ]
    return await run(
        CreateOrder(
            owner.id,
            "USD",
            lines,
            due_at=None,
            apply_credit=False,
            reference=None,
        ),
        desk,
        "pattern",
    )


async def _token(owner: Account) -> str:
    user = await User.get(email=owner.email)
    return (await session.open_session(user))[1]


async def _copies(pattern: Invoice, owners: list[Account]) -> list[str]:
    """Public ids of copies of an invoice, one an owner: issuing each would take most of the run."""
    bill = {**sql.row_of(pattern), "snapshot": sql.json(pattern.snapshot)}
    lines = [sql.row_of(line) for line in (await invoice.lines_of([pattern.id]))[pattern.id]]
    ids = [record.new_id() for _ in owners]
    bills = [
        {**bill, "id": id, "account_id": owner.id, "number": f"BENCH-{id.hex}"}
        for id, owner in zip(ids, owners, strict=True)
    ]
    copied = [{**line, "id": record.new_id(), "invoice_id": id} for id in ids for line in lines]
    for table, rows in (("invoice", bills), ("invoice_line", copied)):
        for start in range(0, len(rows), _BATCH):
            await transactions.transaction(partial(sql.insert, table, rows[start : start + _BATCH]))
    return [record.public_id("inv", id) for id in ids]


async def _main(payments: int) -> None:
    settings = load_settings()
    logs.configure(settings)  # to standard error: what this prints is read
    async with opened(settings, load_gateways(settings), LocalFeed()):
        print(json.dumps(await seed(payments)))


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
