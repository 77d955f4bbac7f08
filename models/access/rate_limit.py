"""Limits on attempts: how often somebody may try within a window of time.

Fixed windows, counted in the database, so that every process counts the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.errors import RateLimited
from models.provider.provider import provider

_IPV6_HOST_BITS: Final = 64
_KEY_BYTES_MAX: Final = 64

_COUNT: Final = """
    INSERT INTO attempt (id, created_at, name, subject, ends_at, count)
    VALUES ($1, $2, $3, $4, $5, 1)
    ON CONFLICT (name, subject, ends_at) DO UPDATE SET count = attempt.count + 1
    RETURNING count
"""
_MADE: Final = "SELECT count FROM attempt WHERE name = $1 AND subject = $2 AND ends_at = $3"
_UNCOUNT: Final = """
    UPDATE attempt SET count = count - 1
    WHERE name = $1 AND subject = $2 AND ends_at > $3 AND count > 0
"""


class RateCounter(Record):
    """How often `subject` has tried `name` in the window that ends at `ends_at`."""

    name = fields.CharField(max_length=40)
    subject = fields.CharField(max_length=32)
    ends_at = fields.DatetimeField(db_index=True)
    count = fields.IntField()

    class Meta:
        table = "attempt"
        unique_together = (("name", "subject", "ends_at"),)


@dataclass(frozen=True, slots=True)
class _Window:
    """The time in which attempts are counted together, at one moment of it."""

    moment: datetime
    ends_at: datetime

    @classmethod
    def around(cls, moment: datetime, seconds: int) -> _Window:
        number = int(moment.timestamp()) // seconds
        return cls(moment, datetime.fromtimestamp((number + 1) * seconds, UTC))

    @property
    def seconds_left(self) -> int:
        return ceil((self.ends_at - self.moment).total_seconds())

    async def one_more(self, name: str, subject: str) -> int:
        hashed = _hash(name, subject)
        row = await sql.fetch_one(_COUNT, new_id(), self.moment, name, hashed, self.ends_at)
        assert row is not None
        return int(row["count"])

    async def made(self, name: str, subject: str) -> int:
        row = await sql.fetch_one(_MADE, name, _hash(name, subject), self.ends_at)
        return int(row["count"]) if row is not None else 0


async def spend(name: str, subject: str, *, limit: int, window_seconds: int) -> None:
    """Count one try; raises RateLimited when `subject` has had its `limit` in this window.

    The count is committed before this returns: tries made at once cannot slip through
    together. So call it before the work, outside any transaction.
    """
    await spend_all([(name, subject, limit)], window_seconds=window_seconds)


async def spend_all(
    counters: Sequence[tuple[str, str, int]],
    *,
    window_seconds: int,
    while_under_way: tuple[str, str] | None = None,
) -> bool:
    """Count one try on each (name, subject, limit); raises RateLimited when one is past its
    limit. As `spend`, with one commit for all.

    `while_under_way` is the (name, subject) of a single try: when it comes again before it has
    ended (`give_back`), it is held to the limits and not counted again. Whether it was counted.
    """
    window = _Window.around(now(), window_seconds)

    async def count() -> tuple[bool, bool]:
        again = while_under_way is not None and await window.one_more(*while_under_way) > 1
        so_far = window.made if again else window.one_more
        counts = [(await so_far(name, subject), limit) for name, subject, limit in counters]
        return not again, any(number > limit for number, limit in counts)

    counted, past = await transaction(count)
    if past:
        raise RateLimited(retry_after_seconds=window.seconds_left)
    return counted


async def give_back(name: str, subject: str) -> None:
    """Take one try off the count: it was a good one."""
    await give_back_all([(name, subject)])


async def give_back_all(counters: Sequence[tuple[str, str]]) -> None:
    """As `give_back` on each (name, subject), with one commit for all."""

    async def uncount() -> None:
        for name, subject in counters:
            await sql.execute(_UNCOUNT, name, _hash(name, subject), now())

    await transaction(uncount)


async def forget() -> int:
    """Delete the windows that are over; how many."""
    moment = now()
    return await transaction(lambda: sql.execute("DELETE FROM attempt WHERE ends_at < $1", moment))


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Whom to count for an IP address: itself, or its /64 where it is IPv6.

    One subscriber has a whole /64 (RFC 6177), so its addresses are no different callers.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(IPv6Address(int(ip) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS))


def _hash(name: str, subject: str) -> str:
    # Keyed: an address or e-mail cannot be found by trying them all against a stolen table.
    key = provider().secret[:_KEY_BYTES_MAX]
    text = f"{name}\0{subject}".encode(errors="surrogatepass")
    return hashlib.blake2b(text, key=key, digest_size=16).hexdigest()
