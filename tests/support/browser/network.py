"""The network between a browser and the server, which a test can cut."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Iterator

_CHUNK_BYTES: Final = 65_536


class TcpProxy:
    """Carries TCP connections to a port of this machine. `port` is its own."""

    port: int

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._ends: set[StreamWriter] = set()

    def cut(self) -> None:
        """Break all connections. New ones get through to nobody until `mend`."""
        self._loop.call_soon_threadsafe(self._cut)

    def mend(self) -> None:
        """Carry connections again."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def _cut(self) -> None:
        self._whole.clear()
        for end in self._ends:
            end.transport.abort()

    def run(self, ready: threading.Event) -> None:
        """Carry until `stop`; in a thread of its own."""
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    def stop(self) -> None:
        """End `run`."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self, ready: threading.Event) -> None:
        self._stopping = asyncio.Event()
        self._whole.set()
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        self._cut()
        self._whole.set()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._whole.wait()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._ends |= (ends := {writer, far_writer})
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except OSError:
            pass  # one side has gone, or the proxy was cut
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@contextmanager
def tcp_proxy(to_port: int) -> Iterator[TcpProxy]:
    """A proxy before that port."""
    carried, ready = TcpProxy(to_port), threading.Event()
    thread = threading.Thread(target=carried.run, args=(ready,))
    thread.start()
    ready.wait(10)
    try:
        yield carried
    finally:
        carried.stop()
        thread.join(10)
