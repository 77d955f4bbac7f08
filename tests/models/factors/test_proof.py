"""Step-up: what must be proved again, and for how long it counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.access import session
from models.access.api_key import create_key
from models.access.credential import actor_of_credential
from models.access.identity import Actor
from models.access.user import create_staff
from models.accounts import enrolment
from models.clock import now
from models.errors import (
    CodeRefused,
    Forbidden,
    Invalid,
    InvalidCredentials,
    NotFound,
    RateLimited,
    Refusal,
    SecondFactorRequired,
    StepUpRequired,
)
from models.factors.proof import confirm, passkey_options, require_proof
from models.factors.second_factor import SecondFactor
from models.provider.provider import provider
from tests.support.factors import a_passkey, a_session, an_app, code_of
from tests.support.identities import (
    ADDRESS,
    PASSWORD,
    a_client,
    signed_in,
    wire_small_provider,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("db")

NOTHING: dict[str, str | None] = {"password": None, "code": None, "passkey": None}


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_small_provider(monkeypatch)


async def prove(actor: Actor, **given: str) -> Actor:
    """The actor, after that proof."""
    await confirm(actor, **{**NOTHING, **given})
    return await session.as_it_is(actor)


def is_proven(actor: Actor) -> bool:
    try:
        require_proof(actor)
    except StepUpRequired:
        return False
    return True


async def outcomes(actor: Actor, *given: dict[str, str]) -> list[type[Any]]:
    proofs = (prove(actor, **one) for one in given)
    return [type(one) for one in await asyncio.gather(*proofs, return_exceptions=True)]


async def test_a_new_session_counts_for_ten_minutes_and_a_confirmed_one_again(at: At) -> None:
    user = await a_client()
    actor = await a_session(user)
    assert is_proven(actor)
    with at(timedelta(minutes=9)):
        assert is_proven(actor)
    with at(timedelta(minutes=10)):
        assert not is_proven(actor)
        again = await prove(actor, password=PASSWORD)
        assert is_proven(again)
    with at(timedelta(minutes=21)):
        assert not is_proven(again)


async def test_each_second_factor_proves_it(at: At) -> None:
    user = await a_client()
    secret, _ = await an_app(user)
    key, _ = await a_passkey(user, provider().public_url)
    actor = await a_session(user)
    with at(timedelta(minutes=11)):
        assert is_proven(await prove(actor, code=code_of(secret)))
    with at(timedelta(minutes=22)):
        options = await passkey_options(actor)
        signed = key.signed(options)
        assert is_proven(await prove(actor, passkey=signed))
        assert await outcomes(actor, {"passkey": signed}) == [CodeRefused]


async def test_a_code_that_signed_in_proves_nothing_more_and_one_proves_once() -> None:
    user = await a_client()
    secret, _ = await an_app(user)
    actor = await a_session(user)
    code = {"code": code_of(secret)}
    told = await outcomes(actor, code, code, code)
    assert sorted(one.__name__ for one in told) == ["Actor", "CodeRefused", "CodeRefused"]


async def test_the_challenge_of_a_sign_in_and_of_enrolling_is_none_here() -> None:
    user = await a_client()
    key, _ = await a_passkey(user, provider().public_url)
    actor = await a_session(user)
    making = await enrolment.begin_passkey(actor)
    signed = key.signed(making.replace('"rp":', '"rpId": "localhost", "rp":', 1))
    assert await outcomes(actor, {"passkey": signed}) == [CodeRefused]


async def test_one_user_s_passkey_proves_nothing_for_another() -> None:
    ada, bo = await a_client(), await a_client("bo@example.com")
    key, _ = await a_passkey(ada, provider().public_url)
    options = await passkey_options(await a_session(ada))
    await a_passkey(bo, provider().public_url)
    mallory = await a_session(bo)
    assert await outcomes(mallory, {"passkey": key.signed(options)}) == [CodeRefused]


async def test_guesses_in_a_stolen_session_end_and_shut_nobody_else_out() -> None:
    user = await a_client()
    thief, owner = await a_session(user), await a_session(user)
    guesses = [{"password": f"guess number {n}"} for n in range(12)]
    told = await outcomes(thief, *guesses)
    assert told.count(InvalidCredentials) == 10
    assert told.count(RateLimited) == 2
    await prove(owner, password=PASSWORD)
    secret, _ = await an_app(user)
    told = await outcomes(thief, *({"code": "000000"} for _ in range(12)))
    assert told.count(CodeRefused) == 10
    assert told.count(RateLimited) == 2
    await prove(owner, code=code_of(secret))


async def test_a_password_alone_proves_nothing_of_who_has_a_second_factor(at: At) -> None:
    user = await a_client()
    thief = await a_session(user)
    assert is_proven(thief)
    secret, codes = await an_app(user)
    # However new the session is, or whatever was proved in it before.
    thief = await session.as_it_is(thief)
    assert not is_proven(thief)
    for password in (PASSWORD, "wrong horse battery"):
        assert await outcomes(thief, {"password": password}) == [SecondFactorRequired]
    assert not is_proven(await session.as_it_is(thief))
    late, _ = await session.open_session(user)
    assert not is_proven(late)
    assert is_proven(await prove(late, code=code_of(secret)))
    with at(timedelta(minutes=10)):
        assert not is_proven(await session.as_it_is(late))
        assert is_proven(await prove(late, code=codes[0]))
    assert not is_proven(await session.as_it_is(thief))


async def test_a_recovery_code_proves_it_once_however_it_is_typed() -> None:
    user = await a_client()
    _, codes = await an_app(user)
    actor, _ = await session.open_session(user)
    typed = {"code": codes[0].lower().replace("-", " ")}
    assert await outcomes(actor, typed) == [Actor]
    assert sorted(one.__name__ for one in await outcomes(actor, *[{"code": codes[1]}] * 3)) == [
        *["Actor"],
        *["CodeRefused"] * 2,
    ]
    other = await a_client("bo@example.com")
    _, foreign = await an_app(other)
    for wrong in (codes[0], foreign[0], "0000-0000-0000-0000", codes[2][:-1], codes[2] + "0", ""):
        with pytest.raises(CodeRefused) as refused:
            await prove(actor, code=wrong)
        assert refused.value.field == ("code",)
    assert await outcomes(actor, {"code": codes[2]}) == [Actor]


async def test_who_was_handed_over_proves_it_with_their_factor_and_not_before() -> None:
    user = await a_client()
    secret, _ = await an_app(user)
    handed, _ = await session.open_session(user, confirmed_at=session.NOT_PROVEN)
    assert handed.proven_at == session.NOT_PROVEN
    assert await outcomes(handed, {"password": PASSWORD}) == [SecondFactorRequired]
    assert is_proven(await prove(handed, code=code_of(secret)))


async def test_signing_in_is_not_shut_out_by_proofs_that_fail() -> None:
    thief = await a_session(await a_client())
    await outcomes(thief, *({"password": f"guess number {n}"} for n in range(12)))
    await signed_in("ada@example.com", PASSWORD, address=ADDRESS)


async def test_whoever_has_no_session_has_nothing_to_prove_or_no_way_to(at: At) -> None:
    user = await a_client()
    staff = await create_staff("staff@example.com", PASSWORD)
    _, token = await create_key("Order desk", ["credit:read"])
    partner = await actor_of_credential(token, ADDRESS)
    assert partner is not None
    with at(timedelta(hours=1)):
        require_proof(staff.actor())
        require_proof(partner)
    # What another system vouches for must say when its user proved it.
    vouched = replace(user.actor(), expires_at=now() + timedelta(minutes=5))
    assert not is_proven(vouched)
    assert is_proven(replace(vouched, proven_at=now()))
    for actor in (partner, staff.actor(), vouched):
        with pytest.raises(Forbidden):
            await confirm(actor, password=PASSWORD, code=None, passkey=None)


@pytest.mark.parametrize("given", [{}, {"password": "a", "code": "b"}])
async def test_one_proof_is_given(given: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        await prove(await a_session(await a_client()), **given)


async def test_there_are_no_options_without_a_passkey() -> None:
    with pytest.raises(NotFound):
        await passkey_options(await a_session(await a_client()))


async def test_an_ended_session_is_not_confirmed() -> None:
    actor = await a_session(await a_client())
    await session.sign_out(actor)
    before = await session.Session.get(id=actor.session_id)
    await confirm(actor, password=PASSWORD, code=None, passkey=None)
    after = await session.Session.get(id=actor.session_id)
    assert before.confirmed_at == after.confirmed_at is None


async def test_every_change_of_second_factors_asks_for_it(at: At) -> None:
    actor = await a_session(await a_client())
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "begin app": lambda: enrolment.begin_totp(actor),
        "confirm app": lambda: enrolment.confirm_totp(actor, "000000"),
        "begin passkey": lambda: enrolment.begin_passkey(actor),
        "confirm passkey": lambda: enrolment.confirm_passkey(actor, "{}", "A"),
        "renew": lambda: enrolment.renew_recovery_codes(actor),
        "remove": lambda: enrolment.remove(actor, SecondFactor.TOTP, PASSWORD),
    }
    with at(timedelta(minutes=10)):
        for name, change in changes.items():
            with pytest.raises(Refusal) as refused:
                await change()
            assert isinstance(refused.value, StepUpRequired), name


async def test_a_session_of_the_demo_counts_as_new_as_long_as_it_lasts(at: At) -> None:
    until = now() + provider().session_lifetime
    actor, _ = await session.open_session(await a_client(), confirmed_at=until)
    with at(timedelta(hours=11)):
        assert is_proven(actor)
        assert is_proven(await prove(actor, password=PASSWORD))
