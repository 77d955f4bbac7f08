"""The shapes of the settings about who signs people in besides us."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from api.settings.shapes import Json, Shape, origin, same_machine


def _issuer(value: str) -> str:
    """An issuer identifier (OpenID Connect Discovery 1.0, 2): https, or http on this machine."""
    address, _, path = value.partition("://")
    own = origin(f"{address}://{path.partition('/')[0]}")
    if value.startswith("http://") and not same_machine(own):
        raise ValueError("must have issuers that begin with https://")
    if "?" in value or "#" in value:
        raise ValueError("must have issuers without a query or fragment")
    return value


class IdentityProviderOptions(Shape):
    """An OpenID Connect provider that people may sign in with."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    label: str = Field(min_length=1, max_length=60)
    issuer: Annotated[str, AfterValidator(_issuer)] = Field(max_length=500)
    client_id: str = Field(min_length=1, max_length=255)
    client_secret: SecretStr | None = None
    scopes: str = Field("openid email profile", pattern=r"^openid( [!-~]+)*$", max_length=255)
    people: Literal["clients", "staff", "all"] = "clients"


def _distinct(providers: list[IdentityProviderOptions]) -> list[IdentityProviderOptions]:
    if len({one.name for one in providers}) < len(providers):
        raise ValueError("must have a different name for each provider")
    return providers


IdentityProviders = Annotated[
    list[IdentityProviderOptions], Json, AfterValidator(_distinct), Field(max_length=20)
]
