"""Signed links: URLs that work without credentials until they expire."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from models.clock import now
from models.provider.provider import derived_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Separates these signatures from all others made with SECRET_KEY.
_PURPOSE = b"account-credit signed link"
_RESERVED = {"expires", "signature"}


class LinkExpired(Exception):
    """The link was good once."""


class LinkSigner:
    """Signs paths with their parameters (HMAC-SHA256), and checks what comes back."""

    def __init__(self, secret: bytes) -> None:
        self._key = derived_key(secret, _PURPOSE)

    def sign(self, path: str, *, expires_at: datetime, **params: str) -> str:
        """`path` with `params`, its expiry (Unix seconds) and the signature as a query."""
        assert not _RESERVED & params.keys()
        query = {**params, "expires": str(int(expires_at.timestamp()))}
        return f"{path}?{urlencode({**query, 'signature': self._signature(path, query)})}"

    def verify(self, path: str, query: Mapping[str, str]) -> dict[str, str] | None:
        """The signed parameters; None when path, parameters or signature are not ours.

        Raises LinkExpired when they are, and their time is over.
        """
        params = dict(query)
        given = params.pop("signature", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._signature(path, params).encode()):
            return None
        if int(params.pop("expires")) <= now().timestamp():
            raise LinkExpired
        return params

    def _signature(self, path: str, params: Mapping[str, str]) -> str:
        # Escaped and in order, so that no two links have one text.
        query = urlencode(sorted(params.items()), errors="surrogatepass")
        text = f"{path}?{query}".encode(errors="surrogatepass")
        return urlsafe_b64encode(hmac.digest(self._key, text, hashlib.sha256)).decode().rstrip("=")
