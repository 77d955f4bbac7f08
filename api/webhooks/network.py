"""The network as endpoints are called over it: only to addresses that may be.

A name is resolved once for each connection, and judged as when it was saved
(models.partners.host). The connection is made to one of its addresses: what the name says a moment
later (DNS rebinding) is not asked. TLS is verified against the name.

What arrives is counted on the wire, below TLS and HTTP: both have much to say besides an answer's
body (tickets, interim answers, headers, extensions of chunks).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpcore
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream
from typing_extensions import override

from models.partners.attempt import READ_BYTES_MAX
from models.partners.host import HostNotPublic, addresses_of

if TYPE_CHECKING:
    from models.partners.address import Target
    from models.partners.host import Resolve

#: Of a name with many addresses.
_ADDRESSES_MAX: Final = 4
_CONNECT_SECONDS_MAX: Final = 5.0
#: Of one connection: an answer, and as much again for TLS and for what is around the answer.
ARRIVES_BYTES_MAX: Final = 2 * READ_BYTES_MAX


class TooMuchArrives(Exception):
    """ARRIVES_BYTES_MAX have been read."""


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the addresses of one target, and to nothing else."""

    def __init__(self, target: Target, resolve: Resolve) -> None:
        self._target = target
        self._resolve = resolve

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        # Ours is the target: `host` and `port` are what a URL parser has made of it.
        addresses = await addresses_of(self._target, self._resolve)
        problem: Exception = httpcore.ConnectError()
        for address in addresses[:_ADDRESSES_MAX]:
            try:
                with anyio.fail_after(_CONNECT_SECONDS_MAX):
                    return _Connection(_Counted(await anyio.connect_tcp(address, port)))
            except TimeoutError:
                problem = httpcore.ConnectTimeout()
            except OSError:
                problem = httpcore.ConnectError()
        raise problem

    @override
    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise HostNotPublic

    @override
    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class _Counted(ByteStream):
    """A stream of which no more than ARRIVES_BYTES_MAX are read."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._left = ARRIVES_BYTES_MAX

    @override
    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._left:
            raise TooMuchArrives
        arrived = await self._stream.receive(min(max_bytes, self._left))
        self._left -= len(arrived)
        return arrived

    @override
    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    @override
    async def send_eof(self) -> None:
        await self._stream.send_eof()

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()

    @property
    @override
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._stream.extra_attributes


class _Connection(httpcore.AsyncNetworkStream):
    """A stream as httpcore wants it. The caller limits the time of the whole call."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise httpcore.ReadError from error

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._stream.send(buffer)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise httpcore.WriteError from error

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()

    @override
    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await TLSStream.wrap(
                self._stream,
                ssl_context=ssl_context,
                hostname=server_hostname,
                server_side=False,
                standard_compatible=False,
            )
        except BaseException as error:
            await anyio.aclose_forcefully(self._stream)
            if isinstance(error, (anyio.BrokenResourceError, anyio.EndOfStream)):
                raise httpcore.ConnectError from error
            raise
        return _Connection(stream)
