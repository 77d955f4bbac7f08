"""The network as endpoints are called over it: only to addresses that may be.

A name is resolved once for each connection, and judged as when it was saved
(models.partners.host). The connection is made to one of its addresses: what the name says a moment
later (DNS rebinding) is not asked. TLS is verified against the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import httpcore
from typing_extensions import override

from models.partners.host import HostNotPublic, addresses_of

if TYPE_CHECKING:
    from models.partners.address import Target
    from models.partners.host import Resolve

#: Of a name with many addresses.
_ADDRESSES_MAX: Final = 4
_CONNECT_SECONDS_MAX: Final = 5.0


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
        # Ours is the target: `host` and `port` are what a URL parser has made of it.
        addresses = await addresses_of(self._target, self._resolve)
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
        raise HostNotPublic

    @override
    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
