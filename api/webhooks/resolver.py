"""The machine's own resolver, asked by threads: it may take long, and cannot be interrupted."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from models.partners.attempt import LANES_MAX

#: A name that nobody answers for holds a thread, and others must not wait for it. A call is given
#: up after 15 seconds and the machine's resolver gives up after 30 or so: as many as may be sent at
#: once, and those given up before.
_SENDING_MAX: Final = 3 * LANES_MAX
#: Partners may save few names that nobody answers for (models.partners.host).
_SAVING_MAX: Final = 64


class Resolver:
    """See models.partners.host.Resolve. What endpoints are saved with and what is sent have one
    each: whoever saves names that nobody answers for delays nobody's messages.
    """

    def __init__(self, threads_max: int) -> None:
        # It starts no thread before it needs one.
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """All addresses of that name, each once. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


#: Of what is sent, and of what is saved.
sending: Final = Resolver(_SENDING_MAX)
saving: Final = Resolver(_SAVING_MAX)
