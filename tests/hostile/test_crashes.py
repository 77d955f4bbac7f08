"""A loaded server is killed, again and again, and started on the same database.

Each time all that it had answered is there, nothing that it had refused is, and every click that
is made again with its key ends as the one click that it is.
"""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.hostile.crowd import SOAK, everywhere, lines, rows
from tests.journeys.live import CREDIT, watching
from tests.journeys.outside import send, signed
from tests.journeys.people import findings
from tests.journeys.portal import PAYMENT, at_sandbox, new_key
from tests.journeys.shop import Shop, open_shop
from tests.journeys.test_messages import captured
from tests.journeys.test_orders import order
from tests.journeys.test_retries import adding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.journeys.portal import Answer, Portal
    from tests.servers import Databases

#: On each database.
KILLS = 50 if SOAK else 8
VISITORS = 6 if SOAK else 4
REPEATED = 8 if SOAK else 4
Line = tuple[str, str]


@dataclass
class Click:
    """Something that a visitor sends: `line` is what it adds to the statement, if anything."""

    send: Callable[[], Any]
    line: Line | None = None
    answer: Any = None


@dataclass
class Visitor:
    """A client whose clicks, one after another, go on until the server is gone."""

    shop: Shop
    client: Portal
    vouchers: list[str]
    choice: random.Random
    clicks: list[Click] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    cut_off: Click | None = None

    def wander(self) -> None:
        ways = [self.is_given, self.redeems, self.buys, self.wants_too_much, self.deposits]
        try:
            while True:
                self.choice.choice(ways)()
        except httpx.TransportError:
            pass

    def press(self, send: Callable[[], Any], line: Line | None = None) -> Any:
        """The answer; where there is none, the click is the one that was cut off."""
        self.cut_off = click = Click(send, line)
        click.answer = send()
        self.clicks.append(click)
        self.cut_off = None
        return click.answer

    def asks(self, who: Portal, mutation: str, made: str, /, **given: Any) -> Callable[[], Any]:
        given = {"idempotencyKey": f"{new_key()}-{self.client.account_id}", **given}
        return lambda: who.do(mutation, made, **given)

    # ------------------------------------------------------------------------- clicks

    def is_given(self) -> None:
        money = self.client.money("5.00")
        given = {"accountId": self.client.account_id, "amount": money, "reason": "Goodwill"}
        ask = self.asks(self.shop.staff, "adjustCredit", "transaction { id version }", **given)
        self.press(ask, ("ADJUSTMENT", "5.00"))

    def redeems(self) -> None:
        if self.vouchers:
            code = self.vouchers.pop()
            ask = self.asks(self.client, "redeemVoucher", "transaction { id }", code=code)
            self.press(ask, ("VOUCHER", "10.00"))

    def buys(self) -> None:
        bill = self.is_billed("1.00")
        wish = {"invoiceId": bill["id"], "useCredit": True}
        if self.client.available() != "0.00":
            ask = self.asks(self.client, "payInvoice", "invoice { id status }", **wish)
            self.press(ask, ("INVOICE_PAYMENT", "-1.00"))

    def wants_too_much(self) -> None:
        bill = self.is_billed("90000.00")
        wish = {"invoiceId": bill["id"], "useCredit": True}
        assert self.client.refusal("payInvoice", **wish)["code"] == "INSUFFICIENT_CREDIT"
        self.refused.append(bill["id"])

    def deposits(self) -> None:
        given = adding(self.client, f"{new_key()}-{self.client.account_id}")
        bill = self.press(self.asks(self.client, "addFunds", "invoice { id number }", **given))
        wish = {"invoiceId": bill["invoice"]["id"], "gateway": "sandbox"}
        begun = self.press(self.asks(self.client, "payInvoice", "payment { id }", **wish))
        payment = begun["payment"]
        body = captured(payment, f"cap-{payment['id']}")
        headers = signed(body)
        self.press(lambda: send(self.shop, body, headers), ("DEPOSIT", "25.00"))

    def is_billed(self, price: str) -> Answer:
        given = {
            "accountId": self.client.account_id,
            "currency": "USD",
            "lines": [{"description": "Virtual server", "unitPrice": price}],
        }
        ask = self.asks(self.shop.partner, "createInvoice", "invoice { id number }", **given)
        bill: Answer = self.press(ask)["invoice"]
        return bill

    # ------------------------------------------------------------------------- afterwards

    def assert_all_is_as_it_was_told(self) -> None:
        told = [click.line for click in self.clicks if click.line]
        found = lines(self.client)
        cut = [self.cut_off.line] if self.cut_off and self.cut_off.line else []
        assert found in (told, told + cut)
        for bill in self.refused:
            assert self.client.invoice({"id": bill})["status"] == "UNPAID"

    def assert_clicks_made_again_change_nothing_but_what_was_cut_off(self) -> None:
        expected = [click.line for click in self.clicks if click.line]
        if self.cut_off is not None:
            assert self.cut_off.send() == self.cut_off.send()
            expected += [self.cut_off.line] if self.cut_off.line else []
        for click in self.clicks[-REPEATED:]:
            assert click.send() == click.answer
        assert lines(self.client) == expected
        assert self.client.balance()["debt"] == "0.00"


