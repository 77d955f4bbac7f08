"""A loaded server is killed, again and again, and started on the same database.

Each time all that it had answered is there, nothing that it had refused is, and every click that
is made again with its key ends as the one click that it is.
"""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.server.actions import adding, order, reserve, reserving
from tests.support.server.api_client import PAYMENT, at_sandbox
from tests.support.server.clicks import Line, Visitor
from tests.support.server.demo_server import DemoServer, open_demo_server
from tests.support.server.live import CREDIT, watching
from tests.support.server.many_servers import SOAK, everywhere, lines, rows
from tests.support.server.people import findings
from tests.support.server.sandbox_messages import captured, send, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.server.api_client import Answer, Portal
    from tests.support.servers import Databases

#: On each database.
KILLS = 25 if SOAK else 8
VISITORS = 6 if SOAK else 4


def test_a_loaded_server_is_killed_at_any_moment_and_loses_and_repeats_nothing(
    databases: Databases, tmp_path: Path
) -> None:
    cut_off, answered, choice = 0, 0, random.Random()
    with open_demo_server(tmp_path, databases, PDF_AHEAD=str(int(SOAK))) as server:
        for _ in range(KILLS):
            codes = server.vouchers("10.00", count=5 * VISITORS)
            visitors = [
                Visitor(server, server.new_client(), codes[n::VISITORS], random.Random(n))
                for n in range(VISITORS)
            ]
            _load_and_kill(server, visitors, after_seconds=choice.uniform(0.02, 0.8))
            _begin_again(server)
            for visitor in visitors:
                visitor.assert_all_is_as_it_was_told()
            with ThreadPoolExecutor(VISITORS) as pool:
                again = Visitor.assert_clicks_made_again_change_nothing_but_what_was_cut_off
                list(pool.map(again, visitors))
            assert findings(server.database_url) == []
            cut_off += sum(visitor.cut_off is not None for visitor in visitors)
            answered += sum(len(visitor.clicks) for visitor in visitors)
    assert cut_off >= KILLS
    assert answered >= KILLS


def _load_and_kill(server: DemoServer, visitors: list[Visitor], after_seconds: float) -> None:
    with ThreadPoolExecutor(len(visitors)) as pool:
        walks = [pool.submit(visitor.wander) for visitor in visitors]
        Event().wait(after_seconds)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        for walk in walks:
            walk.result()


def _begin_again(server: DemoServer) -> None:
    server.connections.close()
    _forget_leases(server.database_url)
    server.start()


def _forget_leases(database_url: str) -> None:
    """Who was asking a gateway when it died is given half a minute; here that has passed."""
    expire = "UPDATE payment SET lease_at = created_at WHERE status = 'CREATED' RETURNING id"
    rows(database_url, expire)


# ------------------------------------------------------------------------------- named points


class DyingServer(DemoServer):
    """A server that kills itself at a named point."""

    point: str = ""

    def _command(self, *command: str) -> list[str]:
        python, _, _, *rest = super()._command(*command)
        return [python, "-m", "tests.support.server.killed", self.point, *rest]


def dies(server: DemoServer, point: str, act: Callable[[DemoServer], object]) -> None:
    """Serve beside `server` until `act` leads to `point`."""
    beside = DyingServer(server.folder, server.database_url, server.environment)
    beside.point = point
    # Else its worker may be there first.
    beside.environment = {**server.environment, "EMBEDDED_WORKER": "0"}
    beside.start()
    try:
        with pytest.raises(httpx.TransportError):
            act(beside)
    finally:
        beside.connections.close()
        assert beside.stop(signal.SIGKILL) == -signal.SIGKILL
    _forget_leases(server.database_url)


def at(server: DemoServer, client: Portal) -> Portal:
    [there] = everywhere(client, [server])
    return there


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """A server that lives. Its worker finds what crashes left behind, on both databases."""
    with open_demo_server(
        tmp_path_factory.mktemp("server"), databases, EMBEDDED_WORKER="1"
    ) as server:
        yield server


CUTS = [
    ("payInvoice", "before the commit"),
    ("adjustCredit", "before the commit"),
    ("addFunds", "after the commit"),
    ("redeemVoucher", "after the commit"),
    ("payInvoices", "before the commit"),
    ("payInvoices", "after the commit"),
    ("reserveCredit", "after the commit"),
    ("captureHold", "before the commit"),
]
MORE_CUTS = [
    ("payInvoice", "after the commit"),
    ("adjustCredit", "after the commit"),
    ("addFunds", "before the commit"),
    ("redeemVoucher", "before the commit"),
    ("reserveCredit", "before the commit"),
    ("captureHold", "after the commit"),
    ("releaseHold", "before the commit"),
    ("releaseHold", "after the commit"),
]


