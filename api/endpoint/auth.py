"""Who a connection comes from: a bearer token, or else the browser's cookie.

A token is never read from an address. `scope["client"]` is believed: uvicorn puts the client that a
trusted proxy names there (TRUSTED_PROXIES).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from models.access import session
from models.access.credential import actor_of_credential
from models.errors import Unauthenticated

if TYPE_CHECKING:
    from datetime import timedelta

    from api.endpoint.http import Connection
    from api.issuers.issuers import Issuers
    from models.access.identity import Actor

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Cookie:
    """A cookie that no script reads; `secure` everywhere but on the browser's own machine.

    A secure one has the `__Host-` prefix (RFC 6265bis, 4.1.3.2): no other host can set it.
    """

    secure: bool
    lifetime: timedelta

    _NAME: ClassVar[str]

    @property
    def name(self) -> str:
        """What it is called."""
        return f"__Host-{self._NAME}" if self.secure else self._NAME

    def put(self, value: str) -> Header:
        """The header that gives it to the browser."""
        return self._header(value, int(self.lifetime.total_seconds()))

    def clear(self) -> Header:
        """The header that takes it away again."""
        return self._header("", 0)

    def value_of(self, connection: Connection) -> str:
        """What a connection brings, empty if there is none.

        Scripts need no cookie; on a websocket it counts from a page only, whose Origin the endpoint
        has checked.
        """
        headers = connection.headers
        if not headers.cookie or (connection.is_websocket and not headers.origin):
            return ""
        return headers.cookies.get(self.name, "")

    def _header(self, value: str, seconds: int) -> Header:
        secure = "; Secure" if self.secure else ""
        text = f"{self.name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", text.encode("ascii")


class SessionCookie(Cookie):
    """The cookie that signs a browser in."""

    _NAME = "account_credit_session"

    def credential_of(self, connection: Connection) -> str | None:
        """The session's token that a connection brings."""
        token = self.value_of(connection)
        return token if token.startswith(session.MARK) else None


class DeviceCookie(Cookie):
    """The cookie that says who has signed in with a browser before; see models.access.device."""

    _NAME = "account_credit_device"


async def actor_of(
    connection: Connection, cookie: SessionCookie, issuers: Issuers | None = None
) -> Actor | None:
    """The caller of a request or websocket upgrade; None if anonymous.

    Raises Unauthenticated for an invalid Authorization header, since its sender wants to be
    authenticated. An invalid cookie is ignored: browsers keep them after the session has ended.
    """
    given = connection.headers.authorization
    if given is not None:
        return await actor_of_bearer(_bearer(given), connection.address, issuers)
    token = cookie.credential_of(connection)
    return await actor_of_credential(token, connection.address) if token else None


async def actor_of_bearer(token: str, address: str, issuers: Issuers | None = None) -> Actor:
    """Who holds a session's token, an API key or a trusted issuer's token; raises Unauthenticated
    if none.
    """
    actor = await actor_of_credential(token, address)
    if actor is None and issuers is not None:
        actor = await issuers.actor_of(token, address)
    if actor is None:
        raise Unauthenticated
    return actor


def _bearer(given: str) -> str:
    """The token of `Authorization: Bearer …` (RFC 6750, 2.1): one, and no list of several."""
    scheme, _, token = given.partition(" ")
    if "," in token or scheme.lower() != "bearer":
        raise Unauthenticated
    return token.strip()
