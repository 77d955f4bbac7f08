"""The demo's data, and people who have signed up, a dozen at once.

Made in this process: a command of its own takes seconds to start, and passwords long to hash.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from api.cli import commands
from api.demo import STAFF_EMAIL
from api.domain import opened
from api.gateways import load_gateways
from api.live.local import LocalFeed
from api.settings.settings import load_settings
from models import audit
from models.access import password, session
from models.access.user import User
from models.accounts.create import CreateAccount
from models.clock import now
from models.db import connection, sql
from models.journal.command import run
from models.provider import provider
from tests.support.identities import CHEAP_HASHER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.settings.settings import Settings

PASSWORD = "a good pass phrase"
AT_ONCE = 12

_numbers = count()


def fill(database_url: str) -> None:
    """Migrate an empty database, and put the demo's data into it."""
    with _here():
        asyncio.run(commands.fill_demo(_settings(database_url, "0" * 32)))


def sign_ins(database_url: str, secret: str) -> dict[str, Any]:
    """What `account-credit demo --json` tells: fresh tokens, keys and vouchers."""
    with _here():
        return asyncio.run(commands.demo_sign_ins(_settings(database_url, secret)))


def signed_up(database_url: str, secret: str, currency: str) -> list[dict[str, str]]:
    """Clients with accounts in `currency`, signed in."""
    with _here():
        return asyncio.run(_sign_up(_settings(database_url, secret), currency))


@contextmanager
def _here() -> Iterator[None]:
    """In this process, whose wired is another test's own, and without waiting for hashes."""
    with patch.object(password, "hasher", CHEAP_HASHER), patch.object(provider, "_provider", None):
        yield


def _settings(database_url: str, secret: str) -> Settings:
    return load_settings(database_url=database_url, secret_key=secret, account_credit_demo=True)


async def _sign_up(settings: Settings, currency: str) -> list[dict[str, str]]:
    async with opened(settings, load_gateways(settings), LocalFeed()):
        staff = await User.get(email=STAFF_EMAIL)
        return [await _person(staff, currency) for _ in range(AT_ONCE)]


async def _person(staff: User, currency: str) -> dict[str, str]:
    email = f"client-{next(_numbers)}@client.example"
    made = await run(
        CreateAccount(
            name="Ada Client",
            email=email,
            password=PASSWORD,
            currency=currency,
            locale="en",
        ),
        staff.actor(),
        f"sign-up-{email}",
    )
    _, token = await session.open_session(await User.get(email=email))
    return {"token": token, "email": email, "account_id": made.public_id, "currency": currency}


def sessions_grow_old(database_url: str, email: str) -> None:
    """It is eleven minutes ago that somebody proved who they are, wherever they are signed in."""
    asyncio.run(_grow_old(database_url, email))


async def _grow_old(database_url: str, email: str) -> None:
    await connection.connect(database_url)
    try:
        await sql.execute(
            "UPDATE session SET created_at = $1, confirmed_at = NULL, factor_at = NULL"
            " WHERE user_id = (SELECT id FROM users WHERE email = $2)",
            now() - timedelta(minutes=11),
            email,
        )
    finally:
        await connection.disconnect()


def findings(database_url: str) -> list[str]:
    """What the audit finds."""
    return asyncio.run(_findings(database_url))


async def _findings(database_url: str) -> list[str]:
    await connection.connect(database_url)
    try:
        return list((await audit.audit()).findings)
    finally:
        await connection.disconnect()
