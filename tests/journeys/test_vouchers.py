"""Vouchers: codes that become credit, and those that do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.journeys.live import CREDIT, watching
from tests.journeys.portal import BALANCE

if TYPE_CHECKING:
    from tests.journeys.shop import Shop

REDEEMED = f"{BALANCE} transaction {{ kind amount {{ amount }} version }}"


def test_a_code_is_credit_at_once_and_spent_before_deposits(shop: Shop) -> None:
    client = shop.new_client(credit="5.00")
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    [code] = shop.vouchers("10.00", creditExpiresAt=until)
    with watching(client, CREDIT) as pushed:
        pushed()
        typed = f" {code.lower()} "
        redeemed = client.do("redeemVoucher", REDEEMED, code=typed)
        assert redeemed["transaction"] == {"kind": "VOUCHER", "amount": "10.00", "version": 2}
        assert pushed()["balance"] == redeemed["balance"]
    balance = redeemed["balance"]
    assert (balance["available"], balance["promotional"]) == ("15.00", "10.00")
    assert balance["nextExpiry"]["amount"] == "10.00"

    shop.staff.do(
        "createInvoice",
        "invoice { status }",
        accountId=client.account_id,
        currency="USD",
        lines=[{"description": "Domain", "unitPrice": "12.00"}],
        applyCredit=True,
    )
    balance = client.balance()
    assert (balance["available"], balance["promotional"]) == ("3.00", "0.00")


def test_the_demos_vouchers_are_good(shop: Shop) -> None:
    assert len(shop.demo["vouchers"]) == 60
    client = shop.new_client("JPY")
    code = shop.demo["vouchersByCurrency"]["JPY"].pop()
    assert client.do("redeemVoucher", REDEEMED, code=code)["balance"]["available"] == "1000"


def test_all_codes_that_are_not_good_are_one_and_the_same_refusal(shop: Shop) -> None:
    client, other = shop.new_client(), shop.new_client()
    [used], [foreign] = shop.vouchers(), shop.vouchers("1000", "JPY")
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


def test_guessing_is_stopped_and_says_for_how_long(shop: Shop) -> None:
    client = shop.new_client()
    [good] = shop.vouchers()
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


def test_a_code_for_two_is_good_for_two(shop: Shop) -> None:
    [code] = shop.vouchers("10.00", maxRedemptions=2)
    clients = [shop.new_client() for _ in range(3)]
    for client in clients[:2]:
        client.do("redeemVoucher", REDEEMED, code=code)
    assert clients[2].refusal("redeemVoucher", code=code)["code"] == "VOUCHER_REFUSED"
    assert [client.available() for client in clients] == ["10.00", "10.00", "0.00"]


def test_the_same_click_shows_staff_the_same_codes(shop: Shop) -> None:
    first = shop.vouchers("10.00", count=5, idempotencyKey="spring")
    assert shop.vouchers("10.00", count=5, idempotencyKey="spring") == first
    assert len(set(first)) == 5
