"""A page of somebody else that the portal's elements are embedded in, with an origin of its own."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).parents[2] / "clients" / "embedded"
#: Where the page says that the API is.
_DEFAULT_API: Final = b"http://localhost:8000"


@dataclass
class HostPage:
    """The page and its server, which hands out tokens: the next of `tokens` each time, and the
    last one from then on.
    """

    origin: str = ""
    api: str = ""
    #: A Content-Security-Policy, in which {api} and {socket} stand for the API.
    policy: str = ""
    tokens: list[str] = field(default_factory=list)
    #: Each token that was asked for.
    handed_out: list[str] = field(default_factory=list)

    def next_token(self) -> str:
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        self.handed_out.append(token)
        return token


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, host: HostPage, **kwargs: object) -> None:
        self._host = host
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].lstrip("/") or "index.html"
        content = (PAGE / name).read_bytes().replace(_DEFAULT_API, self._host.api.encode())
        self._send(content, self.guess_type(name))

    def do_POST(self) -> None:
        assert self.path == "/token"
        self._send(self._host.next_token().encode(), "text/plain")

    def _send(self, content: bytes, kind: str) -> None:
        api = self._host.api
        policy = self._host.policy.format(api=api, socket=api.replace("http", "ws", 1))
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.send_header("content-security-policy", policy)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def hosted(policy: str) -> Iterator[HostPage]:
    """The page, served. `localhost` and the API's `127.0.0.1` are two sites."""
    host = HostPage(policy=policy)
    handler = partial(_Handler, host=host)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        host.origin = f"http://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()
