"""Vouchers: codes that turn into promotional credit.

Codes have 100 bits. They are derived from the provider's secret, the principal, the idempotency key
and their number, so that the same request shows the same codes again; only keyed hashes are kept.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

from tortoise import fields

from models.access.identity import Actor
from models.db.record import Changing
from models.provider.provider import provider
from models.text import common_width

# Crockford's base 32: no I, L, O or U; what people type for them is read as what they saw.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_SEEN: Final = str.maketrans("ILO", "110")
_LENGTH: Final = 20
_TYPED_MAX: Final = 64


class Voucher(Changing):
    """One code: `amount` minor units for each of up to `max_redemptions` accounts."""

    code_hash = fields.CharField(max_length=64)
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    max_redemptions = fields.IntField(default=1)
    redeemed = fields.IntField(default=0)
    expires_at = fields.DatetimeField(null=True)
    credit_expires_at = fields.DatetimeField(null=True)
    note = fields.CharField(max_length=200, default="")
    issued_by_id = fields.UUIDField()

    class Meta:
        table = "voucher"

    def is_good(self, currency: str, moment: datetime) -> bool:
        """Whether one more account of that currency may redeem it."""
        ends = (self.expires_at, self.credit_expires_at)
        is_over = any(end is not None and end <= moment for end in ends)
        return self.currency == currency and self.redeemed < self.max_redemptions and not is_over


def codes_of(by: Actor, key: str, count: int) -> list[str]:
    """The codes that are made with this key, always the same."""
    return [_code(by.principal, key, index) for index in range(count)]


def _code(principal: str, key: str, index: int) -> str:
    text = f"voucher-code\0{principal}\0{key}\0{index}"
    number = int.from_bytes(provider().key_for(text.encode()))
    letters = "".join(_ALPHABET[number >> 5 * n & 31] for n in range(_LENGTH))
    return "-".join(letters[n : n + 5] for n in range(0, _LENGTH, 5))


def hash_of(code: str) -> str:
    """What a code is known by, as it was made or as somebody has typed it."""
    secret = provider().key_for(b"voucher-hash")
    return hmac.new(secret, _normal(code).encode(), hashlib.sha256).hexdigest()


def _normal(code: str) -> str:
    """A code as it was typed, without what people put between; empty where it cannot be one."""
    if len(code) > _TYPED_MAX:
        return ""
    typed = common_width(code).upper()
    text = "".join(c for c in typed if c.isascii() and c.isalnum()).translate(_AS_SEEN)
    return text if len(text) == _LENGTH else ""
