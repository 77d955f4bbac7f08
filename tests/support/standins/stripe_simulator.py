"""Checkout Sessions with a page to click: `getpaid-simulator` with `python-getpaid-stripe`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from tests.support.standins.environments import python_of, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEBHOOK_SECRET: Final = "whsec_simulator4f1c0a7b"
_NEEDS: Final = ("litestar==2.25.0", "uvicorn==0.54.0", "httpx==0.28.1", "jinja2", "stripe<13")
# They ask for Python 3.12, and run on 3.11 as well.
_PACKAGES: Final = (
    "--no-deps",
    "--python-version=3.12",
    "python-getpaid-core==3.2.0",
    "python-getpaid-simulator==3.2.0",
    "python-getpaid-stripe==0.2.1",
)


@dataclass(frozen=True)
class Simulator:
    """It keeps orders; Stripe's ids are theirs with a prefix."""

    url: str

    def do(self, session: str, action: str) -> None:
        """What happens to a payment without anybody clicking: `expire_session`, `settle_delayed`
        or `fail_delayed`.
        """
        order = session.rpartition("/")[2].removeprefix("cs_sim_")
        done = httpx.post(f"{self.url}/sim/stripe/ops/{order}", json={"action": action}, timeout=30)
        assert done.status_code < 300, done.text


@contextmanager
def simulator(folder: Path, port: int, notify_url: str) -> Iterator[Simulator]:
    """It runs on `port` and tells `notify_url`. Skips where it cannot be installed."""
    python = python_of("stripe-simulator", _NEEDS, _PACKAGES)
    url = f"http://127.0.0.1:{port}"
    environment = {
        "SIMULATOR_HOST": "127.0.0.1",
        "SIMULATOR_PORT": str(port),
        "SIMULATOR_STRIPE_NOTIFY_URL": notify_url,
        "SIMULATOR_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }
    command: list[str | Path] = [python, "-m", "getpaid_simulator"]
    with running("stripe-simulator", command, url, folder / "simulator.log", environment):
        yield Simulator(url)
