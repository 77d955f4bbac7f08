"""The second step of signing in through GraphQL: no cookie before it, each error at its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from models.access import session
from models.access.credential import actor_of_credential
from schema.core.context import Context
from schema.core.watch import Watchers
from tests.support.factors import an_app, code_of
from tests.support.identities import ADDRESS, PASSWORD, a_client, wire_small_provider
from tests.support.staffed_provider import SCHEMA, document_url

if TYPE_CHECKING:
    from models.provider.provider import Provider

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db")]

PAYLOAD = """token viewer { role secondFactors } userErrors { code field }
    challenge { token methods passkeyOptions expiresAt }"""
SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ {PAYLOAD} }} }}"
COMPLETE = (
    f"mutation ($input: CompleteSignInInput!) {{ completeSignIn(input: $input) {{ {PAYLOAD} }} }}"
)
CONFIRM = """mutation ($input: ConfirmIdentityInput!) {
    confirmIdentity(input: $input) { userErrors { code field } } }"""


class Browser(Context):
    """Notes what it is to keep."""

    def __init__(self) -> None:
        super().__init__(
            actor=None, watchers=Watchers(), document_url=document_url, address=ADDRESS
        )
        self.cookies: list[str] = []

    def set_session_cookie(self, token: str) -> None:
        self.cookies.append(token)

    def set_device_cookie(self, notes: str) -> None:
        self.cookies.append(notes)

    async def run(self, document: str, **given: object) -> Any:
        result = await SCHEMA.execute(document, {"input": given}, self)
        assert result.errors is None, result.errors
        assert result.data is not None
        return next(iter(result.data.values()))


@pytest.fixture(autouse=True)
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_small_provider(monkeypatch)


async def test_the_password_opens_nothing_and_the_code_everything() -> None:
    user, browser = await a_client(), Browser()
    secret, _ = await an_app(user)
    asked = await browser.run(SIGN_IN, email="ada@example.com", password=PASSWORD)
    assert (asked["token"], asked["viewer"], asked["userErrors"]) == (None, None, [])
    assert asked["challenge"]["methods"] == ["TOTP", "RECOVERY_CODE"]
    assert (browser.cookies, browser.actor) == ([], None)
    challenge = asked["challenge"]["token"]
    refused = await browser.run(COMPLETE, challenge=challenge, code="000000")
    assert refused["userErrors"] == [{"code": "CODE_REFUSED", "field": ["code"]}]
    assert (browser.cookies, refused["token"], refused["viewer"]) == ([], None, None)
    done = await browser.run(COMPLETE, challenge=challenge, code=code_of(secret))
    assert done["viewer"] == {"role": "CLIENT", "secondFactors": ["TOTP", "RECOVERY_CODE"]}
    assert (done["challenge"], browser.cookies[0]) == (None, done["token"])
    assert await actor_of_credential(done["token"], ADDRESS) == browser.actor


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({}, "INVALID", ["code"]),
        ({"code": "1", "recoveryCode": "2"}, "INVALID", ["code"]),
        ({"code": "123456"}, "CODE_REFUSED", ["code"]),
        ({"passkey": "{}"}, "CODE_REFUSED", ["passkey"]),
        ({"recoveryCode": "x"}, "CODE_REFUSED", ["recoveryCode"]),
    ],
)
async def test_each_bad_answer_is_refused_at_its_field(
    given: dict[str, str], code: str, field: list[str]
) -> None:
    refused = await Browser().run(COMPLETE, challenge="made up", **given)
    assert refused["userErrors"] == [{"code": code, "field": field}]


async def test_confirming_says_at_which_field_it_went_wrong() -> None:
    browser = Browser()
    browser.actor, _ = await session.open_session(await a_client())
    refused = await browser.run(CONFIRM, password="wrong horse battery")
    assert refused["userErrors"] == [{"code": "INVALID_CREDENTIALS", "field": ["password"]}]
    began = browser.actor.proven_at
    assert await browser.run(CONFIRM, password=PASSWORD) == {"userErrors": []}
    assert began is not None
    assert browser.actor.proven_at is not None
    assert browser.actor.proven_at > began
