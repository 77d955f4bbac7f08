"""What a request costs in this process, without sockets: CPU time, the log's thread included.

`python -m tests.bench.in_process [sqlite|postgres]`
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any, Final

import uvloop

from api.app import create_app
from api.observe import logs
from api.server import serve
from api.settings.settings import load_settings
from tests.bench import operations, program, throughput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

_ROUNDS: Final = 20
_REQUESTS_A_ROUND: Final = 32
_OPERATIONS: Final = (("balance", operations.balance), ("20 invoices", operations.invoices))


def main() -> None:
    """Measure in a process a log level; the one that was told so measures."""
    if "BENCH_FILLED" in os.environ:
        uvloop.run(_measure(json.loads(os.environ["BENCH_FILLED"])))
        return
    kind = (sys.argv[1:] or ["sqlite"])[0]
    with program.databases(kind) as made:
        url = program.fresh(made)
        filled = json.dumps(throughput.seeded(url, 0))
        for level in ("warning", "info"):
            env = program.environment(url, BENCH_FILLED=filled, LOG_LEVEL=level, PDF_AHEAD="0")
            for name, found in program.run("tests.bench.in_process", env=env).items():
                least, usual = found
                print(f"{kind} {level:8}{name:32}{least:8.0f} us least{usual:8.0f} us median")


async def _measure(filled: dict[str, Any]) -> None:
    """Print microseconds, least and median, of each operation."""
    settings = load_settings(embedded_worker=False)
    with tempfile.TemporaryFile("w") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
        logs.configure(settings)
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            with logs.in_background():
                serve._spare_what_stays()
                found = {
                    f"{name}, {at_once} at once": await _microseconds(app, make(filled), at_once)
                    for name, make in _OPERATIONS
                    for at_once in (1, throughput.CONNECTIONS)
                }
    print(json.dumps(found))


async def _microseconds(app: Starlette, requests: list[bytes], at_once: int) -> tuple[float, float]:
    spent = []
    for _ in range(_ROUNDS):
        begun = process_time()
        turns = iter(range(_REQUESTS_A_ROUND))
        await asyncio.gather(*(_client(app, requests, turns) for _ in range(at_once)))
        spent.append((process_time() - begun) / _REQUESTS_A_ROUND * 1e6)
    return min(spent), median(spent)


async def _client(app: Starlette, requests: list[bytes], turns: Iterator[int]) -> None:
    for turn in turns:
        await _request(app, requests[turn % len(requests)])


async def _request(app: Starlette, request: bytes) -> None:
    head, _, body = request.partition(b"\r\n\r\n")
    fields = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:]]
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message
        else:
            assert b'"errors"' not in message["body"], message

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        "headers": [(name, value) for name, value in fields],
    }
    await app(scope, receive, send)


if __name__ == "__main__":
    main()
