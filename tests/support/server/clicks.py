"""A client whose clicks go on until the server is gone, and what must be there afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.server.actions import adding, reserving
from tests.support.server.api_client import Answer, Portal, new_key
from tests.support.server.demo_server import DemoServer
from tests.support.server.many_servers import SOAK, lines
from tests.support.server.sandbox_messages import captured, send, signed

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

    server: DemoServer
    client: Portal
    vouchers: list[str]
    choice: random.Random
    clicks: list[Click] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    cut_off: Click | None = None

    def wander(self) -> None:
        ways = [self.is_given, self.redeems, self.buys, self.wants_too_much, self.deposits]
        ways.append(self.orders)
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
        ask = self.asks(self.server.staff, "adjustCredit", "transaction { id version }", **given)
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
        self.press(lambda: send(self.server, body, headers), ("DEPOSIT", "25.00"))

    def orders(self) -> None:
        """A partner reserves credit, bills a part of it, and gives up the rest."""
        if float(self.client.available()) < 3:
            return
        held, partner = reserving(self.client, "3.00"), self.server.partner
        ask = self.asks(partner, "reserveCredit", "hold { id }", **held)
        hold = self.press(ask)["hold"]["id"]
        part = {"holdId": hold, "amount": "1.00", "keepRest": True}
        ask = self.asks(partner, "captureHold", "invoice { id number }", **part)
        self.press(ask, ("INVOICE_PAYMENT", "-1.00"))
        self.press(self.asks(partner, "releaseHold", "hold { id state }", holdId=hold))

    def is_billed(self, price: str) -> Answer:
        given = {
            "accountId": self.client.account_id,
            "currency": "USD",
            "lines": [{"description": "Virtual server", "unitPrice": price}],
        }
        ask = self.asks(self.server.partner, "createInvoice", "invoice { id number }", **given)
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
