"""A sign-in that has begun: what the browser keeps until the identity provider sends it back."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import timedelta
from time import time
from typing import Final

import orjson

from api.endpoint.auth import Cookie
from models.provider.provider import derived_key

LIFETIME: Final = timedelta(minutes=10)

_TOKEN_BYTES: Final = 32
_COOKIE_CHARS_MAX: Final = 2000
#: Addresses of the portal: nothing that a browser could take for another host.
_PORTAL: Final = re.compile(r"/(settings|billing(/[A-Za-z0-9_-]+)*)?", re.ASCII)


class LoginCookie(Cookie):
    """The cookie that ties the callback to the browser that began."""

    _NAME = "account_credit_login"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One attempt. `state` comes back in the address, `nonce` in the ID token (OpenID Connect Core,
    3.1.2.1), and `verifier` proves to the provider who began (PKCE, RFC 7636).
    """

    provider: str
    to: str
    state: str
    nonce: str
    verifier: str
    until: float

    @classmethod
    def begin(cls, provider: str, to: str) -> Login:
        """A new one; afterwards the browser goes `to` an address of the portal."""
        state, nonce, verifier = (secrets.token_urlsafe(_TOKEN_BYTES) for _ in range(3))
        place = to if _PORTAL.fullmatch(to) else "/"
        until = time() + LIFETIME.total_seconds()
        return cls(
            provider=provider, to=place, state=state, nonce=nonce, verifier=verifier, until=until
        )

    def sealed(self, secret: bytes) -> str:
        """As the cookie has it."""
        text = urlsafe_b64encode(orjson.dumps(asdict(self))).decode()
        return f"{text}.{_signature(secret, text)}"

    @classmethod
    def unsealed(cls, sealed: str, secret: bytes) -> Login | None:
        """What `sealed` has made; None where it is not ours, or too old."""
        text, _, signature = sealed.partition(".")
        if len(sealed) > _COOKIE_CHARS_MAX or not sealed.isascii():
            return None
        if not hmac.compare_digest(signature, _signature(secret, text)):
            return None
        login = cls(**orjson.loads(urlsafe_b64decode(text)))
        return login if login.until > time() else None


def _signature(secret: bytes, text: str) -> str:
    key = derived_key(secret, b"oidc login")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
