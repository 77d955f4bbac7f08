"""Calling an endpoint: one POST, bounded in time and size, that follows nowhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, cached_property
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Final

import structlog

from api.webhooks import resolver
from models.partners.attempt import CALL_SECONDS_MAX, KEPT_BYTES_MAX, READ_BYTES_MAX, Outcome
from models.partners.host import HostNotPublic

if TYPE_CHECKING:
    import httpcore

    from models.partners.address import Target
    from models.partners.host import Resolve

_AGENT: Final = "Account-Credit-Webhooks/1"
_REDIRECTS: Final = range(300, 400)
_TAKEN: Final = range(200, 300)

log = structlog.get_logger(__name__)


class HttpCaller:
    """See models.partners.attempt.Caller. Each call has a connection of its own, no proxy, no
    cookies, and no other header than these.
    """

    def __init__(
        self,
        resolve: Resolve = resolver.sending,
        tls: ssl.SSLContext | None = None,
        seconds_max: float = CALL_SECONDS_MAX,
    ) -> None:
        self._resolve = resolve
        self._given_tls = tls
        self._seconds_max = seconds_max

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Reading the certificates takes 20 ms; sharing them is what a context is for.
        return self._given_tls or ssl.create_default_context()

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Outcome:
        """See Caller."""
        began = perf_counter()
        status: int | None = None
        answer, problem = b"", None
        try:
            async with asyncio.timeout(self._seconds_max):
                status, answer = await self._posted(target, headers, body)
            problem = _problem_of(status)
        except HostNotPublic:
            # Nor how long that took: our resolver knows our own network's names at once.
            return Outcome(0, problem="The host's name doesn't lead to public addresses.")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what became of the call
            problem = _told(error)
        return Outcome(round((perf_counter() - began) * 1000), status, problem, _shown(answer))

    async def _posted(
        self, target: Target, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """The status, and how the answer begins."""
        # Importing it takes long, and most processes never call anybody.
        import httpcore  # noqa: PLC0415

        from api.webhooks import network  # noqa: PLC0415 - as above

        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=1,
                max_keepalive_connections=0,
                network_backend=network.Pinned(target, self._resolve),
            ) as pool,
            pool.stream(
                "POST",
                httpcore.URL(
                    scheme=target.scheme, host=target.host, port=target.port, target=target.path
                ),
                headers=_headers(target, headers, body),
                content=body,
            ) as response,
        ):
            return response.status, await _beginning(response)


def _headers(target: Target, headers: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
    return [
        ("Host", target.authority),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("User-Agent", _AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        *headers.items(),
    ]


async def _beginning(response: httpcore.Response) -> bytes:
    """The first of an answer that is kept; no more of it is read than READ_BYTES_MAX."""
    from api.webhooks.network import TooMuchArrives  # noqa: PLC0415 - as in `_posted`

    kept, read = b"", 0
    with suppress(TooMuchArrives):
        async for part in response.aiter_stream():
            kept += part[: KEPT_BYTES_MAX - len(kept)]
            read += len(part)
            if read >= READ_BYTES_MAX:
                break
    return kept


def _problem_of(status: int) -> str | None:
    if status in _TAKEN:
        return None
    if status in _REDIRECTS:
        return f"HTTP {status}: redirects aren't followed."
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


@cache
def _problems() -> tuple[tuple[type[Exception], str], ...]:
    """What may go wrong, in words that tell nothing of our network; the first that fits."""
    import httpcore  # noqa: PLC0415 - as in `_posted`

    from api.webhooks import network  # noqa: PLC0415 - as in `_posted`

    return (
        (TimeoutError, "No answer in time."),
        (httpcore.TimeoutException, "No answer in time."),
        (ssl.SSLError, "The TLS certificate isn't valid for this host."),
        (httpcore.ConnectError, "No connection."),
        (httpcore.NetworkError, "The connection was lost."),
        (httpcore.ProtocolError, "The answer wasn't HTTP."),
        (network.TooMuchArrives, "The answer's headers are too long."),
    )


def _told(error: Exception) -> str:
    """What went wrong."""
    words = next((words for kind, words in _problems() if isinstance(error, kind)), None)
    if words is None:
        log.error("webhook_call_failed", exc_info=error)
        return "The call failed."
    return words


def _shown(answer: bytes) -> str:
    """As text that a database keeps: what is no UTF-8 is replaced, and NUL is dropped."""
    return answer.decode(errors="replace").replace("\0", "")
