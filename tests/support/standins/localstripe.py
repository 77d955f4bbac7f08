"""PaymentIntents with 3-D Secure: `localstripe`, and what a card form in a page does with it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.support.standins.environments import python_of, running

if TYPE_CHECKING:
    from collections.abc import Iterator

WEBHOOK_SECRET: Final = "whsec_localstripe4f1c0a"
SECRET_KEY: Final = "sk_test_localstripe"
GOOD_CARD: Final = "4242424242424242"
SECURE_CARD: Final = "4000002500003155"
DECLINED_CARD: Final = "4000000000000341"

_PACKAGES: Final = ("localstripe==1.15.10", "aiohttp==3.14.5")


@dataclass(frozen=True)
class LocalStripe:
    url: str

    @property
    def script(self) -> str:
        """What stands in for Stripe.js."""
        return f"{self.url}/js.stripe.com/v3/"

    def post(self, path: str, **form: Any) -> httpx.Response:
        authorization = {"authorization": f"Bearer {SECRET_KEY}"}
        return httpx.post(f"{self.url}{path}", json=form, headers=authorization, timeout=30)

    def enter_card(self, client_secret: str, number: str) -> str:
        """A client enters a card and clicks on Pay; the status of the PaymentIntent after it."""
        intent = f"/v1/payment_intents/{client_secret.partition('_secret_')[0]}"
        card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        method = self.post("/v1/payment_methods", type="card", card=card).json()["id"]
        assert self.post(intent, payment_method=method).status_code == 200
        status: str = self.post(f"{intent}/confirm").json().get("status", "declined")
        return status

    def tell(self, url: str) -> None:
        """Where it sends its messages to."""
        done = httpx.post(
            f"{self.url}/_config/webhooks/test", json={"url": url, "secret": WEBHOOK_SECRET}
        )
        assert done.status_code == 200, done.text


@contextmanager
def localstripe(folder: Path, port: int, notify_url: str) -> Iterator[LocalStripe]:
    """It runs on `port` and tells `notify_url`. Skips where it cannot be installed."""
    python = python_of("localstripe", _PACKAGES)
    stand_in = LocalStripe(f"http://127.0.0.1:{port}")
    # -P: this folder has a module of the same name.
    command: list[str | Path] = [
        python,
        "-P",
        Path(__file__).with_name("localstripe_server.py"),
        str(port),
    ]
    log = folder / "localstripe.log"
    with running("localstripe", command, stand_in.script, log, {}):
        stand_in.tell(notify_url)
        yield stand_in
