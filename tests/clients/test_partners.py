"""Two small partners, in Python and PHP: from opening an account to catching up on events."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from tests.support import servers
from tests.support.partner_shops import PHP, PYTHON, Shop, php_with_curl, python_shop, until
from tests.support.server.api_client import at_sandbox
from tests.support.server.demo_server import DemoServer, open_demo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Databases

pytestmark = pytest.mark.once

#: What of a journey a shop may do with its key.
SCOPES: Final = (
    "accounts:write",
    "funds:write",
    "invoices:write",
    "credit:read",
    "credit:hold",
    "webhooks:manage",
)


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    with open_demo_server(tmp_path_factory.mktemp("server"), databases) as server:
        yield server


@pytest.fixture(params=["python", "php"])
def shop(request: pytest.FixtureRequest, server: DemoServer, tmp_path: Path) -> Shop:
    """A shop with a key of its own, that nobody has used yet."""
    port = servers.free_port()
    if request.param == "python":
        program = python_shop()
        receiver = [*program, "listen", str(port)]
    else:
        php = php_with_curl()
        program = [php, str(PHP / "shop.php")]
        receiver = [php, "-S", f"127.0.0.1:{port}", str(PHP / "webhook.php")]
    key = server.staff.do(
        "createApiKey", "token", partner=f"Shop in {request.param}", name="shop", scopes=SCOPES
    )
    environment = {
        "PATH": os.environ["PATH"],
        "API": server.url,
        "API_KEY": key["token"],
        "SHOP": str(tmp_path / "shop"),
    }
    return Shop(program, receiver, environment, tmp_path, port)


def test_a_shop_opens_an_account_funds_it_bills_reserves_hears_and_catches_up(
    shop: Shop, server: DemoServer
) -> None:
    client = str(shop.port)
    with shop.listening():
        for _ in range(2):  # the same call again is the same endpoint
            shop.do("connect", shop.url)
        ada = ("open_account", client, "Ada Turing", f"ada-{client}@client.example")
        account = shop.do(*ada)
        assert shop.do(*ada) == account, "the same call again is the same account"
        assert shop.refused("add_funds", client, "50.00", f"F-{client}", "1999-12")
        page = shop.do("add_funds", client, "50.00", f"F-{client}", shop.do("policy"))
        at_sandbox({"nextAction": {"url": page}}, "approve")
        until(lambda: "credit.changed" in shop.heard("webhook"))
        assert shop.do("bill", client, "12.00", f"A-{client}") == "PAID"
        assert shop.do("reserve", client, "20.00", f"B-{client}") == "OPEN"
        assert shop.do("bill_reserved", f"B-{client}", "15.50") == "PAID"
        until(lambda: "hold.captured" in shop.heard("webhook"))
        assert shop.refused("bill_reserved", f"B-{client}", "1.00")
    # It is away: what happens meanwhile it reads afterwards, and nothing of it twice.
    assert shop.do("bill", client, "1.00", f"C-{client}") == "PAID"
    until(lambda: shop.do("catch_up") and "invoice.paid" in shop.heard("feed"))
    numbers = [number for _, number, _, _ in shop.do("heard")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {*shop.heard("webhook"), *shop.heard("feed")} >= {
        "account.created",
        "invoice.issued",
        "invoice.paid",
        "payment.begun",
        "payment.succeeded",
        "credit.changed",
        "hold.reserved",
        "hold.captured",
    }
    told = server.staff.ask(
        "query ($id: ID!) { account(id: $id) { balance { ...Left } } }"
        " fragment Left on Balance { available { amount } reserved { amount } }",
        id=account,
    )
    assert told["account"]["balance"] == {"available": "21.50", "reserved": "0.00"}


def test_a_shop_that_was_away_too_long_begins_with_the_oldest_event(shop: Shop) -> None:
    client = str(shop.port)
    ada, bo = (client, "account.created"), (f"{client}-2", "account.created")

    def heard() -> list[tuple[str, str]]:
        shop.do("catch_up")
        return [(whose, kind) for whose, _, kind, _ in shop.do("heard") if client in whose]

    shop.do("open_account", client, "Ada Turing", f"ada-{client}@client.example")
    until(lambda: heard() == [ada])
    ago = "evt_0176bd0a4c00" + "7" * 20  # of January 2021
    if shop.program[0].endswith("php"):
        known = json.loads(Path(shop.environment["SHOP"]).read_bytes())
        known["feed"]["cursor"] = ago
        Path(shop.environment["SHOP"]).write_text(json.dumps(known), encoding="utf-8")
    else:
        with sqlite3.connect(shop.environment["SHOP"]) as known:
            known.execute("UPDATE known SET value = ? WHERE kind = 'feed'", (ago,))
    shop.do("open_account", f"{client}-2", "Bo Turing", f"bo-{client}@client.example")
    until(lambda: heard() == [ada, bo])


def test_a_delivery_that_is_not_signed_with_the_secret_is_not_believed(shop: Shop) -> None:
    with shop.listening():
        shop.do("connect", shop.url)
        event = {"id": "evt_1", "type": "invoice.paid", "sequence": 1, "externalId": "1"}
        forged = httpx.post(
            shop.url,
            json=event,
            headers={
                "webhook-id": "evt_1",
                "webhook-timestamp": str(int(time.time())),
                "webhook-signature": "v1,Zm9yZ2Vk",
            },
        )
        assert forged.status_code == 401
        assert shop.do("heard") == []


@pytest.mark.parametrize("folder", [PYTHON, PHP], ids=lambda folder: folder.name)
def test_the_readme_of_a_shop_names_its_commands_and_no_others(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    program = next(folder.glob("shop.*")).read_text(encoding="utf-8")
    shown = set(re.findall(r"shop\.(?:py|php) (\w+)", readme)) - {"listen"}
    listed = re.search(r"COMMANDS = [(\[](.*?)[)\]]", program, re.DOTALL)
    assert listed is not None
    assert shown == set(re.findall(r"\w+", listed[1]))
