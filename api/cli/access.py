"""Who may sign in: `account-credit create-staff | reset-factors | create-key | list-keys |
rotate-key | revoke-key`.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import Annotated

import typer

from api.cli.shell import DatabaseUrl, Json, as_json, errors_as_sentences, fail, load, say


def create_staff(
    email: Annotated[str, typer.Option(help="The e-mail address to sign in with.")],
    name: Annotated[str, typer.Option(help="The name that colleagues see.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Add a staff member. Asks for the password; without a terminal, it prints one."""
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        password, made = _password(from_stdin=password_stdin)
        from api.cli import commands

        asyncio.run(commands.create_staff(settings, email, password, name))
        say(f"{email} can now sign in as staff.")
        if made:
            say("The password, shown only once:")
            print(password)


def _password(*, from_stdin: bool) -> tuple[str, bool]:
    """A password, and whether it was made here."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n"), False
    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return given, False
    return secrets.token_urlsafe(15), True


def reset_factors(
    email: Annotated[str, typer.Argument(help="The e-mail address that they sign in with.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Remove somebody's second factors and end their sessions: they have lost them all.

    Make sure that it is them who ask.
    """
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        from api.cli import commands

        count = asyncio.run(commands.reset_factors(settings, email))
        say(f"{email} had no second factors." if not count else f"{email} can set them up again.")


def create_key(
    partner: Annotated[str, typer.Option(help="The partner's name; created if new.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="The scopes: accounts:read, accounts:write, audit:read, credit:hold, "
            "credit:read, funds:write, invoices:read, invoices:write, sessions:create, "
            "vouchers:redeem, webhooks:manage. Repeat the option, or separate them with commas."
        ),
    ],
    *,
    account: Annotated[
        list[str] | None,
        typer.Option(
            help="An account that the key is limited to (acc_…); repeat the option for several. "
            "Default: those that the partner opens, now and later."
        ),
    ] = None,
    all_accounts: Annotated[
        bool, typer.Option("--all-accounts", help="Let the key reach every account.")
    ] = False,
    allow_address: Annotated[
        list[str] | None,
        typer.Option(
            help="An address or network that the key may be used from (192.0.2.0/24); repeat the "
            "option for several. Default: anywhere."
        ),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    daily_budget: Annotated[
        list[str] | None,
        typer.Option(help="What it may spend a day (100.00 USD), once a currency. Default: all."),
    ] = None,
    payment_budget: Annotated[
        list[str] | None,
        typer.Option(help="What it may spend at once (100.00 USD), once a currency. Default: all."),
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create an API key for a partner's system. It is shown once; only its hash is stored."""
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        scopes = [one for given in scope for one in given.split(",") if one]
        from api.cli import commands

        if account and all_accounts:
            fail("Give either --account or --all-accounts.")
        made = commands.create_key(
            settings,
            partner,
            scopes,
            account or [],
            days,
            all_accounts=all_accounts,
            allowed_addresses=allow_address or [],
            daily_budget=daily_budget or [],
            payment_budget=payment_budget or [],
        )
        key, token = asyncio.run(made)
        say(f"API key {key.public_id} for {partner} ({', '.join(scopes)}), shown only once:")
        print(token)


def list_keys(*, json: Json = False, database_url: DatabaseUrl = None) -> None:
    """List the API keys with their partners, scopes and state."""
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        from api.cli import commands, key_list

        keys = asyncio.run(commands.list_keys(settings))
        print(as_json([key_list.as_json(one) for one in keys]) if json else key_list.table(keys))


def rotate_key(
    key: Annotated[
        str, typer.Argument(help="The key's ID (key_…) or prefix (ack_…); see list-keys.")
    ],
    old_valid_hours: Annotated[
        int, typer.Option(help="How many hours the old key stays valid: 0 to 720.")
    ] = 24,
    database_url: DatabaseUrl = None,
) -> None:
    """Replace an API key by another with the same accounts, scopes, networks and budgets."""
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        from api.cli import commands

        made, token = asyncio.run(commands.rotate_key(settings, key, old_valid_hours))
        say(f"{made.public_id} takes its place; the token, shown only once:")
        print(token)


def revoke_key(
    key: Annotated[
        str, typer.Argument(help="The key's ID (key_…) or prefix (ack_…); see list-keys.")
    ],
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke an API key, and those that it has replaced. Their open connections are closed within a
    second.
    """
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        from api.cli import commands

        found, done = asyncio.run(commands.revoke_key(settings, key))
        say(f"{found.public_id} {'is revoked.' if done else 'was already revoked.'}")
