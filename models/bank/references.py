"""Which of the references that are found were given out, and for which payment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from models.db import sql
from models.gateway import GatewayKind
from models.payments.payment import Payment
from models.provider.provider import provider

#: SQLite takes at most 32,766 parameters.
_AT_ONCE: Final = 500


async def issued(references: Collection[str]) -> dict[str, Payment]:
    """Those of `references` that a client was given for a bank transfer, and their payments."""
    gateways = bank_gateways()
    found: dict[str, Payment] = {}
    for some in batches(sorted(references)):
        rows = await sql.records(
            Payment,
            f"SELECT * FROM payment WHERE reference IN ({sql.placeholders(len(some))})",
            *some,
        )
        found |= {row.reference: row for row in rows if row.gateway in gateways}
    return found


def bank_gateways() -> list[str]:
    """The codes of the gateways that are bank transfers."""
    return [
        code for code, one in provider().gateways.items() if one.kind == GatewayKind.BANK_TRANSFER
    ]


def batches(items: list[str]) -> Iterator[list[str]]:
    """In pieces that one statement takes."""
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