@pytest.mark.parametrize(("mutation", "point"), CUTS + MORE_CUTS * SOAK)
def test_a_crash_around_the_commit_leaves_all_or_nothing_and_the_retry_has_one_effect(
    server: DemoServer, mutation: str, point: str
) -> None:
    client = server.new_client(credit="21.00")
    bill = order(server.partner, client, "20.00")["invoice"]
    both = [order(server.partner, client, price)["invoice"]["id"] for price in ("5.00", "6.00")]
    hold = reserve(server.partner, client, "0.50")["hold"]["id"]
    who, given, made = {
        "addFunds": (client, adding(client, ""), "invoice { id }"),
        "payInvoice": (client, {"invoiceId": bill["id"], "useCredit": True}, "invoice { status }"),
        "payInvoices": (client, {"invoiceIds": both, "useCredit": True}, "invoices { status }"),
        "redeemVoucher": (client, {"code": server.vouchers()[0]}, "transaction { version }"),
        "adjustCredit": (
            server.staff,
            {"accountId": client.account_id, "amount": client.money("5.00"), "reason": "Goodwill"},
            "transaction { version }",
        ),
        "reserveCredit": (server.partner, reserving(client, "0.25"), "hold { id state }"),
        "captureHold": (
            server.partner,
            {"holdId": hold, "amount": "0.20", "keepRest": True},
            "hold { id captured { amount } } invoice { id number status }",
        ),
        "releaseHold": (server.partner, {"holdId": hold}, "hold { id state endedAt }"),
    }[mutation]
    given["idempotencyKey"] = f"dies-{client.account_id}"
    before = _seen(client)
    dies(server, point, lambda there: at(there, who).do(mutation, made, **given))
    found = _seen(client)
    assert (found == before) is (point == "before the commit")
    answers = [who.do(mutation, made, **given) for _ in range(2)]
    assert answers[0] == answers[1]
    after = _seen(client)
    assert after != before
    assert found in (before, after)
    if mutation == "redeemVoucher":
        other = server.new_client()
        assert other.refusal("redeemVoucher", code=given["code"])["code"] == "VOUCHER_REFUSED"
    assert findings(server.database_url) == []


def _seen(client: Portal) -> tuple[list[Line], list[tuple[str, str]], str]:
    invoices = [(one["number"], one["status"]) for one in client.invoices()]
    return lines(client), invoices, client.balance()["reserved"]


@pytest.mark.parametrize("point", ["before the gateway", "after the gateway"])
def test_a_crash_around_the_gateways_answer_is_one_payment_when_it_is_asked_again(
    server: DemoServer, point: str
) -> None:
    client = server.new_client()
    bill, wish = _dies_paying(server, client, point)
    [begun] = client.invoice(bill)["payments"]
    assert begun["status"] == "CREATED"
    first, second = (client.do("payInvoice", PAYMENT, **wish)["payment"] for _ in range(2))
    assert first == second
    assert (first["id"], first["status"]) == (begun["id"], "REQUIRES_ACTION")
    at_sandbox(first, "approve")
    assert lines(client) == [("DEPOSIT", "25.00")]


def test_what_a_crash_left_behind_is_found_without_being_asked(server: DemoServer) -> None:
    """We died before we could note what the gateway had begun, and its message is lost as well; or
    before we could apply what it told us.
    """
    silent, told = server.new_client(), server.new_client()
    bill, _ = _dies_paying(server, silent, "after the gateway")
    [begun] = silent.invoice(bill)["payments"]
    statement = "SELECT token FROM sandbox_charge WHERE payment = $1"
    [charge] = rows(server.database_url, statement, begun["id"])
    url = f"{server.url}/sandbox/pay/{charge['token']}"
    at_sandbox({"nextAction": {"url": url}}, "lost")
    payment = told.begin(told.add_funds("25.00"))
    body = captured(payment, f"cap-{payment['id']}")
    headers = signed(body)
    dies(server, "after the receipt", lambda there: send(there, body, headers))
    assert lines(silent) == lines(told) == []

    server.stop()
    server.connections.close()
    past = "UPDATE payment SET next_check_at = created_at WHERE status = 'CREATED' RETURNING id"
    assert len(rows(server.database_url, past)) == 1
    server.start()
    for client in (silent, told):
        with watching(client, CREDIT) as pushed:
            while pushed()["balance"]["available"] != "25.00":
                pass
        assert lines(client) == [("DEPOSIT", "25.00")]
    paid = silent.invoice(bill)
    assert (paid["status"], paid["payments"][0]["status"]) == ("PAID", "SUCCEEDED")
    assert send(server, body, headers) == 200
    assert lines(told) == [("DEPOSIT", "25.00")]
    assert findings(server.database_url) == []


def test_a_message_that_was_not_stored_was_not_answered_and_counts_when_it_is_told_again(
    server: DemoServer,
) -> None:
    client = server.new_client()
    payment = client.begin(client.add_funds("25.00"))
    body = captured(payment, f"cap-{payment['id']}")
    headers = signed(body)
    dies(server, "before the receipt", lambda there: send(there, body, headers))
    assert lines(client) == []
    assert [send(server, body, headers) for _ in range(2)] == [200, 200]
    assert lines(client) == [("DEPOSIT", "25.00")]


def _dies_paying(server: DemoServer, client: Portal, point: str) -> tuple[Answer, Answer]:
    bill = client.add_funds("25.00")
    wish = {"invoiceId": bill["id"], "idempotencyKey": f"dies-{client.account_id}"}
    dies(server, point, lambda there: at(there, client).do("payInvoice", PAYMENT, **wish))
    return bill, wish
