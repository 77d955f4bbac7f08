"""People who have signed up. A dozen at once, in this process: passwords take long to hash."""

from __future__ import annotations

import asyncio
from itertools import count
from unittest.mock import patch

from api.demo import STAFF_EMAIL
from api.gateways import load_gateways
from api.live import LocalFeed
from api.settings import load_settings
from api.wiring import opened
from models import account, audit, base, password, policy, session
from models.identity import User
from tests.identities import CHEAP_HASHER

PASSWORD = "a good pass phrase"
AT_ONCE = 12

_numbers = count()


def signed_up(database_url: str, secret: str, currency: str) -> list[dict[str, str]]:
    """Clients with accounts in `currency`, signed in."""
    # The house of this process is another test's own.
    with patch.object(password, "hasher", CHEAP_HASHER), patch.object(policy, "_house", None):
        return asyncio.run(_sign_up(database_url, secret, currency))


async def _sign_up(database_url: str, secret: str, currency: str) -> list[dict[str, str]]:
    settings = load_settings(database_url=database_url, secret_key=secret, account_credit_demo=True)
    async with opened(settings, load_gateways(settings), LocalFeed()):
        staff = await User.get(email=STAFF_EMAIL)
        return [await _person(staff, currency) for _ in range(AT_ONCE)]


async def _person(staff: User, currency: str) -> dict[str, str]:
    email = f"client-{next(_numbers)}@client.example"
    made = await account.create(
        name="Ada Client",
        email=email,
        password=PASSWORD,
        currency=currency,
        locale="en",
        by=staff.actor(),
        key=f"sign-up-{email}",
    )
    _, token = await session.open_session(await User.get(email=email))
    return {"token": token, "email": email, "account_id": made.public_id, "currency": currency}


def findings(database_url: str) -> list[str]:
    """What the audit finds."""
    return asyncio.run(_findings(database_url))


async def _findings(database_url: str) -> list[str]:
    await base.connect(database_url)
    try:
        return list((await audit.audit()).findings)
    finally:
        await base.disconnect()
