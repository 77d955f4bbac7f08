"""Delivery of the sandbox's webhooks: signed, and received like any other gateway's."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from api.gateways.sandbox import charges
from models.clock import now
from models.gateway import MessageRefused
from models.payments import transmission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.gateways.sandbox.charge import Charge
    from api.gateways.sandbox.gateway import SandboxGateway
    from api.gateways.sandbox.messages import Notice

_SECONDS_MIN: Final = 1.0
_SECONDS_MAX: Final = 30.0

_log = structlog.stdlib.get_logger("sandbox")


class Delivery:
    """Delivers what charges have to say, each message in its turn and when it is due.

    What could not be delivered waits in the database, for this process or another.
    """

    def __init__(self, gateway: SandboxGateway) -> None:
        self._gateway = gateway
        self._more = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver late messages meanwhile."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def deliver(self, charge: Charge) -> None:
        """Deliver all that is due of a charge, in order, as far as it goes; it never raises."""
        await self._deliver(charge)
        self._more.set()

    async def deliver_due(self) -> float:
        """Deliver all that is due of every charge; in how many seconds to look again."""
        seconds = _SECONDS_MAX
        for charge in await charges.with_waiting_messages():
            seconds = max(_seconds_until_due(charge), _SECONDS_MIN)
            if seconds > _SECONDS_MIN:
                break
            await self._deliver(charge)
        return min(seconds, _SECONDS_MAX)

    async def _deliver(self, charge: Charge) -> None:
        try:
            for message in charge.messages:
                if message.waits and message.happened:
                    taken = await self._taken(message)
                    await charges.mark_delivered(charge, message.id, lost=not taken)
        except Exception:  # noqa: BLE001 - it stays due, and is tried again
            _log.exception("sandbox message waits", payment=charge.payment)

    async def _taken(self, message: Notice) -> bool:
        try:
            await transmission.receive(self._gateway, *self._gateway.signed(message))
        except MessageRefused as refusal:
            _log.error("sandbox message refused", id=message.id, reason=str(refusal))
            return False
        return True

    async def _run(self) -> None:
        while True:
            self._more.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._round()):
                    await self._more.wait()

    async def _round(self) -> float:
        try:
            return await self.deliver_due()
        except Exception:  # noqa: BLE001 - the next round tries again
            _log.exception("sandbox messages wait")
            return _SECONDS_MAX


def _seconds_until_due(charge: Charge) -> float:
    assert charge.due_at is not None, "it has something to deliver"
    return (charge.due_at - now()).total_seconds()
