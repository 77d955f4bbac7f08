"""`/oidc/{provider}/start` and `/oidc/{provider}/callback`: signing in with an identity provider.

The browser is sent to the provider and comes back with a code, which we exchange for an ID token
(OpenID Connect Core 1.0, authorization code flow, with PKCE, state and nonce). Whatever goes wrong
ends on the portal's sign-in page, which says that it did not work; the log says why.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from api.endpoint.http import Connection
from api.oidc.login import LIFETIME, Login, LoginCookie
from api.oidc.provider import IdentityProvider, SignInFailed
from models.access import device, rate_limit
from models.access.external_identity import user_of_identity
from models.access.identity import Role
from models.accounts import sign_in
from models.accounts.sign_in import FactorAsked
from models.errors import RateLimited, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from api.endpoint.auth import DeviceCookie, Header, SessionCookie
    from api.settings.settings import Settings
    from models.access.user import User

#: Each asks the provider something: so many of each by address in so long.
_VISITS: Final = 60
_WINDOW_SECONDS: Final = 15 * 60
_ROLES: Final = {
    "clients": frozenset({Role.CLIENT}),
    "staff": frozenset({Role.STAFF}),
    "all": frozenset({Role.CLIENT, Role.STAFF}),
}
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

log = structlog.get_logger(__name__)


def identity_providers(settings: Settings) -> dict[str, IdentityProvider]:
    """Those of the settings, by name."""
    return {
        one.name: IdentityProvider(one, f"{settings.public_url}/oidc/{one.name}/callback")
        for one in settings.oidc_providers
    }


class OidcRoutes:
    """The routes of one application."""

    def __init__(
        self,
        settings: Settings,
        cookie: SessionCookie,
        device_cookie: DeviceCookie,
        providers: Mapping[str, IdentityProvider] | None = None,
    ) -> None:
        self.providers = identity_providers(settings) if providers is None else providers
        self._secret = settings.secret
        self._cookie, self._device_cookie = cookie, device_cookie
        self._login_cookie = LoginCookie(settings.secure_cookies, LIFETIME)

    def routes(self) -> list[Route]:
        """None where there is no provider."""
        if not self.providers:
            return []
        return [
            Route("/oidc/{provider}/start", self._start, methods=["GET"]),
            Route("/oidc/{provider}/callback", self._callback, methods=["GET"]),
        ]

    async def _start(self, request: Request) -> Response:
        name, provider = self._named(request)
        login = Login.begin(name, request.query_params.get("to", "/"))
        try:
            await _count("oidc.start", Connection.of(request.scope))
            url = await provider.address(login)
        except SignInFailed as failed:
            return self._refused("unavailable", name, failed.reason)
        except RateLimited:
            return self._refused("failed", name, "too many attempts")
        return _sent_to(url, self._login_cookie.put(login.sealed(self._secret)))

    async def _callback(self, request: Request) -> Response:
        name, provider = self._named(request)
        connection = Connection.of(request.scope)
        sealed = self._login_cookie.value_of(connection)
        login = Login.unsealed(sealed, self._secret) if sealed else None
        asked = request.query_params
        if login is None or login.provider != name or not _same(asked.get("state"), login.state):
            return self._refused("expired", name, "another browser, or too late")
        if "code" not in asked:
            return self._refused("canceled", name, "the provider sent no code")
        try:
            user = await self._user(provider, login, asked["code"], asked.get("iss"), connection)
        except SignInFailed as failed:
            return self._refused("failed", name, failed.reason)
        except RateLimited:
            return self._refused("failed", name, "too many attempts")
        if user is None:
            return self._refused("unknown", name, "nobody here has this identity")
        return await self._signed_in(user, login, connection)

    def _named(self, request: Request) -> tuple[str, IdentityProvider]:
        name = request.path_params["provider"]
        if name not in self.providers:
            raise HTTPException(404, "This sign-in doesn't exist.")
        return name, self.providers[name]

    async def _user(
        self,
        provider: IdentityProvider,
        login: Login,
        code: str,
        issuer: str | None,
        connection: Connection,
    ) -> User | None:
        await _count("oidc.address", connection)
        proven = await provider.identity(login, code, issuer)
        return await user_of_identity(proven, _ROLES[provider.options.people])

    async def _signed_in(self, user: User, login: Login, connection: Connection) -> Response:
        notes = self._device_cookie.value_of(connection)
        try:
            outcome = await sign_in.finish(
                user,
                address=connection.address,
                user_agent=connection.headers.user_agent,
                notes=notes,
            )
        except Unauthenticated:
            return self._refused("unknown", login.provider, "disabled")
        if isinstance(outcome, FactorAsked):
            return _sent_to(_second_step(outcome, login.to), self._login_cookie.clear())
        notes = await device.noted(notes, outcome.actor.user_id)
        return _sent_to(
            login.to,
            self._cookie.put(outcome.token),
            self._device_cookie.put(notes),
            self._login_cookie.clear(),
        )

    def _refused(self, how: str, name: str, reason: str) -> Response:
        log.warning("oidc_sign_in_refused", provider=name, outcome=how, reason=reason)
        return _sent_to(f"/?{urlencode({'sign-in': how})}", self._login_cookie.clear())


async def _count(door: str, connection: Connection) -> None:
    """Raises RateLimited where an address has been there too often."""
    place = rate_limit.network(connection.address)
    await rate_limit.spend(door, place, limit=_VISITS, window_seconds=_WINDOW_SECONDS)


def _second_step(asked: FactorAsked, to: str) -> str:
    """Where the portal asks for the second factor: what it needs for that is in the fragment, which
    browsers send to nobody.
    """
    told = {
        "token": asked.token,
        "methods": ",".join(asked.methods),
        "passkey": asked.passkey_options or "",
    }
    return f"{to}#{urlencode(told)}"


def _same(given: str | None, state: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), state.encode())


def _sent_to(url: str, *cookies: Header) -> Response:
    response = RedirectResponse(url, 303, _HEADERS)
    response.raw_headers.extend(cookies)
    return response
