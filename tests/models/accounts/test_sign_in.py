"""Signing in with a second factor: a challenge takes five tries and one right answer."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.access import session
from models.access.device import noted
from models.access.session import Session
from models.access.user import User
from models.accounts.sign_in import FactorAsked, SignedIn, complete, finish, sign_in
from models.clock import now
from models.db import sql
from models.db.transactions import transaction
from models.errors import CodeRefused, Invalid, InvalidCredentials
from models.factors import second_factor
from models.factors.challenge import SignInChallenge
from models.factors.second_factor import Answer, SecondFactor
from models.provider.provider import provider
from tests.support.factors import a_passkey, an_app, code_of
from tests.support.identities import ADDRESS, PASSWORD, a_client, wire_small_provider

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("db")

ADA = "ada@example.com"


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_small_provider(monkeypatch)


async def asked(password: str = PASSWORD) -> FactorAsked:
    """The challenge that signing in ends with."""
    outcome = await sign_in(ADA, password, address=ADDRESS)
    assert isinstance(outcome, FactorAsked)
    return outcome


async def sessions() -> int:
    return await Session.all().count()


async def refusals(token: str, answers: list[Answer]) -> list[str]:
    """What each of these is answered, given at once: a name of a class."""
    given = (complete(token, answer, address=ADDRESS) for answer in answers)
    return [type(one).__name__ for one in await asyncio.gather(*given, return_exceptions=True)]


async def test_fifty_guesses_at_once_get_five_tries() -> None:
    user = await a_client()
    secret, _ = await an_app(user)
    before, challenge = await sessions(), await asked()
    seen = []
    check = second_factor.checked

    async def counted(*args: object) -> object:
        seen.append(args)
        return await check(*args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.accounts.sign_in.checked", counted)
        wrong = [Answer.of(recovery_code=f"AAAA-{n:04}-AAAA-AAAA") for n in range(50)]
        assert set(await refusals(challenge.token, wrong)) == {"CodeRefused"}
        assert len(seen) == 5
        # The right one is too late, and looks like a wrong one.
        assert await refusals(challenge.token, [Answer.of(code=code_of(secret))]) == ["CodeRefused"]
        assert len(seen) == 5
    assert await sessions() == before


async def test_a_right_answer_given_at_once_five_times_opens_one_session() -> None:
    user = await a_client()
    secret, recovery = await an_app(user)
    before = await sessions()
    for answer in (Answer.of(code=code_of(secret)), Answer.of(recovery_code=recovery[0])):
        told = await refusals((await asked()).token, [answer] * 5)
        # Where a machine is so busy that a lock takes two seconds, they are asked to try again.
        assert told.count("SignedIn") == 1
        assert set(told) <= {"SignedIn", "CodeRefused", "TryAgain"}
    assert await sessions() == before + 2


async def test_a_code_is_used_once_over_challenges_that_race() -> None:
    user = await a_client()
    secret, recovery = await an_app(user)
    for answer in (Answer.of(code=code_of(secret)), Answer.of(recovery_code=recovery[0])):
        tokens = [(await asked()).token for _ in range(4)]
        tries = (complete(token, answer, address=ADDRESS) for token in tokens)
        told = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(one, SignedIn) for one in told) == 1
        assert sum(isinstance(one, CodeRefused) for one in told) == 3


async def test_a_password_alone_opens_nothing_where_there_is_a_second_factor() -> None:
    user = await a_client()
    await an_app(user)
    before = await sessions()
    challenge = await asked()
    assert challenge.methods == [SecondFactor.TOTP, SecondFactor.RECOVERY_CODE]
    assert challenge.passkey_options is None
    assert timedelta(minutes=4) < challenge.expires_at - now() <= timedelta(minutes=5)
    assert await sessions() == before
    assert await session.actor_of_session(challenge.token, ADDRESS) is None
    rows = await sql.fetch("SELECT * FROM sign_in_challenge")
    assert challenge.token not in repr(rows)


async def test_a_wrong_password_tells_nothing_of_a_second_factor() -> None:
    await an_app(await a_client())
    with pytest.raises(InvalidCredentials):
        await sign_in(ADA, "wrong horse battery", address=ADDRESS)
    assert await SignInChallenge.all().count() == 0


async def test_a_code_drifts_by_one_step_and_none_before_a_used_one_is_good(at: At) -> None:
    user = await a_client()
    with at(now()):
        secret, _ = await an_app(user)
    for steps, good in ((-2, False), (2, False), (1, True), (0, False), (1, False)):
        with at(now() + timedelta(minutes=2)):
            given = Answer.of(code=code_of(secret, steps))
            told = await refusals((await asked()).token, [given])
            assert told == ["SignedIn" if good else "CodeRefused"], steps


@pytest.mark.parametrize(
    "hostile", ["", "12345", "1234567", "12345a", "٣٣٣٣٣٣", "1" * 9999, "\ud800"]
)
async def test_what_is_no_code_is_refused(hostile: str) -> None:
    await an_app(await a_client())
    for answer in (Answer.of(code=hostile), Answer.of(recovery_code=hostile)):
        assert await refusals((await asked()).token, [answer]) == ["CodeRefused"]


async def test_a_code_is_good_as_a_japanese_keyboard_types_it() -> None:
    secret, recovery = await an_app(await a_client())
    wide = code_of(secret).translate({ord(str(n)): chr(0xFF10 + n) for n in range(10)})
    assert await refusals((await asked()).token, [Answer.of(code=f"{wide[:3]} {wide[3:]}")]) == [
        "SignedIn"
    ]
    typed = recovery[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert await refusals((await asked()).token, [Answer.of(recovery_code=typed)]) == ["SignedIn"]


async def test_an_expired_a_made_up_and_a_foreign_challenge_are_a_wrong_code(at: At) -> None:
    user = await a_client()
    secret, _ = await an_app(user)
    challenge = await asked()
    with at(timedelta(minutes=5, seconds=1)):
        told = await refusals(challenge.token, [Answer.of(code=code_of(secret))])
        assert told == ["CodeRefused"]
    for token in ("", "ach_", challenge.token[:-1], challenge.token + "x", "ï", "a" * 10_000):
        with pytest.raises(CodeRefused) as refused:
            await complete(token, Answer.of(code=code_of(secret)), address=ADDRESS)
        assert refused.value.field == ("code",)


async def test_recovery_codes_are_of_one_user() -> None:
    ada, bo = await a_client(), await a_client("bo@example.com")
    await an_app(ada)
    _, of_bo = await an_app(bo)
    assert await refusals((await asked()).token, [Answer.of(recovery_code=of_bo[0])]) == [
        "CodeRefused"
    ]


async def test_a_password_thief_cannot_try_codes_for_ever_nor_shut_the_user_out() -> None:
    user = await a_client()
    secret, recovery = await an_app(user)
    notes = await noted("", user.id)
    guesses = [Answer.of(code="000000")]
    told = [(await refusals((await asked()).token, guesses))[0] for _ in range(12)]
    assert told == ["CodeRefused"] * 10 + ["RateLimited"] * 2
    # The browser that has been here before, and who has other proof, still come in.
    right = Answer.of(code=code_of(secret))
    await complete((await asked()).token, right, address=ADDRESS, notes=notes)
    other = Answer.of(recovery_code=recovery[0])
    await complete((await asked()).token, other, address=ADDRESS)


async def test_a_disabled_user_ends_no_challenge() -> None:
    user = await a_client()
    secret, _ = await an_app(user)
    challenge = await asked()
    await transaction(lambda: User.filter(id=user.id).update(disabled_at=now()))
    told = await refusals(challenge.token, [Answer.of(code=code_of(secret))])
    assert told == ["CodeRefused"]


async def test_one_answer_is_given_and_none_counts_as_no_try() -> None:
    for none in ({}, {"code": "1", "passkey": "{}"}):
        with pytest.raises(Invalid) as refused:
            Answer.of(**none)
        assert (refused.value.field, refused.value.problem) == (("code",), "one_answer")


async def test_a_passkey_signs_in_once() -> None:
    user = await a_client()
    key, _ = await a_passkey(user, provider().public_url)
    challenge = await asked()
    assert challenge.methods == [SecondFactor.PASSKEY, SecondFactor.RECOVERY_CODE]
    assert challenge.passkey_options is not None
    answer = Answer.of(passkey=key.signed(challenge.passkey_options))
    told = await refusals(challenge.token, [answer] * 5)
    assert sorted(told) == ["CodeRefused"] * 4 + ["SignedIn"]
    assert await refusals((await asked()).token, [answer]) == ["CodeRefused"]


async def test_a_passkey_of_another_page_user_or_challenge_is_refused() -> None:
    ada, bo = await a_client(), await a_client("bo@example.com")
    key, _ = await a_passkey(ada, provider().public_url)
    of_bo, _ = await a_passkey(bo, provider().public_url)
    for wrong in ("origin", "challenge", "type", "user", "other challenge"):
        challenge = await asked()
        options = challenge.passkey_options or ""
        match wrong:
            case "origin":
                given = key.signed(options, origin="https://evil.example")
            case "challenge":
                given = key.signed(options, challenge="AAAA")
            case "type":
                given = key.signed(options, type="webauthn.create")
            case "user":
                given = of_bo.signed(options)
            case _:
                given = key.signed((await asked()).passkey_options or "")
        told = await refusals(challenge.token, [Answer.of(passkey=given)])
        assert told == ["CodeRefused"], wrong


async def test_a_count_that_does_not_grow_is_a_copy_s() -> None:
    key, _ = await a_passkey(await a_client(), provider().public_url)
    for count, good in ((5, True), (5, False), (3, False), (6, True)):
        challenge = await asked()
        key.sign_count = count - 1
        given = Answer.of(passkey=key.signed(challenge.passkey_options or ""))
        told = await refusals(challenge.token, [given])
        assert told == ["SignedIn" if good else "CodeRefused"], count


@pytest.mark.parametrize(
    "hostile",
    ["", "{}", "[]", "null", '{"id": 1}', '{"id": "a", "response": 3}', "[" * 9000, "x" * 99_999],
)
async def test_what_is_no_passkey_is_refused(hostile: str) -> None:
    key, _ = await a_passkey(await a_client(), provider().public_url)
    challenge = await asked()
    right = json.loads(key.signed(challenge.passkey_options or ""))
    broken = [hostile, json.dumps({**right, "response": {**right["response"], "signature": 0}})]
    for given in broken:
        told = await refusals(challenge.token, [Answer.of(passkey=given)])
        assert told == ["CodeRefused"]


async def test_without_a_second_factor_finishing_opens_the_session() -> None:
    user = await a_client()
    assert isinstance(await finish(user, address=ADDRESS), SignedIn)
