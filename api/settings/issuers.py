"""TRUSTED_ISSUERS: whose tokens sign clients in here, and whose external ids they name."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from api.settings.shapes import Json, Shape
from models.errors import Invalid
from models.text import clean_text

#: Signed with a private key that the issuer alone has; nothing that a shared secret signs, nor
#: `none`.
Algorithm: TypeAlias = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
]

_ISSUERS_MAX: Final = 20


def _keys_url(url: str) -> str:
    parts = urlsplit(url)
    is_file = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
    is_web = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.username is None
    if not url.isprintable() or not (is_file or is_web):
        raise ValueError("must be https://… or file:///…")
    return url


def _partner(name: str) -> str:
    try:
        return clean_text(name, maximum=200)
    except Invalid:
        raise ValueError("must be a name of at most 200 characters") from None


class TrustedIssuer(Shape):
    """An issuer of JWTs (RFC 7519), and what is expected of them."""

    issuer: str = Field(min_length=1, max_length=500)
    jwks: Annotated[str, AfterValidator(_keys_url)]
    audience: str = Field(min_length=1, max_length=500)
    algorithms: list[Algorithm] = Field(["RS256"], min_length=1)
    external_id_claim: str = Field("sub", min_length=1, max_length=100)
    partner: Annotated[str, AfterValidator(_partner)]
    create_accounts: bool = False
    #: Whether an `email` is verified where the token has no `email_verified`.
    email_verified: bool = False
    #: Of accounts that are created; None for USD, or the first of FUNDS_LIMITS without it.
    currency: str | None = None


def _distinct(issuers: list[TrustedIssuer]) -> list[TrustedIssuer]:
    if len({one.issuer for one in issuers}) < len(issuers):
        raise ValueError("names an issuer twice")
    if len(issuers) > _ISSUERS_MAX:
        raise ValueError(f"has more than {_ISSUERS_MAX} issuers")
    return issuers


TrustedIssuers = Annotated[list[TrustedIssuer], Json, AfterValidator(_distinct)]
