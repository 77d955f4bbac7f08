"""The command line: `account-credit serve | worker | migrate | demo | audit | …`.

Each command says what it does, and where it cannot, why, in a sentence and with exit code 1. What a
script reads goes to standard output, what people read to standard error. Commands import what they
need, so that each starts fast.
"""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import access, bank, templates
from api.cli.shell import (
    DatabaseUrl,
    Json,
    as_json,
    errors_as_sentences,
    fail,
    in_columns,
    load,
    say,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from api.settings.settings import Settings
    from models.audit import Report

app = typer.Typer(
    name="account-credit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 100},
)

documents = typer.Typer(help="Persisted GraphQL documents, which clients request by ID.")
app.add_typer(documents, name="documents", no_args_is_help=True)

Demo = Annotated[
    bool, typer.Option("--demo", help="Demo mode: a sample provider with sample clients.")
]
RedisUrl = Annotated[str | None, typer.Option(help="Redis, for live updates. Default: REDIS_URL.")]
Host = Annotated[str | None, typer.Option(help="The address to listen on. Default: HOST.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on. Default: PORT.")]
PublicUrl = Annotated[
    str | None, typer.Option(help="The server's public URL. Default: PUBLIC_URL.")
]
Workers = Annotated[
    int | None, typer.Option(help="The number of processes that serve. Default: WEB_CONCURRENCY.")
]


def main() -> None:
    """The program `account-credit`."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"account-credit {version('account-credit')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Prepaid credit for a hosting client portal. Settings are environment
    variables; those that a command needs most are its options, too.
    """


@app.command()
def serve(
    *,
    demo: Demo = False,
    host: Host = None,
    port: Port = None,
    public_url: PublicUrl = None,
    database_url: DatabaseUrl = None,
    redis_url: RedisUrl = None,
    workers: Workers = None,
) -> None:
    """Serve the API. With --demo: migrate, fill an empty database, and print the sign-ins."""
    with errors_as_sentences():
        gc.disable()  # starting makes much and drops little; the server turns it on again
        settings = load(
            demo=demo,
            logs=True,
            host=host,
            port=port,
            public_url=public_url,
            database_url=database_url,
            redis_url=redis_url,
            web_concurrency=workers,
        )
        settings.require_processes()
        warn(settings)
        from api.app import create_app
        from api.server import serve as server

        with server.listener(settings) as listener:
            if demo:
                from api.cli import commands

                if asyncio.run(commands.fill_demo(settings)):
                    say("Filled the empty database with demo data.")
                _print_addresses(settings)
            count = settings.web_concurrency
            several = f", processes: {count}" if count > 1 else ""
            where = f"(database: {settings.database_name}{several})"
            ready = partial(say, f"Serving on {settings.public_url} {where}")
            if several:
                _serve_in_processes(settings, listener, ready)
            else:
                server.serve(create_app(settings), settings, listener, ready)


def _serve_in_processes(settings: Settings, listener: socket, ready: Callable[[], None]) -> None:
    from api.app import create_app, make_pool
    from api.cli import commands
    from api.server import processes

    asyncio.run(commands.check(settings))
    processes.serve_in_processes(create_app, settings, listener, make_pool(settings), ready)


@app.command()
def worker(database_url: DatabaseUrl = None, redis_url: RedisUrl = None) -> None:
    """Run background jobs until stopped. On SQLite, `serve` runs them by default."""
    with errors_as_sentences():
        settings = load(logs=True, database_url=database_url, redis_url=redis_url)
        warn(settings)
        from api.cli import commands

        say(f"Working on {settings.database_name}")
        asyncio.run(commands.work(settings))
        say("Stopped.")


@app.command()
def migrate(database_url: DatabaseUrl = None) -> None:
    """Migrate the database to the latest schema."""
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        from api.cli import commands

        asyncio.run(commands.migrate(settings))
        say(f"The database {settings.database_name} is up to date.")


@app.command()
def demo(*, json: Json = False, database_url: DatabaseUrl = None) -> None:
    """Fill an empty database with demo data; print fresh sign-ins, a partner's key and vouchers."""
    with errors_as_sentences():
        settings = load(demo=True, database_url=database_url)
        from api.cli import commands

        sign_ins = asyncio.run(commands.demo_sign_ins(settings))
        print(as_json(sign_ins) if json else _sign_ins(sign_ins))


@app.command()
def audit(database_url: DatabaseUrl = None) -> None:
    """Check that the books add up: print totals, or one line per finding and exit with code 1."""
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        from api.cli import commands

        report = asyncio.run(commands.audit_books(settings))
        for finding in report.findings:
            print(finding)
        for warning in report.warnings:
            say(f"Warning: {warning}")
        if report.findings:
            many = "" if len(report.findings) == 1 else "s"
            fail(f"{len(report.findings)} finding{many}: the books don't add up.")
        print(in_columns([*report.counts.items(), *_totals(report)]))
        say(f"The books of {settings.database_name} add up.")


app.command()(bank.import_statement)
for command in (
    access.create_staff,
    access.reset_factors,
    access.create_key,
    access.list_keys,
    access.rotate_key,
    access.revoke_key,
):
    app.command()(command)


@app.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    from schema import make_schema, sdl

    print(sdl(make_schema()), end="")


app.command()(templates.preview_document)


@documents.command("import")
def import_documents(
    file: Annotated[Path, typer.Argument(help="A JSON object of IDs and documents.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Register a portal's persisted documents, from the file that GraphQL Code Generator's client
    preset or Relay's compiler writes. If one document is invalid, none are registered.
    """
    with errors_as_sentences():
        settings = load(secret=False, database_url=database_url)
        from api.cli import commands

        added, known = asyncio.run(commands.import_documents(settings, file))
        say(f"Newly registered documents: {added}. Already registered: {known}.")


# ------------------------------------------------------------------------------- words


def _totals(report: Report) -> list[tuple[str, object]]:
    """What the ledger holds of each currency, in major units."""
    from models.money import Money

    return [
        (f"{currency} {kind.lower().replace('_', ' ')}", f"{Money(minor, currency).amount:f}")
        for currency, kinds in report.totals.items()
        for kind, minor in kinds.items()
    ]


def _print_addresses(settings: Settings) -> None:
    from api.demo import CLIENTS, PASSWORD, STAFF_EMAIL
    from api.html.about import addresses

    people = [(client.email, f"client, {client.currency}") for client in CLIENTS]
    people.append((STAFF_EMAIL, "staff"))
    signs = [(email, f"password {PASSWORD} ({who})") for email, who in people]
    print(in_columns([*addresses(settings).items(), *signs]), flush=True)


def _sign_ins(sign_ins: dict[str, Any]) -> str:
    rows = [("Address", sign_ins["url"])]
    for who in (*sign_ins["clients"], sign_ins["staff"]):
        what = f"{who['currency']} client {who['accountId']}" if "currency" in who else "staff"
        rows.append((who["email"], f"password {who['password']}  token {who['token']}  {what}"))
    rows.append(("Partner's key", sign_ins["partner"]["key"]))
    for currency, codes in sign_ins["vouchersByCurrency"].items():
        rows.append((f"Vouchers {currency}", " ".join(codes)))
    return in_columns(rows)
