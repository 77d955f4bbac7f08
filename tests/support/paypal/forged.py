"""What anybody can do who has seen one message: write another body with the same CRC-32."""

from __future__ import annotations

import json
import zlib
from typing import Any

#: Characters of the padding; each says a bit, and 32 of them that are independent are enough.
_LENGTH = 96


def forged(body: bytes, type: str, resource: dict[str, Any], id: str = "WH-1") -> bytes:
    """A message of `type` about `resource`, with the CRC-32 of `body`."""
    told = {"id": id, "event_type": type, "resource": resource, "padding": "a" * _LENGTH}
    made = bytearray(json.dumps(told).encode())
    start = made.index(b"a" * _LENGTH)
    for place in _places(bytes(made), start, zlib.crc32(made) ^ zlib.crc32(body)):
        made[place] ^= 2  # "c"
    assert zlib.crc32(made) == zlib.crc32(body)
    return bytes(made)


def _places(made: bytes, start: int, wanted: int) -> list[int]:
    """Where to flip a bit so that the CRC changes by `wanted`: it is linear over GF(2)."""
    basis: dict[int, tuple[int, set[int]]] = {}
    for place in range(start, start + _LENGTH):
        flipped = made[:place] + bytes([made[place] ^ 2]) + made[place + 1 :]
        change, used = _reduced(basis, zlib.crc32(flipped) ^ zlib.crc32(made), {place})
        if change:
            basis[change.bit_length()] = change, used
    left, found = _reduced(basis, wanted, set())
    assert not left, "32 independent places are among them"
    return sorted(found)


def _reduced(
    basis: dict[int, tuple[int, set[int]]], change: int, used: set[int]
) -> tuple[int, set[int]]:
    while change and change.bit_length() in basis:
        known, places = basis[change.bit_length()]
        change, used = change ^ known, used ^ places
    return change, used
