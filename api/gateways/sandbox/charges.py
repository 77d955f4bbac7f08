"""The sandbox's own store: charges out of the database's rows, and back."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api.gateways.sandbox.charge import Charge
from api.gateways.sandbox.messages import Notice
from models.clock import now
from models.edge import sandbox_charge
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.edge.sandbox_charge import SandboxCharge
    from models.gateway import PaymentOrder

OPEN_HOURS: Final = 24

_URL_KEY: Final = re.compile(r"[A-Za-z0-9_-]{32}")


async def open_charge(order: PaymentOrder) -> Charge:
    """The charge of a payment; made when it is asked for the first time."""
    return _charge(await sandbox_charge.opened(order, now() + timedelta(hours=OPEN_HOURS)))


async def by_url_key(url_key: str) -> Charge | None:
    """The charge at that address; `url_key` may be anything."""
    row = await sandbox_charge.by_token(url_key) if _URL_KEY.fullmatch(url_key) else None
    return None if row is None else _charge(row)


async def by_payment(payment: str) -> Charge | None:
    """The charge of that payment, by its public id."""
    row = await sandbox_charge.by_payment(payment)
    return None if row is None else _charge(row)


async def with_waiting_messages() -> list[Charge]:
    """Charges that have something to deliver, now or later, the next one first."""
    return [_charge(row) for row in await sandbox_charge.with_waiting_messages()]


async def change(charge: Charge, verb: Callable[[Charge], object]) -> Charge:
    """Let `verb` act on the charge, locked and as it stands now; what became of it.

    Raises what `verb` raises; then nothing has changed.
    """

    def work(row: SandboxCharge) -> None:
        current = _charge(row)
        verb(current)
        row.messages = [asdict(message) for message in current.messages]
        row.due_at, row.canceled_at = current.due_at, current.canceled_at

    return _charge(await sandbox_charge.change(charge.id, work))


async def mark_delivered(charge: Charge, message_id: str, *, lost: bool = False) -> None:
    """One message of that id was delivered, or never will be."""

    def mark(current: Charge) -> None:
        for message in current.messages:
            if message.id == message_id and message.waits:
                message.sent, message.lost = not lost, lost
                break

    await change(charge, mark)


def _charge(row: SandboxCharge) -> Charge:
    return Charge(
        id=row.id,
        url_key=row.token,
        payment=row.payment,
        money=Money(row.amount, row.currency),
        invoice_number=row.invoice_number,
        return_url=row.return_url,
        expires_at=row.expires_at,
        canceled_at=row.canceled_at,
        messages=[Notice(**message) for message in row.messages],
    )
