"""The machine's own resolver, asked by threads: it may take long, and cannot be interrupted."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

#: A resolver that does not answer holds a thread; those of others must not wait for it.
_RESOLVING_MAX: Final = 64


class Resolver:
    """See models.partners.host.Resolve. What endpoints are saved with and what is sent have one
    each: whoever saves names that nobody answers for delays nobody's messages.
    """

    def __init__(self) -> None:
        # It starts no thread before it needs one.
        self._threads = ThreadPoolExecutor(_RESOLVING_MAX, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """All addresses of that name, each once. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


#: Of what is sent, and of what is saved.
sending: Final = Resolver()
saving: Final = Resolver()
