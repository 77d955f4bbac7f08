"""An issuer of JWTs for tests: its keys, its JWKS, and the tokens that it signs, good and bad."""

from __future__ import annotations

import hmac
import json
import warnings
from base64 import urlsafe_b64encode
from functools import cache
from time import time
from typing import TYPE_CHECKING, Any, Final

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

if TYPE_CHECKING:
    from pathlib import Path

ISSUER: Final = "https://portal.example"
AUDIENCE: Final = "account-credit"

PrivateKey = RSAKey | ECKey | OKPKey


@cache
def rsa(kid: str = "one", bits: int = 2048) -> RSAKey:
    """A key that is made once a process: they are slow to make."""
    with warnings.catch_warnings(action="ignore"):
        return RSAKey.generate_key(bits, {"kid": kid, "use": "sig"})


def jwks(*keys: PrivateKey | OctKey) -> str:
    return json.dumps({"keys": [key.as_dict(private=isinstance(key, OctKey)) for key in keys]})


def claims(client: str, **more: Any) -> dict[str, Any]:
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": client, "exp": int(time()) + 300}
    return {name: value for name, value in (told | more).items() if value is not None}


def signed(
    told: dict[str, Any] | str,
    key: PrivateKey | bytes | None = None,
    alg: str = "RS256",
    **header: Any,
) -> str:
    """A token with these claims; a text is its payload as it stands."""
    key = key or rsa()
    head = {"alg": alg, "kid": None if isinstance(key, bytes) else key.kid, **header}
    head = {name: value for name, value in head.items() if value is not None}
    payload = told if isinstance(told, str) else json.dumps(told)
    message = f"{part(head)}.{part(payload)}"
    # Of ours, so that it signs what a good library refuses to.
    if isinstance(key, bytes):
        signature = hmac.digest(key, message.encode(), "sha256")
    else:
        signature = JWSRegistry.algorithms[alg].sign(message.encode(), key)
    return f"{message}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def part(value: object) -> str:
    """A part of a token, unsigned."""
    text = value if isinstance(value, str) else json.dumps(value)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def setting(path: Path, **more: Any) -> str:
    """TRUSTED_ISSUERS with this one, whose keys are in a file."""
    one = {"issuer": ISSUER, "jwks": path.as_uri(), "audience": AUDIENCE, "partner": "Portal"}
    return json.dumps([one | more])
