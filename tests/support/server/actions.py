"""What several journeys do, over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

from models.clock import now
from tests.support.server.api_client import BALANCE, INVOICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.server.api_client import Answer, Portal
    from tests.support.server.demo_server import DemoServer


def order(seller: Portal, client: Portal, price: str, **more: object) -> Answer:
    """The payload of `createInvoice` for one line without tax."""
    given = {
        "accountId": client.account_id,
        "currency": client.currency,
        "lines": [{"description": "Virtual server", "unitPrice": price}],
    }
    return seller.do("createInvoice", f"{INVOICE} {BALANCE}", **(given | more))


HOLD = "hold { id state amount { amount } captured { amount } reference description endedAt }"


def reserve(
    holder: Portal, client: Portal, amount: str, seconds: float = 3600, **more: object
) -> Answer:
    """The payload of `reserveCredit`; the credit is held for that long."""
    given = reserving(client, amount, seconds) | more
    return holder.do("reserveCredit", f"{HOLD} {BALANCE}", **given)


def reserving(client: Portal, amount: str, seconds: float = 3600) -> Answer:
    return {
        "accountId": client.account_id,
        "amount": client.money(amount),
        "expiresAt": (now() + timedelta(seconds=seconds)).isoformat(),
        "reference": "ORDER-7",
        "description": "A dedicated server",
    }


T = TypeVar("T")


def at_once(times: int, click: Callable[[int], T]) -> list[T]:
    """The outcomes of as many clicks in one moment."""
    barrier = Barrier(times)

    def together(number: int) -> T:
        barrier.wait()
        return click(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(together, range(times)))


def adding(client: Portal, key: str, amount: str = "25.00") -> Answer:
    return {
        "amount": client.money(amount),
        "gateway": "sandbox",
        "acceptedPolicyVersion": "2026-01",
        "idempotencyKey": key,
    }


def is_frozen(client: Portal) -> bool:
    account = client.ask("{ viewer { account { spendingFrozen } } }")["viewer"]["account"]
    frozen: bool = account["spendingFrozen"]
    return frozen


def spend(server: DemoServer, client: Portal, price: str) -> Answer:
    invoice: Answer = order(server.partner, client, price, applyCredit=True)["invoice"]
    return invoice
