"""The fake on a port of its own, for servers that are other processes."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import httpx
import uvicorn

from tests.support.paypal.fake import FakePayPal
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def served() -> Iterator[FakePayPal]:
    """A PayPal that answers over HTTP, until it is left; PayPal's contract judges it, too."""
    port = free_port()
    fake = FakePayPal(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(fake.app, port=port, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:
            assert client.get(f"{fake.url}/v1/customer/disputes").status_code == 401
        fake.faults.clear()
        yield fake
    finally:
        server.should_exit = True
        thread.join(10)
    assert fake.faults == []
