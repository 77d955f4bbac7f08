"""Books with one of everything in them, for tests that try to spoil them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.journal.command import run
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, a_client, captured, tell
from tests.support.providers import key

if TYPE_CHECKING:
    from tests.support.factories import Client


async def busy_books() -> Client:
    """A client with deposits, a grant, an open hold, and invoices paid, part-paid and void."""
    ada = await a_client()
    await ada.deposit(9000, "paid-card")
    await ada.granted(1000)
    await ada.spend(await ada.order(1500))
    await ada.granted(700)
    void = await ada.order(800)
    await ada.spend(void)
    await run(VoidInvoice(void.id, "a mistake"), STAFF, key())
    part = await ada.order(2500)
    begun = await ada.begin(part)
    await tell(begun, captured(begun, 600))
    split = await ada.begin(await ada.order(2600), credit_limit=900)
    await tell(split, captured(split))
    await ada.begin(await ada.order(2700), credit_limit=400)
    await ada.granted(300)
    await ada.order(2800)
    return ada
