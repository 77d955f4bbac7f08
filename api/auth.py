"""Who a connection comes from: a bearer token, or else the browser's cookie.

A token is never read from an address. `scope["client"]` is believed: uvicorn puts the client that a
trusted proxy names there (TRUSTED_PROXIES).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models import session
from models.errors import Unauthenticated
from models.token import actor_of_token

if TYPE_CHECKING:
    from datetime import timedelta

    from starlette.requests import HTTPConnection

    from models.identity import Actor

Header = tuple[bytes, bytes]

_COOKIE: Final = "account_credit_session"


@dataclass(frozen=True)
class SessionCookie:
    """The cookie of browsers; `secure` everywhere but on the browser's own machine.

    A secure one has the `__Host-` prefix (RFC 6265bis, 4.1.3.2): no other host can set it.
    """

    secure: bool
    lifetime: timedelta

    @property
    def name(self) -> str:
        """What it is called."""
        return f"__Host-{_COOKIE}" if self.secure else _COOKIE

    def put(self, token: str) -> Header:
        """The header that gives the browser `token`."""
        return self._header(token, int(self.lifetime.total_seconds()))

    def clear(self) -> Header:
        """The header that takes it away again."""
        return self._header("", 0)

    def token_of(self, connection: HTTPConnection) -> str | None:
        """The session's token that a connection brings.

        Scripts need no cookie; on a websocket it counts from a page only, whose Origin the endpoint
        has checked.
        """
        if connection.scope["type"] == "websocket" and "origin" not in connection.headers:
            return None
        token = connection.cookies.get(self.name, "")
        return token if token.startswith(session.MARK) else None

    def _header(self, value: str, seconds: int) -> Header:
        secure = "; Secure" if self.secure else ""
        text = f"{self.name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", text.encode("ascii")


async def actor_of(connection: HTTPConnection, cookie: SessionCookie) -> Actor | None:
    """Who asks over HTTP, or upgrades to a websocket; None for nobody.

    Raises Unauthenticated for an Authorization header that is no good: its sender means to be
    somebody. A cookie that is no good is nobody's: its browser only forgot to drop it.
    """
    given = connection.headers.getlist("authorization")
    if given:
        return await actor_of_bearer(_bearer(given), address_of(connection))
    token = cookie.token_of(connection)
    return await actor_of_token(token, address_of(connection)) if token else None


async def actor_of_bearer(token: str, address: str) -> Actor:
    """Who holds a session's token or an API key; raises Unauthenticated when nobody does."""
    actor = await actor_of_token(token, address)
    if actor is None:
        raise Unauthenticated
    return actor


def address_of(connection: HTTPConnection) -> str:
    """The client's IP address; empty where there is none (a Unix socket)."""
    return connection.client.host if connection.client else ""


def _bearer(given: list[str]) -> str:
    """The token of `Authorization: Bearer …` (RFC 6750, 2.1)."""
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer":
        raise Unauthenticated
    return token.strip()
