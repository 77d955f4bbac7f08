"""Passwords."""

from __future__ import annotations

import pytest

from models.access import password
from models.errors import Invalid, RateLimited
from models.provider.provider import Provider
from tests.support.identities import PASSWORD, wire_small_provider


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nine char", "too_short"),
        ("", "too_short"),
        ("é" * 513, "too_long"),
        ("\ud800" * 10, "unprintable"),
    ],
)
async def test_a_bad_password_is_refused_before_it_is_kept(text: str, problem: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await password.hashed(text)
    assert (refusal.value.field, refusal.value.problem) == (("password",), problem)


async def test_a_password_is_the_same_however_it_is_composed() -> None:
    stored = await password.hashed("cafe\u0301 au lait")
    assert (await password.matches("caf\u00e9 au lait", stored))[0]


async def test_passwords_that_queue_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password, "_WAITING_MAX", 0)
    with pytest.raises(RateLimited):
        await password.matches(PASSWORD, None)
