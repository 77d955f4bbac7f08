"""People for tests: cheap to make, and known by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from models.access import password
from models.access.identity import Role
from models.access.user import User, add_user
from models.accounts.account import Account
from models.accounts.sign_in import SignedIn, sign_in
from models.db.transactions import transaction
from models.provider import provider
from models.provider.provider import CreditPolicy, Provider
from models.provider.seller import Seller

if TYPE_CHECKING:
    import pytest

    from models.access.identity import Actor

PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.7"
CHEAP_HASHER = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


def wire_small_provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Wire a wired with the least in it, and passwords that cost next to nothing."""
    wired = Provider(
        secret=b"s" * 32,
        policy=CreditPolicy("2026-01", "https://example.com/policy"),
        limits={},
        gateways={},
        seller=Seller("Example"),
    )
    monkeypatch.setattr(provider, "_provider", wired)
    monkeypatch.setattr(password, "hasher", CHEAP_HASHER)
    return wired


async def a_client(email: str = "ada@example.com") -> User:
    """A client with an account of their own, in Japanese, and PASSWORD."""
    password_hash = await password.hashed(PASSWORD)

    async def add() -> User:
        account = await Account.create(name="Ada", email=email, currency="JPY", locale="ja")
        return await add_user(
            role=Role.CLIENT, email=email, password_hash=password_hash, account_id=account.id
        )

    return await transaction(add)


async def signed_in(email: str, password: str, **how: Any) -> tuple[Actor, str]:
    """Who has signed in with these, nobody asking for more; and their token."""
    outcome = await sign_in(email, password, **how)
    assert isinstance(outcome, SignedIn)
    return outcome.actor, outcome.token


async def an_account(email: str = "bo@example.com") -> Account:
    """An account that nobody can sign in to."""
    return await transaction(lambda: Account.create(name="Bo", email=email, currency="EUR"))
