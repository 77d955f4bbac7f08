"""Devices: browsers that somebody has signed in with before.

A browser keeps a signed note for each user that has signed in with it. A note opens nothing: with
it, the wrong passwords that others try elsewhere do not shut the user out, and its own are counted
apart. After OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

from models.access.user import User
from models.clock import now
from models.provider import retention
from models.provider.provider import provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

#: Users of one browser that are remembered: the last ones.
_USERS_MAX: Final = 5
_NOTES_CHARS_MAX: Final = 1000
_ID_BYTES: Final = 16
_BETWEEN_NOTES: Final = "~"
_FIELDS: Final = 4


def known(notes: str, user: User) -> str | None:
    """The id of the device that brings `notes`, if this user has signed in with it."""
    return next((id for id in (_device_of(note, user) for note in _split(notes)) if id), None)


async def noted(notes: str, user_id: UUID) -> str:
    """`notes` with a fresh one of that user, who has just signed in, before the others'."""
    user = await User.get(id=user_id)
    others = [note for note in _split(notes) if not note.startswith(f"{user.id.hex}.")]
    device_id = known(notes, user) or secrets.token_hex(_ID_BYTES)
    until = str(int((now() + retention.DEVICES).timestamp()))
    own = ".".join((user.id.hex, device_id, until, _signature(user, device_id, until)))
    return _BETWEEN_NOTES.join([own, *others][:_USERS_MAX])


def _split(notes: str) -> Iterator[str]:
    if notes.isascii() and len(notes) <= _NOTES_CHARS_MAX:
        yield from filter(None, notes.split(_BETWEEN_NOTES))


def _device_of(note: str, user: User) -> str | None:
    fields = note.split(".")
    if len(fields) != _FIELDS:
        return None
    user_id, device_id, until, signature = fields
    good = hmac.compare_digest(signature, _signature(user, device_id, until))
    if not good or user_id != user.id.hex or int(until) < now().timestamp():
        return None
    return device_id


def _signature(user: User, device_id: str, until: str) -> str:
    """Good until the password changes: after that the new one must be entered again."""
    key = provider().key_for(b"device")
    password = hashlib.sha256((user.password_hash or "").encode()).hexdigest()
    text = f"{user.id.hex}.{device_id}.{until}.{password}"
    return hmac.new(key, text.encode(), "sha256").hexdigest()
