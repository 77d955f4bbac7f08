"""Asking PayPal over HTTPS: one connection pool and one access token per event loop.

Nothing is repeated here but what a fresh access token mends; and nothing that is raised or logged
has a secret in it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import httpx
import orjson
import structlog

from api.gateways.paypal.access_token import AccessToken
from models.gateway import GatewayProblem, GatewayUnreachable

if TYPE_CHECKING:
    from api.gateways.paypal.merchant import Merchant

TIMEOUT_SECONDS: Final = 10.0
_TRY_LATER: Final = 429
_SERVER_ERRORS: Final = 500

_log = structlog.get_logger()


class PayPalRefused(GatewayProblem):
    """PayPal understood, and said no: `issue` is its own word for why (`INSTRUMENT_DECLINED`).

    Left alone it is a problem with an unknown outcome; who asked knows better.
    """

    def __init__(self, status: int, name: str, issue: str, debug_id: str) -> None:
        super().__init__(f"PayPal answered {status} {name} {issue} (debug id {debug_id})")
        self.status = status
        self.issue = issue

    @property
    def is_final(self) -> bool:
        """Whether it was understood, and would be refused again."""
        return self.status == httpx.codes.UNPROCESSABLE_ENTITY and bool(self.issue)


class PayPalClient:
    """Asks as the app of `merchant`. `transport` replaces the network."""

    def __init__(
        self, merchant: Merchant, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._merchant = merchant
        self._transport = transport
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = (
            WeakKeyDictionary()
        )

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """What is at `path`. Raises GatewayProblem: PayPalRefused or GatewayUnreachable."""
        return _object(await self._connections.ask("GET", path, params=query))

    async def post(self, path: str, body: bytes | object, request_id: str = "") -> dict[str, Any]:
        """What PayPal answers to `body`, JSON or what becomes it. Raises as `get`.

        `request_id` makes asking twice asking once (PayPal-Request-Id, at most 108 characters).
        """
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = {"content-type": "application/json", "prefer": "return=representation"}
        if request_id:
            headers["paypal-request-id"] = request_id
        return _object(await self._connections.ask("POST", path, content=content, headers=headers))

    async def fetch_file(self, url: str) -> httpx.Response:
        """A public file, no credentials shown. Raises GatewayUnreachable."""
        return await self._connections.send("GET", url)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connections is not None:
            await connections.http.aclose()

    @property
    def _connections(self) -> _Connections:
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            self._by_loop[loop] = _Connections(self._merchant, self._transport)
        return self._by_loop[loop]


class _Connections:
    """The connections of one event loop."""

    def __init__(self, merchant: Merchant, transport: httpx.AsyncBaseTransport | None) -> None:
        self._merchant = merchant
        self.http = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            follow_redirects=False,
        )
        self.token = AccessToken(self._fetch_token)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Ask as the app; a token that expired on the way is renewed once."""
        answer = await self._ask_once(method, path, **request)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            answer = await self._ask_once(method, path, **request)
        _check(answer)
        return answer

    async def _ask_once(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        **request: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        token = await self.token.get()
        shown = {**(headers or {}), "authorization": f"Bearer {token}"}
        answer = await self.send(method, self._merchant.api_url + path, headers=shown, **request)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self.token.give_up(token)
        return answer

    async def send(self, method: str, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """One exchange, of ten seconds at the most. Raises GatewayUnreachable."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self.http.request(method, url, **request)
        except (httpx.HTTPError, TimeoutError) as error:
            raise GatewayUnreachable(f"PayPal didn't respond: {type(error).__name__}") from None

    async def _fetch_token(self) -> tuple[str, float]:
        answer = await self.send(
            "POST",
            f"{self._merchant.api_url}/v1/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(self._merchant.client_id, self._merchant.client_secret),
        )
        _check(answer)
        told = _object(answer)
        try:
            return str(told["access_token"]), float(told["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise GatewayProblem("PayPal returned no access token") from None


def _check(answer: httpx.Response) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if status == _TRY_LATER or status >= _SERVER_ERRORS:
        raise GatewayUnreachable(f"PayPal is unavailable: {status}")
    if status == httpx.codes.UNAUTHORIZED:
        settings = "PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET or PAYPAL_MODE"
        _log.error("paypal.not_authorized", check=settings)
        raise GatewayProblem(f"PayPal rejected our credentials: check {settings}")
    if status == httpx.codes.FORBIDDEN:
        _log.error("paypal.not_permitted", path=answer.request.url.path)
    raise _refused(answer)


def _refused(answer: httpx.Response) -> PayPalRefused:
    try:
        told = _object(answer)
    except GatewayProblem:
        told = {}
    details = told.get("details")
    first = details[0] if isinstance(details, list) and details else {}
    issue = first.get("issue") if isinstance(first, dict) else None
    name, debug_id = told.get("name"), told.get("debug_id")
    return PayPalRefused(answer.status_code, *(str(text or "") for text in (name, issue, debug_id)))


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise GatewayProblem("PayPal's response isn't JSON") from None
    if not isinstance(told, dict):
        raise GatewayProblem("PayPal's response isn't a JSON object")
    return told
