"""The built clients, served from an origin of their own, as a provider's web server would."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Where the pages say that the API is; see `index.html` of each.
_DEFAULT_API: Final = b"http://localhost:8000"


class Pages(SimpleHTTPRequestHandler):
    """`/<client>/…` from that client's `dist`, with the API's address put in."""

    def __init__(
        self,
        *args: object,
        dist: Callable[[str], Path],
        api: Callable[[], str],
        **kwargs: object,
    ) -> None:
        self._dist = dist
        self._api = api
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        client, _, name = self.path.partition("?")[0].lstrip("/").partition("/")
        file = self._dist(client) / (name or "index.html")
        content = file.read_bytes().replace(_DEFAULT_API, self._api().encode())
        self.send_response(200)
        self.send_header("content-type", self.guess_type(file))
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def served(dist: Callable[[str], Path], api: Callable[[], str]) -> Iterator[str]:
    """The origin that serves the clients."""
    handler = partial(Pages, dist=dist, api=api)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
