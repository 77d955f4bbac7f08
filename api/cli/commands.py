"""What the commands do: each opens the database, does its work and closes it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from api.domain import (
    make_feed,
    opened,
    require_migrated,
    require_present,
    require_readable,
    require_usable,
)
from api.endpoint import query_import
from api.gateways import load_gateways
from api.live.local import LocalFeed
from api.settings.settings import SettingsError
from models import audit, clock
from models.access import api_key, rotation, user
from models.access.budget import checked_budget
from models.accounts import account, enrolment
from models.db import connection, record
from models.email import key_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from api.downloads.prerender import Prerenderer
    from api.settings.settings import Settings
    from models.access.api_key import ApiKey, ListedKey
    from models.audit import Report
    from models.bank.import_statement import Import
    from models.bank.reported import ReportedStatement
    from models.gateway import Gateway


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema."""
    require_usable(settings)
    await connection.migrate(settings.database_url)


async def check(settings: Settings) -> None:
    """Raises what keeps this from being served, such as SettingsError."""
    async with opened(settings, load_gateways(settings), make_feed(settings)):
        """It could be opened."""


async def fill_demo(settings: Settings) -> bool:
    """Migrate, and fill an empty database with demo data; whether it was empty."""
    from api import demo  # it brings the sandbox with it

    await migrate(settings)
    async with (
        opened(settings, load_gateways(settings), LocalFeed()),
        connection.alone(settings.database_url),
    ):
        return await demo.fill(settings)


async def demo_sign_ins(settings: Settings) -> dict[str, Any]:
    """Fresh tokens, keys and vouchers of the demo, which is filled when it is empty."""
    from api import demo  # as above

    await migrate(settings)
    async with opened(settings, load_gateways(settings), make_feed(settings)):
        async with connection.alone(settings.database_url):
            await demo.fill(settings)
        return await demo.sign_ins(settings)


async def audit_books(settings: Settings) -> Report:
    """What the audit finds and counts. Writes nothing, so that a copy may be where nothing can be
    written.
    """
    async with _connected(settings, usable=require_readable):
        return await audit.audit()


async def create_staff(settings: Settings, email: str, password: str, name: str) -> None:
    """Add a member of staff. Raises Invalid."""
    async with _connected(settings):
        await user.create_staff(email, password, name=name)


async def reset_factors(settings: Settings, email: str) -> int:
    """Remove the second factors of whoever signs in with that address; how many there were.

    Raises SettingsError where nobody does.
    """
    async with _connected(settings):
        found = await user.user_of_email(key_of(email) or "")
        if found is None:
            raise SettingsError("Nobody signs in with this e-mail address.")
        return await enrolment.reset(found)


