"""Signing in and out, and what a session's token is good for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from models.access import password, session
from models.access.api_key import create_key
from models.access.credential import actor_of_credential, holding
from models.access.identity import Role
from models.access.session import Session, open_session, sign_out
from models.access.user import User, create_staff
from models.clock import now
from models.db import sql, tasks
from models.db.transactions import transaction
from models.errors import InvalidCredentials, RateLimited
from models.provider import provider
from models.provider.provider import Provider
from tests.support.identities import (
    ADDRESS,
    PASSWORD,
    a_client,
    an_account,
    signed_in,
    wire_small_provider,
)
from tests.support.query_counter import Asked, asked

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


async def test_signing_in_gives_a_token_that_names_its_client() -> None:
    user = await a_client()
    actor, given = await signed_in("ADA@example.com ", PASSWORD, address=ADDRESS)
    assert (actor.role, actor.user_id, actor.account_id) == (Role.CLIENT, user.id, user.account_id)
    assert (actor.locale, actor.address, actor.principal) == ("ja", ADDRESS, user.id.hex)
    assert given.startswith("acs_")
    assert len(given) >= 4 + 43
    assert await actor_of_credential(given, ADDRESS) == actor


@pytest.mark.parametrize(
    "typed", ["ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ADA@EXAMPLE。COM", "\u3000Ada@example.com\u3000"]
)
async def test_an_address_signs_in_however_it_is_typed(typed: str) -> None:
    user = await a_client()
    actor, _ = await signed_in(typed, PASSWORD, address=ADDRESS)
    assert actor.user_id == user.id


async def test_a_sharp_s_signs_in_as_itself_alone() -> None:
    with_ss, with_sharp_s = await a_client("a@strasse.example"), await a_client("a@straße.example")
    for typed, user in (("A@STRASSE.example", with_ss), ("A@STRAẞE.example", with_sharp_s)):
        assert (await signed_in(typed, PASSWORD, address=ADDRESS))[0].user_id == user.id


async def test_only_hashes_are_kept() -> None:
    await a_client()
    _, given = await signed_in("ada@example.com", PASSWORD, address=ADDRESS)
    _, key = await create_key("Order desk", ["credit:read"])
    rows = {table: await sql.fetch(f"SELECT * FROM {table}") for table in _TABLES}
    secret = key.split("_", 2)[2]
    for hidden in (PASSWORD, given, given.removeprefix("acs_"), key, secret):
        assert hidden not in repr(rows)
    # Its user reads in the list of their sessions from where each was opened.
    assert ADDRESS not in repr(rows["attempt"])


_TABLES = ("users", "session", "api_key", "attempt")


@pytest.mark.parametrize(
    ("email", "given"),
    [
        ("ada@example.com", "wrong horse battery"),
        ("ada@example.com", ""),
        ("ada@example.com", "\ud800"),
        ("ada@example.com", "x" * 100_000),
        ("bo@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("\ud800\x00@example.com", PASSWORD),
    ],
)
async def test_unknown_and_wrong_are_one_refusal(email: str, given: str) -> None:
    await a_client()
    with pytest.raises(InvalidCredentials) as refusal:
        await signed_in(email, given, address=ADDRESS)
    assert refusal.value.field == ("password",)
    assert await Session.all().count() == 0


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com", "\ud800"])
async def test_every_failed_sign_in_checks_one_hash(
    email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_client()
    checked: list[str | bytes] = []

    class Watched(PasswordHash):
        def verify_and_update(
            self,
            password: str | bytes,
            hash: str | bytes,
        ) -> tuple[bool, str | None]:
            checked.append(hash)
            return super().verify_and_update(password, hash)

    monkeypatch.setattr(password, "hasher", Watched(password.hasher.hashers))
    with pytest.raises(InvalidCredentials):
        await signed_in(email, "wrong horse battery", address=ADDRESS)
    assert len(checked) == 1


async def test_a_user_without_a_password_cannot_sign_in() -> None:
    await create_staff("ada@example.com", None)
    with pytest.raises(InvalidCredentials):
        await signed_in("ada@example.com", "", address=ADDRESS)


async def test_a_dated_hash_is_renewed_by_signing_in(monkeypatch: pytest.MonkeyPatch) -> None:
    user = await a_client()
    stronger = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(password, "hasher", stronger)
    await signed_in("ada@example.com", PASSWORD, address=ADDRESS)
    renewed = (await User.get(id=user.id)).password_hash
    assert renewed is not None
    assert "t=2" in renewed
    await signed_in("ada@example.com", PASSWORD, address=ADDRESS)


async def test_guessing_one_email_is_stopped_and_costs_no_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await a_client()
    for guess in range(10):
        with pytest.raises(InvalidCredentials):
            await signed_in("ada@example.com", f"guess number {guess}", address=f"192.0.2.{guess}")
    monkeypatch.setattr(password, "hasher", None)
    with pytest.raises(RateLimited) as refusal:
        await signed_in("ADA@example.com", PASSWORD, address="192.0.2.99")
    assert 0 < refusal.value.retry_after_seconds <= 15 * 60


async def test_guessing_from_one_address_is_stopped_for_that_address_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await a_client()
    monkeypatch.setattr(session, "_GUESSES_PER_ADDRESS", 3)
    for guess in range(3):
        with pytest.raises(InvalidCredentials):
            await signed_in(f"{guess}@example.com", PASSWORD, address=f"2001:db8::{guess}")
    with pytest.raises(RateLimited):
        await signed_in("ada@example.com", PASSWORD, address="2001:db8::ffff")
    await signed_in("ada@example.com", PASSWORD, address="2001:db8:0:1::1")


async def test_guesses_made_at_once_are_counted_one_by_one() -> None:
    await a_client()
    guesses = (signed_in("ada@example.com", f"guess {n:6}", address=ADDRESS) for n in range(30))
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(answer, InvalidCredentials) for answer in answers) == 10
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 20


async def test_signing_in_again_and_again_is_not_guessing() -> None:
    await a_client()
    for _ in range(12):
        await signed_in("ada@example.com", PASSWORD, address=ADDRESS)


async def test_signing_out_ends_that_session_alone() -> None:
    user = await a_client()
    actor, given = await open_session(user, address=ADDRESS)
    _, other = await open_session(user, address=ADDRESS)
    await sign_out(actor)
    await sign_out(actor)
    assert await actor_of_credential(given, ADDRESS) is None
    assert await actor_of_credential(other, ADDRESS) is not None
    assert await holding({actor}) == set()


async def test_a_session_ends_by_itself(wired: Provider, at: At) -> None:
    user = await a_client()
    actor, given = await open_session(user, address=ADDRESS)
    moment = now()
    assert actor.expires_at is not None
    assert wired.session_lifetime - timedelta(minutes=1) < actor.expires_at - moment
    at(moment + wired.session_lifetime)
    assert await actor_of_credential(given, ADDRESS) is None
    assert await holding({actor}) == set()


async def test_how_long_a_session_lasts_is_the_houses_decision(
    wired: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(wired, session_lifetime=timedelta(hours=1))
    monkeypatch.setattr(provider, "_provider", short)
    actor, _ = await open_session(await a_client(), address=ADDRESS)
    assert actor.expires_at is not None
    assert actor.expires_at <= now() + timedelta(hours=1)


async def test_a_disabled_user_is_nobody_at_once() -> None:
    user = await a_client()
    actor, given = await open_session(user, address=ADDRESS)
    await transaction(lambda: User.filter(id=user.id).update(disabled_at=now()))
    assert await actor_of_credential(given, ADDRESS) is None
    assert await holding({actor}) == set()
    with pytest.raises(InvalidCredentials):
        await signed_in("ada@example.com", PASSWORD, address=ADDRESS)


@pytest.mark.parametrize(
    "forged", ["", "acs_", "ack_", "ack__", "ack_x_y", "acs_" + "x" * 10_000, "acs_é", "acs_\ud800"]
)
async def test_a_made_up_token_is_nobodys(forged: str) -> None:
    assert await actor_of_credential(forged, ADDRESS) is None


async def test_use_is_noted_once_a_minute_beside_the_request(at: At) -> None:
    actor, given = await open_session(await a_client(), address=ADDRESS)
    assert actor.session_id is not None
    later = now() + timedelta(minutes=2)
    at(later)
    async with asked() as seen:
        for _ in range(3):
            await actor_of_credential(given, ADDRESS)
        assert _updates(seen) == []
        await tasks.drain()
        await actor_of_credential(given, ADDRESS)
        await tasks.drain()
    assert len(_updates(seen)) == 1
    assert (await Session.get(id=actor.session_id)).seen_at == later


async def test_the_uses_of_many_sessions_are_one_statement(at: At) -> None:
    user = await a_client()
    opened = [await open_session(user, address=ADDRESS) for _ in range(20)]
    later = now() + timedelta(minutes=2)
    at(later)
    async with asked() as seen:
        for _, given in opened:
            await actor_of_credential(given, ADDRESS)
        await tasks.drain()
    assert len(_updates(seen)) == 1
    assert await Session.filter(seen_at=later).count() == 20


async def test_a_use_that_could_not_be_written_is_noted_again(
    monkeypatch: pytest.MonkeyPatch, at: At
) -> None:
    actor, given = await open_session(await a_client(), address=ADDRESS)
    later = now() + timedelta(minutes=2)
    at(later)
    with monkeypatch.context() as broken:
        broken.setattr(sql, "execute", None)
        await actor_of_credential(given, ADDRESS)
        await tasks.drain()
    await actor_of_credential(given, ADDRESS)
    await tasks.drain()
    assert (await Session.get(id=actor.session_id)).seen_at == later


def _updates(seen: Asked) -> list[str]:
    return [one for one in seen.all if one.startswith("UPDATE session")]


async def test_sessions_that_ran_out_long_ago_are_forgotten(at: At) -> None:
    _, given = await open_session(await a_client(), address=ADDRESS)
    assert await session.forget() == 0
    later = now() + timedelta(days=31)
    with at(later):
        assert await session.forget() == 1
    assert await actor_of_credential(given, ADDRESS) is None


async def test_one_statement_tells_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = await open_session(await a_client(), address=ADDRESS)
    _, everywhere = await create_key("Order desk", ["credit:read"])
    _, confined = await create_key("Order desk", ["credit:read"], [(await an_account()).id])
    assert await _statements(given, monkeypatch) == 1
    assert await _statements(everywhere, monkeypatch) == 1
    assert await _statements(confined, monkeypatch) == 2


async def _statements(given: str, monkeypatch: pytest.MonkeyPatch) -> int:
    asked: list[str] = []
    fetch = sql.fetch

    async def counted(statement: str, *args: object) -> list[sql.Row]:
        asked.append(statement)
        return await fetch(statement, *args)

    with monkeypatch.context() as counting:
        counting.setattr(sql, "fetch", counted)
        assert await actor_of_credential(given, ADDRESS) is not None
    return len(asked)
