"""Transmissions: messages as their gateways send them, verified and stored before they count.

Where a signature covers the id of a message and not its body (`models.gateway.Hinting`), each id is
good for one body: the first that was taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.caller import called_by
from models.db.record import Record
from models.db.transactions import transaction
from models.gateway import Gateway, GatewayEvent, Hinting, SignatureRefused
from models.payments import inbox
from models.provider import retention

_log: Final = structlog.get_logger("webhooks")


class Transmission(Record):
    """One message that was taken. UNIQUE (gateway, reference); `digest` is its body's SHA-256."""

    gateway = fields.CharField(max_length=64)
    reference = fields.CharField(max_length=255)
    digest = fields.CharField(max_length=64)

    class Meta:
        table = "transmission"


async def receive(
    gateway: Gateway, headers: Mapping[str, str], body: bytes
) -> Sequence[GatewayEvent]:
    """Verify a message and store what it tells: its events. `headers` have lower-case names.

    One that was taken before brings nothing new where its gateway would have to be asked again.
    What follows an approval is `follow_up.take_approved`, which a gateway need not wait for.
    Raises MessageRefused, GatewayProblem, and whatever kept the database from storing it.
    """
    signed = gateway.transmission_id(headers) if isinstance(gateway, Hinting) else ""
    if signed and await is_taken(gateway.code, signed, body):
        return []
    events = await gateway.parse_message(headers, body)
    # It is the gateway's own from here on: clients who ask at once do not shut it out.
    with called_by(f"gateway {gateway.code}"):
        await inbox.take_in(gateway.code, events)
        if signed:
            await take(gateway.code, signed, body)
    _log.info(
        "message received",
        gateway=gateway.code,
        events=[{"id": e.event_id, "kind": e.kind.value, "payment": e.payment} for e in events],
    )
    return events


async def is_taken(gateway: str, reference: str, body: bytes) -> bool:
    """Whether this message was taken before. Raises SignatureRefused where another was."""
    row = await sql.fetch_one(
        "SELECT digest FROM transmission WHERE gateway = $1 AND reference = $2", gateway, reference
    )
    if row is None:
        return False
    if row["digest"] != _digest(body):
        raise SignatureRefused("its id was signed for another body")
    return True


async def take(gateway: str, reference: str, body: bytes) -> None:
    """Note that this message is taken. Raises SignatureRefused where another is meanwhile."""
    taken = Transmission(gateway=gateway, reference=reference, digest=_digest(body))
    if not await transaction(lambda: sql.add_new(taken)):
        await is_taken(gateway, reference, body)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def forget() -> int:
    """Delete what is older than `retention.TRANSMISSIONS`; how many."""
    old = now() - retention.TRANSMISSIONS
    statement = "DELETE FROM transmission WHERE created_at < $1"
    return await transaction(lambda: sql.execute(statement, old))
