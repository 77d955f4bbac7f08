"""Sealed secrets: what must be read again is stored encrypted under the server's key."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from models.provider.provider import provider

if TYPE_CHECKING:
    from uuid import UUID

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


def seal(secret: str, purpose: bytes, owner: UUID) -> str:
    """A secret as it is stored. It is bound to whose it is: in another's row it opens nothing."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + _cipher(purpose).encrypt(nonce, secret.encode(), owner.bytes)
    return urlsafe_b64encode(sealed).decode()


def unseal(stored: str, purpose: bytes, owner: UUID) -> str | None:
    """The secret; None where SECRET_KEY has changed since."""
    sealed = urlsafe_b64decode(stored)
    nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as in `_cipher`

    try:
        return _cipher(purpose).decrypt(nonce, rest, owner.bytes).decode()
    except InvalidTag:
        return None


def _cipher(purpose: bytes) -> AESGCM:
    # Importing it takes long, and most processes never see a sealed secret.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(provider().key_for(purpose))
