"""Vouchers: codes that become credit, and those that do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.support.server.api_client import BALANCE
from tests.support.server.live import CREDIT, watching

if TYPE_CHECKING:
    from tests.support.server.demo_server import DemoServer

REDEEMED = f"{BALANCE} transaction {{ kind amount {{ amount }} version }}"


def test_a_code_is_credit_at_once_and_spent_before_deposits(server: DemoServer) -> None:
    client = server.new_client(credit="5.00")
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    [code] = server.vouchers("10.00", creditExpiresAt=until)
    with watching(client, CREDIT) as pushed:
        pushed()
        typed = f" {code.lower()} "
        redeemed = client.do("redeemVoucher", REDEEMED, code=typed)
        assert redeemed["transaction"] == {"kind": "VOUCHER", "amount": "10.00", "version": 2}
        assert pushed()["balance"] == redeemed["balance"]
    balance = redeemed["balance"]
    assert (balance["available"], balance["promotional"]) == ("15.00", "10.00")
    assert balance["nextExpiry"]["amount"] == "10.00"

    server.staff.do(
        "createInvoice",
        "invoice { status }",
        accountId=client.account_id,
        currency="USD",
        lines=[{"description": "Domain", "unitPrice": "12.00"}],
        applyCredit=True,
    )
    balance = client.balance()
    assert (balance["available"], balance["promotional"]) == ("3.00", "0.00")


def test_the_demos_vouchers_are_good(server: DemoServer) -> None:
    assert len(server.demo["vouchers"]) == 60
    client = server.new_client("JPY")
    code = server.demo["vouchersByCurrency"]["JPY"].pop()
    assert client.do("redeemVoucher", REDEEMED, code=code)["balance"]["available"] == "1000"


def test_all_codes_that_are_not_good_are_one_and_the_same_refusal(server: DemoServer) -> None:
    client, other = server.new_client(), server.new_client()
    [used], [foreign] = server.vouchers(), server.vouchers("1000", "JPY")
    other.do("redeemVoucher", REDEEMED, code=used)
    refusals = [
        client.refusal("redeemVoucher", code=code)
        for code in (used, foreign, "ABCDE-FGHJK-MNPQR-STVWX", "", "x" * 300, "'; DROP TABLE--")
    ]
    assert refusals[0]["code"] == "VOUCHER_REFUSED"
    assert refusals[0]["field"] == ["code"]
    assert all(refusal == refusals[0] for refusal in refusals)
    twice = other.refusal("redeemVoucher", code=used)
    assert twice == refusals[0]
    assert client.balance()["version"] == 0
    assert other.available() == "10.00"


def test_guessing_is_stopped_and_says_for_how_long(server: DemoServer) -> None:
    client = server.new_client()
    [good] = server.vouchers()
    codes = [
        client.refusal("redeemVoucher", code=f"GUESS-{number:05}-00000-00000")["code"]
        for number in range(10)
    ]
    # The window may have ended between two guesses; then there are a few more to come.
    while "RATE_LIMITED" not in codes:
        codes.append(client.refusal("redeemVoucher", code="GUESS-00000-00000-00000")["code"])
        assert len(codes) <= 21
    assert set(codes[:10]) == {"VOUCHER_REFUSED"}
    stopped = client.refusal("redeemVoucher", code=good)
    assert (stopped["__typename"], stopped["code"]) == ("RateLimited", "RATE_LIMITED")
    assert 0 < stopped["retryAfterSeconds"] <= 600
    assert client.available() == "0.00"


def test_a_code_for_two_is_good_for_two(server: DemoServer) -> None:
    [code] = server.vouchers("10.00", maxRedemptions=2)
    clients = [server.new_client() for _ in range(3)]
    for client in clients[:2]:
        client.do("redeemVoucher", REDEEMED, code=code)
    assert clients[2].refusal("redeemVoucher", code=code)["code"] == "VOUCHER_REFUSED"
    assert [client.available() for client in clients] == ["10.00", "10.00", "0.00"]


def test_the_same_click_shows_staff_the_same_codes(server: DemoServer) -> None:
    first = server.vouchers("10.00", count=5, idempotencyKey="spring")
    assert server.vouchers("10.00", count=5, idempotencyKey="spring") == first
    assert len(set(first)) == 5
