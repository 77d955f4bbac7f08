"""Asks a server as fast as it answers: a process of its own, so that it does not slow the server.

`python -m tests.bench.load` reads an order as JSON from standard input and prints what it measured.
Bare HTTP/1.1 on keep-alive sockets: a request costs it a tenth of what it costs the server.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast

import uvloop

from tests.bench.process import cpu_seconds


@dataclass
class Load:
    """What is asked, and what came of it."""

    #: Whole HTTP requests; asked once each, or over and over.
    requests: list[bytes]
    repeat: bool
    asked: int = 0
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def next(self) -> bytes | None:
        """The next request; None where all were asked."""
        if self.asked >= len(self.requests) and not self.repeat:
            return None
        request = self.requests[self.asked % len(self.requests)]
        self.asked += 1
        return request

    def done(self, seconds: float, answer: bytes) -> None:
        """Note an answer."""
        self.answered += 1
        self.seconds.append(seconds)
        refused = b'"errors"' in answer or b"__typename" in answer
        if refused or not answer.startswith(b"HTTP/1.1 200"):
            self.failures.append(answer[-300:].decode(errors="replace"))


class Asker(asyncio.Protocol):
    """One connection: asks, waits for the answer, and asks again."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.answer = b""
        self.started = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.ask()

    def ask(self) -> None:
        request = self.load.next()
        assert self.transport is not None
        if request is None:
            self.load.over.set()
            return
        self.answer = b""
        self.started = perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, gap, body = self.answer.partition(b"\r\n\r\n")
        if gap and len(body) >= _length(head):
            self.load.done(perf_counter() - self.started, self.answer)
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.load.failures.append(repr(exc))
        self.load.over.set()


def _length(head: bytes) -> int:
    start = head.index(b"content-length: ") + 16
    return int(head[start : start + 12].partition(b"\r")[0])


async def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Answers, seconds, the server's CPU seconds and latencies of the measured time."""
    load = Load([text.encode() for text in order["requests"]], order["repeat"])
    loop = asyncio.get_running_loop()
    askers = [
        (await loop.create_connection(lambda: Asker(load), "127.0.0.1", order["port"]))[0]
        for _ in range(order["connections"])
    ]
    await asyncio.sleep(order["warm_seconds"])
    before, started, cpu = load.answered, perf_counter(), cpu_seconds(order["pid"])
    with suppress(TimeoutError):
        await asyncio.wait_for(load.over.wait(), order["seconds"])
    passed, used = perf_counter() - started, cpu_seconds(order["pid"]) - cpu
    answers = load.answered - before
    latencies = sorted(load.seconds[before:])
    for transport in askers:
        transport.abort()
    return {
        "answers": answers,
        "seconds": passed,
        "cpu_seconds": used,
        "p50": latencies[len(latencies) // 2] if latencies else 0.0,
        "p99": latencies[len(latencies) * 99 // 100] if latencies else 0.0,
        "failures": load.failures[:3],
        "failed": len(load.failures),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(json.load(sys.stdin)))))
