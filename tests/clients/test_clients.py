"""The reference clients do the main job in a real browser, against a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright.sync_api", reason="NOT TESTED: there is no playwright")

from playwright.sync_api import expect

from tests.support.browser.client_builds import CLIENTS

if TYPE_CHECKING:
    from tests.support.browser.client_visitor import Visit, Visitor
    from tests.support.browser.network import TcpProxy
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once


@pytest.fixture
def cable(proxies: list[TcpProxy]) -> TcpProxy:
    return proxies[0]


def gives(server: DemoServer, visitor: Visitor, amount: str) -> int:
    """Staff give credit; the version of the balance then."""
    client = visitor.client
    done = server.staff.do(
        "adjustCredit",
        "balance { version }",
        accountId=client.account_id,
        amount=client.money(amount),
        reason="Thank you",
    )
    return int(done["balance"]["version"])


def resumed_from(asked: list[dict[str, Any]]) -> list[int]:
    """Each version that a subscription was resumed from."""
    variables = [request.get("variables") or {} for request in asked]
    return [given["afterVersion"] for given in variables if given.get("afterVersion") is not None]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_adds_funds_pays_and_watches_the_credit(
    name: str, visit: Visit, server: DemoServer, cable: TcpProxy
) -> None:
    visitor = visit(name)
    visitor.sign_in("not my pass phrase")
    visitor.is_told("password")
    visitor.sign_in()
    visitor.sees_credit("$0.00")

    visitor.add_funds("0.01")
    visitor.is_told("$")
    visitor.add_funds("25")
    visitor.sees_invoice("UNPAID")
    visitor.press("Pay Now!")
    visitor.page.wait_for_url("**/sandbox/pay/**")
    visitor.press("Pay now")
    visitor.page.wait_for_url(f"**/{name}/?*invoice=*")
    visitor.sees_invoice("PAID")
    visitor.sees_credit("$25.00")

    # From here on only the subscription can tell.
    visitor.sees_connection("Live")
    version = gives(server, visitor, "5.00")
    visitor.sees_credit("$30.00")
    with visitor.cut_off():
        cable.cut()
        visitor.sees_connection("Reconnecting…")
        for amount in ("1.00", "2.00"):
            gives(server, visitor, amount)
        visitor.sees_credit("$30.00")
        cable.mend()
        visitor.sees_credit("$33.00")
        visitor.sees_connection("Live")
    assert version in resumed_from(visitor.asked)
    gives(server, visitor, "4.00")
    visitor.sees_credit("$37.00")
    assert [request for request in visitor.asked if request.get("query")] == []


@pytest.mark.parametrize("name", CLIENTS)
def test_who_pays_by_bank_is_told_how(name: str, visit: Visit) -> None:
    visitor = visit(name)
    visitor.sign_in()
    visitor.add_funds("25", "bank-transfer")
    visitor.press("Pay Now!")
    section = visitor.page.get_by_role("region", name="Invoice")
    expect(section).to_contain_text("Transfer")
    expect(section).to_contain_text("25.00")
    visitor.sees_credit("$0.00")
