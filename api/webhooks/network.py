"""The network as endpoints are called over it: only to addresses that may be.

A name is resolved once for each connection. Each address is looked at, and the connection is made
to one of those: what the name says a moment later (DNS rebinding) is not asked. TLS is verified
against the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import httpcore
from typing_extensions import override

if TYPE_CHECKING:
    from models.partners.address import Target

#: Resolves a name, for a port, to addresses. Raises OSError.
Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

#: A resolver that does not answer holds a thread; those of others must not wait for it.
_RESOLVING_MAX: Final = 64
#: Of a name with many addresses.
_ADDRESSES_MAX: Final = 4
_CONNECT_SECONDS_MAX: Final = 5.0

_threads: Final = ThreadPoolExecutor(_RESOLVING_MAX, thread_name_prefix="resolve")


class AddressRefused(Exception):
    """The name leads to an address that must not be connected to."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the machine's own resolver."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_threads, ask)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the addresses of one target, and to nothing else."""

    def __init__(self, target: Target, resolve: Resolve) -> None:
        self._target = target
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        # One that is refused says enough of who chose it: not even the others are tried.
        if not addresses or not all(map(self._target.admits, addresses)):
            raise AddressRefused
        problem: Exception = httpcore.ConnectError()
        for address in addresses[:_ADDRESSES_MAX]:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout=_CONNECT_SECONDS_MAX, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    @override
    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused

    @override
    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
