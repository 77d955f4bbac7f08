"""Codes that turn into promotional credit."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from models import clock
from models.access.identity import Actor, Role
from models.credit import expiry, redemption
from models.credit.issue_vouchers import IssueVouchers
from models.credit.redemption import RedeemVoucher
from models.db import record, sql
from models.errors import (
    AmountOutOfRange,
    AmountPrecision,
    CurrencyNotSupported,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    NotAllowed,
    RateLimited,
    Refusal,
    VoucherRefused,
)
from models.journal.command import run
from tests.support.factories import STAFF, Client, a_client, a_voucher
from tests.support.providers import key

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")


async def _redeem(ada: Client, code: str) -> Any:
    return await run(RedeemVoucher.of(code), ada.actor, key())


async def _refused(ada: Client, code: str) -> tuple[type[Refusal], object, object]:
    with pytest.raises(Refusal) as refusal:
        await _redeem(ada, code)
    return type(refusal.value), refusal.value.field, refusal.value.facts


async def test_a_code_has_a_hundred_random_bits_and_only_its_hash_is_kept() -> None:
    codes = await a_voucher(1000, count=50)
    assert len(set(codes)) == 50
    for code in codes:
        assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}", code)
    letters = "".join(codes).replace("-", "")
    assert len(set(letters)) == 32
    kept = repr(await sql.fetch("SELECT * FROM voucher"))
    assert not [code for code in codes if code in kept or code.replace("-", "") in kept]


async def test_a_code_turns_into_credit_that_is_separate_and_expires() -> None:
    ada = await a_client()
    expires_at = clock.now() + timedelta(days=30)
    (code,) = await a_voucher(1000, credit_expires_at=expires_at, note="Welcome")
    line = await _redeem(ada, code)
    assert (line.kind, line.amount, line.note, line.version) == ("VOUCHER", 1000, "Welcome", 1)
    assert await ada.amounts() == (1000, 0, 1000, 0)
    assert (await ada.balance()).next_expiry == (1000, expires_at)


@pytest.mark.parametrize(
    "typed", ["{}", " {}\n", "{lower}", "{bare}", "{spaced}", "{seen}", "{wide}"]
)
async def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    ada = await a_client()
    (code,) = await a_voucher(1000)
    forms = {"lower": code.lower(), "bare": code.replace("-", ""), "spaced": code.replace("-", " ")}
    forms["wide"] = "".join(chr(ord(character) + 0xFEE0) for character in code)
    seen = code.replace("1", "l").replace("0", "O")
    await _redeem(ada, typed.format(code, seen=seen, **forms))
    assert (await ada.amounts())[2] == 1000


async def test_every_wrong_code_is_refused_in_the_same_words() -> None:
    ada, bo = await a_client(), await a_client()
    (used,), (mine,) = await a_voucher(1000), await a_voucher(1000, max_redemptions=5)
    (foreign,) = await a_voucher(1000, "JPY")
    (late,), (worthless,) = [await a_voucher(1000, note=note) for note in ("late", "worthless")]
    for column, note in (("expires_at", "late"), ("credit_expires_at", "worthless")):
        await sql.execute(f"UPDATE voucher SET {column} = $1 WHERE note = $2", clock.now(), note)
    await _redeem(bo, used)
    await _redeem(ada, mine)
    wrong = [used, mine, foreign, late, worthless, "AAAAA-AAAAA-AAAAA-AAAAA", "", "ä" * 9999]
    refusals = [await _refused(ada, code) for code in wrong]
    assert {str(refusal) for refusal in refusals} == {str((VoucherRefused, ("code",), {}))}
    assert await ada.amounts() == (1000, 0, 1000, 0)


@pytest.fixture
def window(at: At) -> None:
    """Time stands still for what counts attempts."""
    at(clock.now())


@pytest.mark.usefixtures("window")
async def test_an_account_may_be_wrong_so_often_in_a_while_and_good_codes_do_not_count() -> None:
    ada = await a_client()
    for _ in range(redemption._PER_ACCOUNT + 2):
        await ada.granted(100)
    before = await ada.amounts()
    for n in range(redemption._PER_ACCOUNT):
        elsewhere = replace(ada, actor=replace(ada.actor, address=f"192.0.2.{n}"))
        with pytest.raises(VoucherRefused):
            await _redeem(elsewhere, "wrong")
    (good,) = await a_voucher(100)
    with pytest.raises(RateLimited) as refusal:
        await _redeem(ada, good)
    assert 0 < refusal.value.retry_after_seconds <= 600
    assert await ada.amounts() == before
    assert await _redeem(await a_client(), good)


@pytest.mark.usefixtures("window")
async def test_an_address_may_be_wrong_so_often_whatever_accounts_it_uses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redemption, "_PER_ADDRESS", 5)
    address = key()
    for refusal in [VoucherRefused] * 5 + [RateLimited]:
        one = await a_client()
        guesser = replace(one, actor=replace(one.actor, address=address))
        with pytest.raises(refusal):
            await _redeem(guesser, "wrong")


async def test_the_same_request_shows_the_same_codes_for_a_day() -> None:
    once = key()
    codes = await a_voucher(1000, count=3, key=once)
    assert await a_voucher(1000, count=3, key=once) == codes
    assert await a_voucher(1000, count=3) != codes
    with pytest.raises(IdempotencyKeyReused):
        await a_voucher(1001, count=3, key=once)


async def test_after_a_day_codes_are_not_shown_again(at: At) -> None:
    once = key()
    await a_voucher(1000, key=once)
    at(timedelta(hours=24, seconds=1))
    with pytest.raises(NotAllowed):
        await a_voucher(1000, key=once)


async def test_promotional_credit_is_spent_first_soonest_expiry_first() -> None:
    ada = await a_client()
    await ada.given(500)
    for days in (None, 20, 10):
        await ada.granted(500, days and clock.now() + timedelta(days=days))
    await ada.spend(await ada.order(700))
    rows = await sql.fetch(
        "SELECT remaining FROM credit_grant WHERE account_id = $1 ORDER BY id", ada.id
    )
    assert [row["remaining"] for row in rows] == [500, 300, 0]
    await ada.spend(await ada.order(900))
    assert await ada.amounts() == (400, 0, 0, 0)


async def test_promotional_credit_expires_once_and_deposits_never(at: At) -> None:
    ada = await a_client()
    await ada.given(500)
    await ada.granted(1000, clock.now() + timedelta(days=1))
    await ada.granted(300, clock.now() + timedelta(days=9))
    await ada.spend(await ada.order(100))
    at(timedelta(days=2))
    await expiry.expire_grants()
    await expiry.expire_grants()
    assert await ada.amounts() == (800, 0, 300, 0)
    line = (await ada.lines())[-1]
    assert (line.kind, line.amount) == ("EXPIRY", -900)


@pytest.mark.parametrize(
    ("wish", "refusal", "field"),
    [
        ({"count": 0}, Invalid, ("count",)),
        ({"count": 1001}, Invalid, ("count",)),
        ({"max_redemptions": 0}, Invalid, ("max_redemptions",)),
        ({"max_redemptions": 10**6 + 1}, Invalid, ("max_redemptions",)),
        ({"amount": Decimal(0)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal(-1)}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal("500.01")}, AmountOutOfRange, ("amount", "amount")),
        ({"amount": Decimal("1.005")}, AmountPrecision, ("amount", "amount")),
        ({"currency": "EUR"}, CurrencyNotSupported, ("amount", "currency")),
        ({"expires_at": clock.now()}, Invalid, ("expires_at",)),
        ({"credit_expires_at": clock.now()}, Invalid, ("credit_expires_at",)),
        ({"note": "x" * 201}, Invalid, ("note",)),
    ],
)
async def test_vouchers_that_make_no_sense_are_not_issued(
    wish: dict[str, Any], refusal: type[Refusal], field: tuple[str, ...]
) -> None:
    before = await sql.fetch("SELECT COUNT(*) AS n FROM voucher")
    how = {"amount": Decimal(1), "currency": "USD", "max_redemptions": 1, "count": 1, **wish}
    how = {"expires_at": None, "credit_expires_at": None, "note": None, **how}
    with pytest.raises(refusal) as refused:
        await run(IssueVouchers(**how), STAFF, key())
    assert refused.value.field == field
    assert await sql.fetch("SELECT COUNT(*) AS n FROM voucher") == before


async def test_a_thousand_vouchers_are_issued_at_once() -> None:
    assert len(set(await a_voucher(1, count=1000))) == 1000


async def test_only_staff_issue_and_who_redeems_for_others_has_the_scope() -> None:
    ada = await a_client()
    partner = Actor(
        role=Role.PARTNER, user_id=record.new_id(), scopes=frozenset({"funds:write"}), accounts=None
    )
    with pytest.raises(Forbidden):
        await run(RedeemVoucher.of("any", ada.id), partner, key())
    with pytest.raises(Invalid) as refused:
        await run(RedeemVoucher.of("any"), STAFF, key())
    assert refused.value.field == ("account_id",)
    for actor in (ada.actor, partner):
        with pytest.raises(Forbidden):
            await a_voucher(1, by=actor)