async def create_key(
    settings: Settings,
    partner: str,
    scopes: Sequence[str],
    accounts: Sequence[str],
    days: int | None,
    *,
    all_accounts: bool = False,
    allowed_addresses: Sequence[str] = (),
    daily_budget: Sequence[str] = (),
    payment_budget: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """Make a partner's API key: the key, and its token. Without `accounts` (public ids) it reaches
    the accounts that the partner opens, or all. Budgets are amounts like `100.00 USD`, one a
    currency.

    Raises Invalid, NotFound and SettingsError.
    """
    within = [_account_id(text) for text in accounts] or None
    networks = api_key.checked_networks(allowed_addresses) if allowed_addresses else None
    expires_at = None if days is None else clock.now() + timedelta(days=days)
    async with _connected(settings):
        return await api_key.create_key(
            partner,
            scopes,
            within,
            own=within is None and not all_accounts,
            allowed_addresses=networks,
            expires_at=expires_at,
            daily_budget=_budget(daily_budget, "daily_budget"),
            payment_budget=_budget(payment_budget, "payment_budget"),
        )


def _budget(amounts: Sequence[str], field: str) -> dict[str, int] | None:
    read = []
    for text in amounts:
        amount, _, currency = text.partition(" ")
        try:
            read.append((Decimal(amount), currency.strip()))
        except InvalidOperation:
            raise SettingsError(f"{text} isn't an amount. Write it like 100.00 USD.") from None
    return checked_budget(read, field) if read else None


async def rotate_key(settings: Settings, text: str, hours: int) -> tuple[ApiKey, str]:
    """Replace an API key: the new one, and its token. Raises Invalid, NotAllowed, and SettingsError
    where there is none of that id or prefix.
    """
    async with _connected(settings):
        found = await _key(text)
        return await rotation.rotate_key(found.id, hours)


async def list_keys(settings: Settings) -> list[ListedKey]:
    """Every API key."""
    async with _connected(settings):
        return await api_key.list_keys()


async def revoke_key(settings: Settings, text: str) -> tuple[ApiKey, bool]:
    """End an API key: which one it is, and whether it had not been revoked before.

    Raises SettingsError where there is none of that id or prefix.
    """
    async with _connected(settings):
        found = await _key(text)
        return found, await api_key.revoke_key(found.id)


async def _key(text: str) -> ApiKey:
    found = await api_key.find_key(text)
    if found is None:
        raise SettingsError("There is no such API key. List them with: account-credit list-keys")
    return found


async def import_statements(
    settings: Settings, files: Sequence[tuple[str, list[ReportedStatement]]]
) -> list[tuple[str, list[Import]]]:
    """Book what bank statements brought; what became of each file's lines."""
    from models.bank.import_statement import import_statement  # the only command with statements

    async with opened(settings, load_gateways(settings), make_feed(settings)):
        return [(name, [await import_statement(one) for one in found]) for name, found in files]


async def import_documents(settings: Settings, path: Path) -> tuple[int, int]:
    """Register the documents of a file; how many are new, and how many were registered before.

    Raises QueryFileError.
    """
    from schema import make_schema  # the only command that needs it

    documents = query_import.read_documents(path, make_schema())
    async with _connected(settings):
        added = await query_import.register(documents)
    return added, len(documents) - added


async def work(settings: Settings) -> None:
    """Be a worker until SIGTERM or SIGINT; what is under way is finished."""
    from api.app import make_mailer, make_sender, pruning  # the only command with jobs
    from api.observe.metrics import Metrics
    from api.worker.jobs import jobs
    from api.worker.scheduler import Scheduler

    stop, metrics = asyncio.Event(), Metrics()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.worker_metrics_port is not None:
        metrics.serve(settings.host, settings.worker_metrics_port)
    gateways, sender = load_gateways(settings), make_sender(settings, metrics)
    async with (
        opened(settings, gateways, make_feed(settings)),
        _prerenderer(settings, gateways) as prerenderer,
        sender.running(),
    ):
        work = jobs(metrics, prerenderer, pruning(settings), make_mailer(settings), sender)
        await Scheduler(work, metrics).run(stop)


@asynccontextmanager
async def _prerenderer(
    settings: Settings, gateways: Mapping[str, Gateway]
) -> AsyncIterator[Prerenderer | None]:
    """Renders documents in advance; None if the serving processes share no store with this one."""
    if settings.documents_kept_at is None or not settings.pdf_ahead:
        yield None
        return
    from api.app import make_renderer
    from api.downloads.prerender import Prerenderer  # the only command that renders

    async with make_renderer(settings, warm=False) as renderer:
        yield Prerenderer(renderer, gateways)


@asynccontextmanager
async def _connected(
    settings: Settings, *, usable: Callable[[Settings], None] = require_present
) -> AsyncIterator[None]:
    """The database alone, for what decides nothing."""
    usable(settings)
    await connection.connect(settings.database_url)
    try:
        await require_migrated(settings)
        yield
    finally:
        await connection.disconnect()


def _account_id(text: str) -> UUID:
    found = record.parse_id(account.Account.PREFIX, text)
    if found is None:
        raise SettingsError(f"{text} isn't an account ID. Account IDs look like acc_0192f3…")
    return found
