"""What is waited for: a live message, the start, a PDF; and what a server takes of memory."""

from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.bench import program
from tests.bench.process import children, resident_mib
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.program import Server

# One of each, since a document of the same content comes from memory.
_PDFS: Final = """{
  paid: invoices(first: 1, filter: { status: [PAID] }) { edges { node { pdfUrl } } }
  unpaid: invoices(first: 1, filter: { status: [UNPAID] }) { edges { node { pdfUrl } } }
}"""


def pushed(kind: str, database_url: str, filled: dict[str, Any]) -> Iterator[str]:
    """A line: live push within a process on SQLite, through Redis on PostgreSQL."""
    asked = {"account": filled["accounts"][0], "token": filled["tokens"][0], "port": None}
    if kind == "sqlite":
        env = program.environment(database_url, LOG_LEVEL="warning")
        yield _push("within the process", {**asked, "own_port": servers.free_port()}, env)
        return
    try:
        with servers.redis() as redis, program.serving(database_url, REDIS_URL=redis) as server:
            env = program.environment(database_url, LOG_LEVEL="warning", REDIS_URL=redis)
            yield _push("through Redis", {**asked, "port": server.port}, env)
    except servers.NoRedisError as reason:
        yield f"live push               not measured through Redis: {reason}"


def _push(how: str, asked: dict[str, Any], env: dict[str, str]) -> str:
    found = program.run("tests.bench.push", env=env, stdin=asked)
    milliseconds = f"{found['p50'] * 1e3:8.1f} ms p50{found['p99'] * 1e3:8.1f} ms p99"
    return f"live push               {milliseconds}  from commit to message, {how}"


def started(server: Server) -> str:
    """A line: from the command to the first answer, of a database that is there."""
    return f"start                   {server.seconds_to_answer:8.2f} s to the first answer"


def documents(server: Server, filled: dict[str, Any]) -> Iterator[str]:
    """A line: the first PDF, and one later."""
    headers = {"authorization": f"Bearer {filled['tokens'][0]}"}
    answer = httpx.post(
        f"{server.url}/graphql", json={"query": _PDFS}, headers=headers, trust_env=False
    )
    pages = answer.json()["data"].values()
    try:
        first, later = (_seconds(page["edges"][0]["node"]["pdfUrl"]) for page in pages)
    except httpx.HTTPError as reason:
        yield f"PDF                     not made: {reason}"
        return
    yield f"PDF                     {first:8.2f} s the first{later:8.2f} s a later one"


def waiting() -> str:
    """A line: how late the event loop is, idle and while documents are rendered beside it."""
    found = program.run("tests.bench.latency", env=dict(os.environ))
    both = (f"{found[when]['p99'] * 1e3:8.1f} ms {when}" for when in ("idle", "rendering"))
    return f"event loop late, p99    {''.join(both)}, {found['documents']} documents meanwhile"


def _seconds(url: str) -> float:
    begun = perf_counter()
    answer = httpx.get(url, timeout=60, trust_env=False).raise_for_status()
    assert answer.content.startswith(b"%PDF-")
    return perf_counter() - begun


def memory(server: Server) -> str:
    """A line: resident memory of the server, and of the process that makes its PDFs."""
    own, pdfs = resident_mib(server.pid), sum(map(resident_mib, children(server.pid)))
    return f"memory                  {own:8.0f} MiB, and {pdfs:.0f} MiB beside it for PDFs"
