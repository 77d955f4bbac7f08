"""Signatures of what is delivered: Standard Webhooks, with each secret that is valid.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from models.access.sealed import seal, unseal

_MARK: Final = "whsec_"
_BYTES: Final = 32
_PURPOSE: Final = b"webhook"


def new_secret() -> str:
    """A secret as its owner is shown it: `whsec_…`."""
    return _MARK + b64encode(secrets.token_bytes(_BYTES)).decode()


def sealed(secret: str, endpoint_id: UUID) -> str:
    """A secret as it is stored."""
    return seal(secret, _PURPOSE, endpoint_id)


def opened(stored: str, endpoint_id: UUID) -> str | None:
    """The secret; None where SECRET_KEY has changed since."""
    return unseal(stored, _PURPOSE, endpoint_id)


def headers(message_id: str, body: str, keys: Sequence[str], at: datetime) -> dict[str, str]:
    """What tells that a message is ours and new, for whoever has one of the `keys`."""
    # Importing it takes half as long as all of ours, and few processes sign.
    from standardwebhooks import Webhook  # noqa: PLC0415

    signatures = [Webhook(key).sign(message_id, at, body) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