def test_a_loaded_server_is_killed_at_any_moment_and_loses_and_repeats_nothing(
    databases: Databases, tmp_path: Path
) -> None:
    cut_off, answered, choice = 0, 0, random.Random()
    with open_shop(tmp_path, databases, PDF_AHEAD=str(int(SOAK))) as shop:
        for _ in range(KILLS):
            codes = shop.vouchers("10.00", count=5 * VISITORS)
            visitors = [
                Visitor(shop, shop.new_client(), codes[n::VISITORS], random.Random(n))
                for n in range(VISITORS)
            ]
            _load_and_kill(shop, visitors, after_seconds=choice.uniform(0.02, 0.8))
            _begin_again(shop)
            for visitor in visitors:
                visitor.assert_all_is_as_it_was_told()
            with ThreadPoolExecutor(VISITORS) as pool:
                again = Visitor.assert_clicks_made_again_change_nothing_but_what_was_cut_off
                list(pool.map(again, visitors))
            assert findings(shop.database_url) == []
            cut_off += sum(visitor.cut_off is not None for visitor in visitors)
            answered += sum(len(visitor.clicks) for visitor in visitors)
    assert cut_off >= KILLS
    assert answered >= KILLS


def _load_and_kill(shop: Shop, visitors: list[Visitor], after_seconds: float) -> None:
    with ThreadPoolExecutor(len(visitors)) as pool:
        walks = [pool.submit(visitor.wander) for visitor in visitors]
        Event().wait(after_seconds)
        assert shop.stop(signal.SIGKILL) == -signal.SIGKILL
        for walk in walks:
            walk.result()


def _begin_again(shop: Shop) -> None:
    shop.connections.close()
    _forget_leases(shop.database_url)
    shop.start()


def _forget_leases(database_url: str) -> None:
    """Who was asking a gateway when it died is given half a minute; here that has passed."""
    expire = "UPDATE payment SET lease_at = created_at WHERE status = 'CREATED' RETURNING id"
    rows(database_url, expire)


# ------------------------------------------------------------------------------- named points


class DyingShop(Shop):
    """A server that kills itself at a named point."""

    point: str = ""

    def _command(self, *command: str) -> list[str]:
        python, _, _, *rest = super()._command(*command)
        return [python, "-m", "tests.hostile.dying", self.point, *rest]


def dies(shop: Shop, point: str, act: Callable[[Shop], object]) -> None:
    """Serve beside `shop` until `act` leads to `point`."""
    beside = DyingShop(shop.folder, shop.database_url, shop.environment)
    beside.point = point
    # Else its worker may be there first.
    beside.environment = {**shop.environment, "EMBEDDED_WORKER": "0"}
    beside.start()
    try:
        with pytest.raises(httpx.TransportError):
            act(beside)
    finally:
        beside.connections.close()
        assert beside.stop(signal.SIGKILL) == -signal.SIGKILL
    _forget_leases(shop.database_url)


