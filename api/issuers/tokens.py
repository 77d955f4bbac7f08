"""JWTs of trusted issuers, read and verified (RFC 7519, and RFC 8725 for what to look out for).

What a token says of how to verify it is not followed: its algorithm must be one that its issuer is
set up with, and its key one of the issuer's own. `jku`, `x5u`, `x5c` and `jwk` are not looked at.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from models.clock import now

if TYPE_CHECKING:
    from api.issuers.keys import IssuersKey
    from api.settings.issuers import TrustedIssuer

CHARS_MAX: Final = 8192
LEEWAY_SECONDS: Final = 60

_KID_CHARS_MAX: Final = 200
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
#: The end of the year 9999, in seconds.
_LAST_SECOND: Final = 253_402_300_799


class TokenRejected(Exception):
    """It signs nobody in; says why, to operators."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token, taken apart: nothing in it is believed yet."""

    text: str
    algorithm: str
    kid: str | None
    claims: dict[str, Any]

    @property
    def issuer(self) -> object:
        """Who it says has issued it."""
        return self.claims.get("iss")


def looks_like_one(text: str, chars_max: int = CHARS_MAX) -> bool:
    """Whether a bearer is to be read as a JWT at all."""
    return len(text) <= chars_max and _SHAPE.fullmatch(text) is not None


def taken_apart(text: str) -> Unverified:
    """Read what `looks_like_one`. Raises TokenRejected."""
    header, payload, _ = text.split(".")
    told, claims = _object(header), _object(payload)
    algorithm, kid = told.get("alg"), told.get("kid")
    if not isinstance(algorithm, str) or "crit" in told:
        raise TokenRejected("header")
    if not isinstance(kid, str | None) or (kid is not None and len(kid) > _KID_CHARS_MAX):
        raise TokenRejected("kid")
    return Unverified(text, algorithm, kid, claims)


def _object(part: str) -> dict[str, Any]:
    """The JSON object in a part; each of its names must be there once (RFC 7519, 4)."""
    try:
        text = _decoded(part).decode()
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise TokenRejected("form") from None
    if not isinstance(value, dict):
        raise TokenRejected("form")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def check_signature(token: Unverified, keys: list[IssuersKey]) -> None:
    """Raises TokenRejected unless one of the keys has signed it."""
    algorithm = JWSRegistry.algorithms[token.algorithm]
    message, _, signed = token.text.rpartition(".")
    signature = _decoded(signed)
    for candidate in keys:
        try:
            algorithm.check_key(candidate.key)
            if algorithm.verify(message.encode(), signature, candidate.key):
                return
        except (JoseError, ValueError, TypeError):
            continue
    raise TokenRejected("signature")


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise TokenRejected("form") from None


def check_claims(claims: dict[str, Any], issuer: TrustedIssuer) -> float:
    """When it expires, in seconds. Raises TokenRejected where it is not for us, or not now."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if issuer.audience not in audiences:
        raise TokenRejected("aud")
    moment = now().timestamp()
    expires_at = _seconds(claims.get("exp"), "exp")
    if expires_at + LEEWAY_SECONDS <= moment:
        raise TokenRejected("exp")
    if "nbf" in claims and _seconds(claims["nbf"], "nbf") - LEEWAY_SECONDS > moment:
        raise TokenRejected("nbf")
    return expires_at


def external_id_of(claims: dict[str, Any], issuer: TrustedIssuer) -> str:
    """What the issuer's partner calls the client. Raises TokenRejected where it does not say."""
    told = claims.get(issuer.external_id_claim)
    if isinstance(told, int) and not isinstance(told, bool):
        told = str(told)
    if not isinstance(told, str) or not told:
        raise TokenRejected("external id")
    return told


def _seconds(told: object, name: str) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise TokenRejected(name)
    # Compared before it is converted: an integer may be too large for that. NaN is in no range.
    if not 0 <= told <= _LAST_SECOND:
        raise TokenRejected(name)
    return float(told)
