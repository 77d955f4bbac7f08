"""Transmissions: which body came under an id that a gateway has signed.

Where a signature covers the id of a message and not its body (`models.gateway.Hinting`), each id is
good for one body: the first that was taken.
"""

from __future__ import annotations

import hashlib

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record
from models.db.transactions import transaction
from models.gateway import SignatureRefused
from models.provider import retention


class Transmission(Record):
    """One message that was taken. UNIQUE (gateway, reference); `digest` is its body's SHA-256."""

    gateway = fields.CharField(max_length=64)
    reference = fields.CharField(max_length=255)
    digest = fields.CharField(max_length=64)

    class Meta:
        table = "transmission"


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