def at(shop: Shop, client: Portal) -> Portal:
    [there] = everywhere(client, [shop])
    return there


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server that lives. Its worker finds what crashes left behind, on both databases."""
    with open_shop(tmp_path_factory.mktemp("shop"), databases, EMBEDDED_WORKER="1") as shop:
        yield shop


CUTS = [
    ("payInvoice", "before the commit"),
    ("adjustCredit", "before the commit"),
    ("addFunds", "after the commit"),
    ("redeemVoucher", "after the commit"),
]
MORE_CUTS = [
    ("payInvoice", "after the commit"),
    ("adjustCredit", "after the commit"),
    ("addFunds", "before the commit"),
    ("redeemVoucher", "before the commit"),
]


@pytest.mark.parametrize(("mutation", "point"), CUTS + MORE_CUTS * SOAK)
def test_a_crash_around_the_commit_leaves_all_or_nothing_and_the_retry_has_one_effect(
    shop: Shop, mutation: str, point: str
) -> None:
    client = shop.new_client(credit="20.00")
    bill = order(shop.partner, client, "20.00")["invoice"]
    who, given, made = {
        "addFunds": (client, adding(client, ""), "invoice { id }"),
        "payInvoice": (client, {"invoiceId": bill["id"], "useCredit": True}, "invoice { status }"),
        "redeemVoucher": (client, {"code": shop.vouchers()[0]}, "transaction { version }"),
        "adjustCredit": (
            shop.staff,
            {"accountId": client.account_id, "amount": client.money("5.00"), "reason": "Goodwill"},
            "transaction { version }",
        ),
    }[mutation]
    given["idempotencyKey"] = f"dies-{client.account_id}"
    before = _seen(client)
    dies(shop, point, lambda there: at(there, who).do(mutation, made, **given))
    found = _seen(client)
    assert (found == before) is (point == "before the commit")
    answers = [who.do(mutation, made, **given) for _ in range(2)]
    assert answers[0] == answers[1]
    after = _seen(client)
    assert after != before
    assert found in (before, after)
    if mutation == "redeemVoucher":
        other = shop.new_client()
        assert other.refusal("redeemVoucher", code=given["code"])["code"] == "VOUCHER_REFUSED"
    assert findings(shop.database_url) == []


def _seen(client: Portal) -> tuple[list[Line], list[tuple[str, str]]]:
    return lines(client), [(one["number"], one["status"]) for one in client.invoices()]


@pytest.mark.parametrize("point", ["before the gateway", "after the gateway"])
def test_a_crash_around_the_gateways_answer_is_one_payment_when_it_is_asked_again(
    shop: Shop, point: str
) -> None:
    client = shop.new_client()
    bill, wish = _dies_paying(shop, client, point)
    [begun] = client.invoice(bill)["payments"]
    assert begun["status"] == "CREATED"
    first, second = (client.do("payInvoice", PAYMENT, **wish)["payment"] for _ in range(2))
    assert first == second
    assert (first["id"], first["status"]) == (begun["id"], "REQUIRES_ACTION")
    at_sandbox(first, "approve")
    assert lines(client) == [("DEPOSIT", "25.00")]


def test_what_a_crash_left_behind_is_found_without_being_asked(shop: Shop) -> None:
    """We died before we could note what the gateway had begun, and its message is lost as well; or
    before we could apply what it told us.
    """
    silent, told = shop.new_client(), shop.new_client()
    bill, _ = _dies_paying(shop, silent, "after the gateway")
    [begun] = silent.invoice(bill)["payments"]
    statement = "SELECT token FROM sandbox_charge WHERE payment = $1"
    [charge] = rows(shop.database_url, statement, begun["id"])
    url = f"{shop.url}/sandbox/pay/{charge['token']}"
    at_sandbox({"nextAction": {"url": url}}, "lost")
    payment = told.begin(told.add_funds("25.00"))
    body = captured(payment, f"cap-{payment['id']}")
    headers = signed(body)
    dies(shop, "after the receipt", lambda there: send(there, body, headers))
    assert lines(silent) == lines(told) == []

    shop.stop()
    shop.connections.close()
    past = "UPDATE payment SET next_check_at = created_at WHERE status = 'CREATED' RETURNING id"
    assert len(rows(shop.database_url, past)) == 1
    shop.start()
    for client in (silent, told):
        with watching(client, CREDIT) as pushed:
            while pushed()["balance"]["available"] != "25.00":
                pass
        assert lines(client) == [("DEPOSIT", "25.00")]
    paid = silent.invoice(bill)
    assert (paid["status"], paid["payments"][0]["status"]) == ("PAID", "SUCCEEDED")
    assert send(shop, body, headers) == 200
    assert lines(told) == [("DEPOSIT", "25.00")]
    assert findings(shop.database_url) == []


def test_a_message_that_was_not_stored_was_not_answered_and_counts_when_it_is_told_again(
    shop: Shop,
) -> None:
    client = shop.new_client()
    payment = client.begin(client.add_funds("25.00"))
    body = captured(payment, f"cap-{payment['id']}")
    headers = signed(body)
    dies(shop, "before the receipt", lambda there: send(there, body, headers))
    assert lines(client) == []
    assert [send(shop, body, headers) for _ in range(2)] == [200, 200]
    assert lines(client) == [("DEPOSIT", "25.00")]


def _dies_paying(shop: Shop, client: Portal, point: str) -> tuple[Answer, Answer]:
    bill = client.add_funds("25.00")
    wish = {"invoiceId": bill["id"], "idempotencyKey": f"dies-{client.account_id}"}
    dies(shop, point, lambda there: at(there, client).do("payInvoice", PAYMENT, **wish))
    return bill, wish
