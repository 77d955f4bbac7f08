"""Second factors: set up with one proof that they work, told by mail, removed with the password."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from models.access import session
from models.accounts import enrolment
from models.accounts.new_email import change_email
from models.accounts.sign_in import FactorAsked, SignedIn, complete, sign_in
from models.db import sql
from models.db.transactions import transaction
from models.errors import (
    CodeRefused,
    InvalidCredentials,
    NotAllowed,
    NotFound,
    SecondFactorRequired,
    StepUpRequired,
)
from models.factors import passkey as passkeys
from models.factors.passkey import Passkey
from models.factors.proof import confirm
from models.factors.recovery_code import RecoveryCode
from models.factors.second_factor import Answer, SecondFactor, held_by
from models.factors.totp import Totp
from models.journal.audit_log import AuditEntry
from models.mail.outgoing import OutgoingMail
from models.provider.provider import provider
from tests.support.factors import SoftPasskey, a_passkey, a_session, an_app, code_of
from tests.support.identities import ADDRESS, PASSWORD, a_client, wire_small_provider
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from models.access.identity import Actor
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_small_provider(monkeypatch)


async def mails() -> list[tuple[str, str, str, object]]:
    """Of factors: those of sign-ins from new devices aside."""
    found = [one for one in await OutgoingMail.all().order_by("id") if "factor" in one.facts]
    return [(one.kind, one.recipient, one.locale, one.facts["factor"]) for one in found]


async def log() -> list[tuple[str, object]]:
    entries = await AuditEntry.all().order_by("id")
    return [(entry.action, entry.details["factor"]) for entry in entries]


async def test_an_app_is_asked_for_once_its_first_code_was_right() -> None:
    user = await a_client()
    by = await a_session(user)
    app = await enrolment.begin_totp(by)
    uri = urlsplit(app.uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query)["secret"] == [app.secret]
    assert isinstance(await sign_in("ada@example.com", PASSWORD, address=ADDRESS), SignedIn)
    with pytest.raises(CodeRefused):
        await enrolment.confirm_totp(by, code_of(app.secret, 5))
    assert await held_by(user.id) == []
    codes = await enrolment.confirm_totp(by, code_of(app.secret))
    assert len(set(codes)) == 10
    assert await held_by(user.id) == [SecondFactor.TOTP, SecondFactor.RECOVERY_CODE]
    assert await mails() == [("second_factor_added", "ada@example.com", "ja", "TOTP")]
    assert await log() == [("second_factor.added", "TOTP")]
    # The code that turned it on does not sign in.
    asked = await sign_in("ada@example.com", PASSWORD, address=ADDRESS)
    assert isinstance(asked, FactorAsked)
    with pytest.raises(CodeRefused):
        await complete(asked.token, Answer.of(code=code_of(app.secret)), address=ADDRESS)


async def test_neither_secrets_nor_codes_can_be_read_in_the_database() -> None:
    user = await a_client()
    secret, codes = await an_app(user)
    tables = ("totp", "recovery_code", "mail", "audit_entry", "sign_in_challenge")
    rows = repr([await sql.fetch(f"SELECT * FROM {table}") for table in tables])
    for hidden in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert hidden not in rows
    # In another's row it opens nothing.
    bo = await a_client("bo@example.com")
    stolen = (await Totp.get(user_id=user.id)).sealed_secret
    other, _ = await an_app(bo)
    await transaction(lambda: Totp.filter(user_id=bo.id).update(sealed_secret=stolen))
    asked = await sign_in("bo@example.com", PASSWORD, address=ADDRESS)
    assert isinstance(asked, FactorAsked)
    for code in (code_of(secret), code_of(other)):
        with pytest.raises(CodeRefused):
            await complete(asked.token, Answer.of(code=code), address=ADDRESS)


async def test_a_first_code_given_at_once_turns_it_on_once() -> None:
    user = await a_client()
    by = await a_session(user)
    app = await enrolment.begin_totp(by)
    code = code_of(app.secret)
    tries = (enrolment.confirm_totp(by, code) for _ in range(5))
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, list) for one in told) == 1
    assert await RecoveryCode.all().count() == 10
    assert len(await mails()) == 1


async def test_two_factors_confirmed_at_once_make_ten_codes() -> None:
    user = await a_client()
    by, key = await a_session(user), SoftPasskey(provider().public_url)
    app, options = await enrolment.begin_totp(by), await enrolment.begin_passkey(by)
    of_app, of_key = await asyncio.gather(
        enrolment.confirm_totp(by, code_of(app.secret)),
        enrolment.confirm_passkey(by, key.made(options), "A key"),
    )
    assert sorted((len(of_app), len(of_key))) == [0, 10]
    assert await RecoveryCode.all().count() == 10


async def test_beginning_again_makes_another_secret_and_one_that_is_on_stays() -> None:
    by = await a_session(await a_client())
    first, second = await enrolment.begin_totp(by), await enrolment.begin_totp(by)
    with pytest.raises(CodeRefused):
        await enrolment.confirm_totp(by, code_of(first.secret))
    await enrolment.confirm_totp(by, code_of(second.secret))
    with pytest.raises(NotAllowed):
        await enrolment.begin_totp(by)
    assert (await Totp.all())[0].confirmed_at is not None


async def test_a_passkey_is_added_once_for_its_own_challenge_and_user(at: At) -> None:
    ada, bo = await a_client(), await a_client("bo@example.com")
    by, key = await a_session(ada), SoftPasskey(provider().public_url)
    made = key.made(await enrolment.begin_passkey(by))
    with pytest.raises(CodeRefused):
        await enrolment.confirm_passkey(await a_session(bo), made, "Of Ada")
    told = await asyncio.gather(
        *(enrolment.confirm_passkey(by, made, "A key") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, list) for one in told) == 1
    assert await Passkey.all().count() == 1
    # The same key for another user, a page of another origin, and a challenge that is over.
    for_bo = await a_session(bo)
    options = await enrolment.begin_passkey(for_bo)
    with pytest.raises(CodeRefused):
        await enrolment.confirm_passkey(for_bo, key.made(options), "The same")
    options = await enrolment.begin_passkey(by)
    evil = SoftPasskey("https://evil.example").made(options)
    with pytest.raises(CodeRefused):
        await enrolment.confirm_passkey(by, evil, "Evil")
    late = SoftPasskey(provider().public_url).made(await enrolment.begin_passkey(by))
    with at(timedelta(minutes=5, seconds=1)), pytest.raises(CodeRefused):
        await enrolment.confirm_passkey(by, late, "Late")
    assert await Passkey.all().count() == 1


async def test_there_are_twenty_passkeys_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "COUNT_MAX", 1)
    user = await a_client()
    by = await a_session(user)
    later = await enrolment.begin_passkey(by)
    await a_passkey(user, provider().public_url)
    with pytest.raises(NotAllowed):
        await enrolment.begin_passkey(by)
    made = SoftPasskey(provider().public_url).made(later)
    with pytest.raises(NotAllowed):
        await enrolment.confirm_passkey(by, made, "One too many")


async def test_removing_takes_the_password_and_the_last_one_the_recovery_codes_too() -> None:
    user = await a_client()
    await an_app(user)
    await a_passkey(user, provider().public_url)
    by = await a_session(user)
    with pytest.raises(InvalidCredentials):
        await enrolment.remove(by, SecondFactor.TOTP, "wrong horse battery")
    assert SecondFactor.TOTP in await held_by(user.id)
    await enrolment.remove(by, SecondFactor.TOTP, PASSWORD)
    assert await held_by(user.id) == [SecondFactor.PASSKEY, SecondFactor.RECOVERY_CODE]
    with pytest.raises(NotFound):
        await enrolment.remove(by, SecondFactor.TOTP, PASSWORD)
    await enrolment.remove(by, SecondFactor.PASSKEY, PASSWORD)
    assert await held_by(user.id) == []
    assert await RecoveryCode.all().count() == 0
    assert [kind for kind, *_ in await mails()] == [
        *["second_factor_added"] * 2,
        *["second_factor_removed"] * 2,
    ]
    assert (await log())[-1] == ("second_factor.removed", "PASSKEY")
    assert isinstance(await sign_in("ada@example.com", PASSWORD, address=ADDRESS), SignedIn)


async def test_the_password_and_a_stolen_session_remove_and_add_nothing(at: At) -> None:
    user = await a_client()
    stolen, _ = await session.open_session(user)
    secret, codes = await an_app(user)
    also_stolen, _ = await session.open_session(user)
    held = await held_by(user.id)
    for thief in (await session.as_it_is(stolen), also_stolen):
        with pytest.raises(SecondFactorRequired):
            await confirm(thief, password=PASSWORD, code=None, passkey=None)
        tries: list[Callable[[Actor], Awaitable[object]]] = [
            lambda by: enrolment.remove(by, SecondFactor.TOTP, PASSWORD),
            lambda by: enrolment.remove(by, SecondFactor.RECOVERY_CODE, PASSWORD),
            enrolment.begin_passkey,
            enrolment.renew_recovery_codes,
            lambda by: change_email(f"{key()}@evil.example", PASSWORD, by),
        ]
        for attempt in tries:
            with pytest.raises(StepUpRequired):
                await attempt(await session.as_it_is(thief))
    assert await held_by(user.id) == held
    # Its owner has lost the phone, and has the codes.
    await confirm(also_stolen, password=None, code=codes[0], passkey=None)
    owner = await session.as_it_is(also_stolen)
    with at(timedelta(minutes=10)), pytest.raises(StepUpRequired):
        await enrolment.remove(owner, SecondFactor.TOTP, PASSWORD)
    with pytest.raises(InvalidCredentials):
        await enrolment.remove(owner, SecondFactor.TOTP, "wrong horse battery")
    await enrolment.remove(owner, SecondFactor.TOTP, PASSWORD)
    assert await held_by(user.id) == []
    assert secret


async def test_whoever_sets_one_up_has_shown_it_and_goes_on() -> None:
    user = await a_client()
    by = await a_session(user)
    app = await enrolment.begin_totp(by)
    await enrolment.confirm_totp(by, code_of(app.secret))
    by = await session.as_it_is(by)
    options = await enrolment.begin_passkey(by)
    made = SoftPasskey(provider().public_url).made(options)
    assert await enrolment.confirm_passkey(by, made, "A key") == []
    assert len(await enrolment.renew_recovery_codes(await session.as_it_is(by))) == 10


async def test_a_challenge_that_waits_is_over_when_the_last_factor_goes() -> None:
    user = await a_client()
    secret, _ = await an_app(user)
    asked = await sign_in("ada@example.com", PASSWORD, address=ADDRESS)
    assert isinstance(asked, FactorAsked)
    await enrolment.remove(await a_session(user), SecondFactor.TOTP, PASSWORD)
    with pytest.raises(CodeRefused):
        await complete(asked.token, Answer.of(code=code_of(secret)), address=ADDRESS)


async def test_new_recovery_codes_take_the_place_of_the_old_ones() -> None:
    user = await a_client()
    by = await a_session(user)
    with pytest.raises(NotAllowed):
        await enrolment.renew_recovery_codes(by)
    _, old = await an_app(user)
    new = await enrolment.renew_recovery_codes(by)
    assert len({*old, *new}) == 20
    for code, good in ((old[0], False), (new[0], True)):
        asked = await sign_in("ada@example.com", PASSWORD, address=ADDRESS)
        assert isinstance(asked, FactorAsked)
        answer = Answer.of(recovery_code=code)
        if good:
            await complete(asked.token, answer, address=ADDRESS)
        else:
            with pytest.raises(CodeRefused):
                await complete(asked.token, answer, address=ADDRESS)
    await enrolment.remove(by, SecondFactor.RECOVERY_CODE, PASSWORD)
    assert await held_by(user.id) == [SecondFactor.TOTP]
