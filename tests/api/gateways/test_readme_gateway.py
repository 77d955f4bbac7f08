"""The README's example of a gateway, run: its text, the suite of all gateways, its provider."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from datetime import timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.downloads.sources import _namer as method_namer
from api.gateways import GROUP, load_gateways
from api.settings.settings import load_settings
from models.clock import now
from models.gateway import GatewayUnreachable, PaymentOrder
from models.money import Money
from tests.support.gateways.contract import *  # noqa: F403 - the suite
from tests.support.gateways.contract import Case, order

if TYPE_CHECKING:
    from starlette.requests import Request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
README = Path(__file__).parents[3] / "api" / "gateways" / "README.md"
_EXAMPLE = re.compile(r"^```python gateway\n(.*?)^```", re.MULTILINE | re.DOTALL)


def example() -> ModuleType:
    found = _EXAMPLE.search(README.read_text())
    assert found is not None
    module = ModuleType("kippu")
    exec(compile(found[1], "README.md", "exec"), module.__dict__)  # noqa: S102 - our own text
    return module


KIPPU: Any = example()


class Provider:
    """What Kippu would do, as little as the example asks for: each payment's amount and events."""

    def __init__(self) -> None:
        self.amounts: dict[str, int] = {}
        self.events: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def app(self) -> Starlette:
        one = "/payments/{id}"
        return Starlette(
            routes=[
                Route(one, self.start, methods=["PUT"]),
                Route(one, self.show, methods=["GET"]),
                Route(f"{one}/cancel", self.cancel, methods=["PUT"]),
                Route(f"{one}/refunds/{{refund}}", self.refund, methods=["PUT"]),
            ]
        )

    def pay(self, asked: PaymentOrder) -> None:
        self.events[asked.id].append(paid(asked))

    async def start(self, request: Request) -> JSONResponse:
        id = request.path_params["id"]
        self.amounts[id] = (await request.json())["amount"]
        until = (now() + timedelta(hours=1)).isoformat()
        return JSONResponse({"id": id, "url": f"https://pay.kippu.example/{id}", "until": until})

    async def show(self, request: Request) -> JSONResponse:
        return JSONResponse({"events": self.events[request.path_params["id"]]})

    async def cancel(self, request: Request) -> JSONResponse:
        told = self.events[id := request.path_params["id"]]
        if not told:
            told.append({"id": f"{id}:canceled", "kind": "CANCELED", "payment": id})
        return JSONResponse({"events": told})

    async def refund(self, request: Request) -> JSONResponse:
        id, refund = request.path_params["id"], request.path_params["refund"]
        amount = (await request.json())["amount"]
        refunds = [one for one in self.events[id] if one["kind"] == "REFUNDED"]
        for before in refunds:
            if before["refund"] == refund:
                return JSONResponse(before)
        if sum(one["amount"] for one in refunds) + amount > self.amounts.get(id, 0):
            return JSONResponse({"reason": "not_refundable"}, 409)
        told = {"id": refund, "kind": "REFUNDED", "payment": id, "reference": refund}
        told |= {"amount": amount, "currency": "EUR", "refund": refund}
        self.events[id].append(told)
        return JSONResponse(told)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def gateway(provider: Provider) -> Any:
    transport = httpx.ASGITransport(provider.app())
    return KIPPU.Kippu(httpx.AsyncClient(transport=transport, base_url="http://kippu"), SECRET)


@pytest.fixture
def case(gateway: Any, provider: Provider) -> Case:
    return Case(gateway, Money(2500, "EUR"), captured, provider.pay)


def paid(asked: PaymentOrder) -> dict[str, Any]:
    told = {"id": f"{asked.id}:paid", "kind": "CAPTURED", "payment": asked.id, "reference": "k-1"}
    return told | {"amount": asked.amount.minor, "currency": asked.amount.currency}


def captured(asked: PaymentOrder) -> tuple[dict[str, str], bytes]:
    body, moment = json.dumps(paid(asked)), now()
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", moment, body),
    }
    return headers, body.encode()


def test_an_entry_point_is_all_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kippu", KIPPU)
    entry = EntryPoint("kippu", "kippu:Kippu", GROUP)
    assert load_gateways(load_settings(secret=False), [entry]) == {}
    monkeypatch.setenv("KIPPU_KEY", "k")
    monkeypatch.setenv("KIPPU_WEBHOOK_SECRET", SECRET)
    assert set(load_gateways(load_settings(secret=False), [entry])) == {"kippu"}


@pytest.mark.parametrize(
    ("locale", "name"),
    [("en", "Kippu"), ("de-AT", "Kippu-Zahlung"), ("ja", "Kippu"), ("tlh", "Kippu")],
)
def test_it_may_have_its_names_in_a_dictionary(gateway: Any, locale: str, name: str) -> None:
    names = {"en": "Kippu", "de": "Kippu-Zahlung"}

    class Named(type(gateway)):  # type: ignore[misc]
        def name(self, locale: str) -> str:
            return names.get(locale.partition("-")[0], names["en"])

    named = Named.__new__(Named)
    assert method_namer({"kippu": named}, locale)("kippu") == name
    assert method_namer({}, locale)("kippu") == "kippu", "it is not installed any more"


async def test_a_provider_that_is_out_of_order_is_asked_again() -> None:
    def broken(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    api = httpx.AsyncClient(transport=httpx.MockTransport(broken), base_url="http://kippu")
    with pytest.raises(GatewayUnreachable):
        await KIPPU.Kippu(api, SECRET).start(order(Money(2500, "EUR")))
