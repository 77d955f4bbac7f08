"""The command line: `account-credit serve | worker | migrate | demo | audit | …`.

Each command says what it does, and where it cannot, why, in a sentence and with exit code 1. What a
script reads goes to standard output, what people read to standard error. Commands import what they
need, so that each starts fast.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import sys
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from socket import socket

    from api.bank_files import Reading
    from api.settings.settings import Settings
    from models.audit import Report
    from models.bank.reported import ReportedStatement

app = typer.Typer(
    name="account-credit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

documents = typer.Typer(help="Persisted GraphQL documents, which clients request by ID.")
app.add_typer(documents, name="documents", no_args_is_help=True)

Demo = Annotated[
    bool, typer.Option("--demo", help="Demo mode: a sample provider with sample clients.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
# Settings that are worth an option; it comes before the environment.
DatabaseUrl = Annotated[
    str | None, typer.Option(help="The database. Default: DATABASE_URL.", show_default=False)
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
    """Prepaid credit for a hosting client portal. All settings are environment variables."""


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
    with _errors_as_sentences():
        gc.disable()  # starting makes much and drops little; the server turns it on again
        settings = _settings(
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
        from api.app import create_app
        from api.server import serve as server

        with server.listener(settings) as listener:
            if demo:
                from api.cli import commands

                if asyncio.run(commands.fill_demo(settings)):
                    _say("Filled the empty database with demo data.")
                _print_addresses(settings)
            count = settings.web_concurrency
            several = f", processes: {count}" if count > 1 else ""
            where = f"(database: {settings.database_name}{several})"
            ready = partial(_say, f"Serving on {settings.public_url} {where}")
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
    with _errors_as_sentences():
        settings = _settings(logs=True, database_url=database_url, redis_url=redis_url)
        from api.cli import commands

        _say(f"Working on {settings.database_name}")
        asyncio.run(commands.work(settings))
        _say("Stopped.")


@app.command()
def migrate(database_url: DatabaseUrl = None) -> None:
    """Migrate the database to the latest schema."""
    with _errors_as_sentences():
        settings = _settings(secret=False, database_url=database_url)
        from api.cli import commands

        asyncio.run(commands.migrate(settings))
        _say(f"The database {settings.database_name} is up to date.")


@app.command()
def demo(*, json: Json = False, database_url: DatabaseUrl = None) -> None:
    """Fill an empty database with demo data; print fresh sign-ins, a partner's key and vouchers."""
    with _errors_as_sentences():
        settings = _settings(demo=True, database_url=database_url)
        from api.cli import commands

        sign_ins = asyncio.run(commands.demo_sign_ins(settings))
        print(_json(sign_ins) if json else _sign_ins(sign_ins))


@app.command()
def audit(database_url: DatabaseUrl = None) -> None:
    """Check that the books add up: print totals, or one line per finding and exit with code 1."""
    with _errors_as_sentences():
        settings = _settings(secret=False, database_url=database_url)
        from api.cli import commands

        report = asyncio.run(commands.audit_books(settings))
        for finding in report.findings:
            print(finding)
        for warning in report.warnings:
            _say(f"Warning: {warning}")
        if report.findings:
            many = "" if len(report.findings) == 1 else "s"
            _fail(f"{len(report.findings)} finding{many}: the books don't add up.")
        print(_columns([*report.counts.items(), *_totals(report)]))
        _say(f"The books of {settings.database_name} add up.")


class StatementForm(StrEnum):
    """How statement files are read."""

    AUTO = "auto"
    CSV = "csv"


@app.command()
def import_statement(
    files: Annotated[
        list[str],
        typer.Argument(help="camt.052 to 054, MT940, Zengin, ZIP or CSV files; - for stdin."),
    ],
    *,
    form: Annotated[
        StatementForm,
        typer.Option("--format", help="csv needs --columns; all other formats are detected."),
    ] = StatementForm.AUTO,
    columns: Annotated[
        str,
        typer.Option(
            help="CSV: its columns, such as date=取引日,credit=入金金額,payer=摘要; see the README."
        ),
    ] = "",
    account: Annotated[str, typer.Option(help="CSV: the account that the statement is for.")] = "",
    currency: Annotated[str, typer.Option(help="CSV: the currency of the amounts.")] = "",
    date_format: Annotated[
        str, typer.Option(help="CSV: the date format, such as %d.%m.%Y. Default: year first.")
    ] = "",
    encoding: Annotated[
        str, typer.Option(help="CSV: the encoding. Default: UTF-8, UTF-16 or Shift_JIS, detected.")
    ] = "",
    separator: Annotated[
        str, typer.Option(help="CSV: the separator: , ; | or tab. Default: detected.")
    ] = "",
    decimal: Annotated[str, typer.Option(help="CSV: the decimal separator, . or ,")] = "",
    heading_rows: Annotated[
        int,
        typer.Option(
            min=0, max=100, help="CSV with numbered columns: the number of heading rows to skip."
        ),
    ] = 0,
    json: Json = False,
    demo: Annotated[bool, typer.Option("--demo", help="Use the demo's bank accounts.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Import bank statements: book transfers, and park those that can't be matched. Safe to repeat.

    Nothing is booked from a file that can't be read completely; other files are imported, and the
    exit code is 1.
    """
    with _errors_as_sentences():
        settings = _settings(demo=demo, database_url=database_url)
        from api.bank_files import Columns, Reading, report
        from api.cli import commands

        csv_options = {
            "account": account,
            "currency": currency,
            "date_format": date_format,
            "encoding": encoding,
            "separator": separator,
            "decimal": decimal,
            "heading_rows": heading_rows,
        }
        how = Reading(
            Columns.parse(columns, **csv_options) if form is StatementForm.CSV else None,
            settings.bank_branches,
        )
        readable, problems = _statements(files, settings.bank_account_numbers, how)
        done = asyncio.run(commands.import_statements(settings, readable)) if readable else []
        if json:
            print(_json([report.as_json(*one) for one in done]))
        for name, imports in done:
            for line in () if json else report.lines(name, imports):
                print(line)
            for warning in report.warnings(imports):
                _say(f"Warning: {warning}")
        if problems:
            _fail(*problems)


def _statements(
    files: list[str], accounts: list[str], how: Reading
) -> tuple[list[tuple[str, list[ReportedStatement]]], list[str]]:
    """The files that can be read, and a sentence for each that cannot."""
    from api.bank_files import StatementUnreadable, read_file

    readable, problems = [], []
    for name in files:
        try:
            with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
                readable.append((name, read_file(file, accounts, how)))
        except StatementUnreadable as problem:
            problems.append(f"{name} is not imported: {problem}.")
        except OSError as problem:
            problems.append(f"{name} is not imported: {problem.strerror}.")
    return readable, problems


@app.command()
def create_staff(
    email: Annotated[str, typer.Option(help="The e-mail address to sign in with.")],
    name: Annotated[str, typer.Option(help="The name that colleagues see.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Add a staff member. Asks for the password; without a terminal, it prints one."""
    with _errors_as_sentences():
        settings = _settings(secret=False, database_url=database_url)
        password, made = _password(from_stdin=password_stdin)
        from api.cli import commands

        asyncio.run(commands.create_staff(settings, email, password, name))
        _say(f"{email} can now sign in as staff.")
        if made:
            _say("The password, shown only once:")
            print(password)


@app.command()
def create_key(
    partner: Annotated[str, typer.Option(help="The partner's name; created if new.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="The scopes: accounts:read, credit:read, invoices:read, invoices:write. Repeat "
            "the option, or separate them with commas."
        ),
    ],
    account: Annotated[
        list[str] | None,
        typer.Option(help="A client that the key is limited to (acc_…). Default: all."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create an API key for a partner's system. It is shown once; only its hash is stored."""
    with _errors_as_sentences():
        settings = _settings(secret=False, database_url=database_url)
        scopes = [one for given in scope for one in given.split(",") if one]
        from api.cli import commands

        key = asyncio.run(commands.create_key(settings, partner, scopes, account or [], days))
        _say(f"API key for {partner} ({', '.join(scopes)}), shown only once:")
        print(key)


@app.command()
def list_keys(*, json: Json = False, database_url: DatabaseUrl = None) -> None:
    """List the API keys with their partners, scopes and state."""
    with _errors_as_sentences():
        settings = _settings(secret=False, database_url=database_url)
        from api.cli import commands, key_list

        keys = asyncio.run(commands.list_keys(settings))
        print(_json([key_list.as_json(one) for one in keys]) if json else key_list.table(keys))


@app.command()
def revoke_key(
    key: Annotated[
        str, typer.Argument(help="The key's ID (key_…) or prefix (ack_…); see list-keys.")
    ],
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke an API key. Its open connections are closed within a second."""
    with _errors_as_sentences():
        settings = _settings(secret=False, database_url=database_url)
        from api.cli import commands

        found, done = asyncio.run(commands.revoke_key(settings, key))
        _say(f"{found.public_id} {'is revoked.' if done else 'was already revoked.'}")


@app.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    from schema import make_schema, sdl

    print(sdl(make_schema()), end="")


@app.command()
def preview_document(
    document: Annotated[str, typer.Argument(help="Such as invoice, receipt or statement.")],
    locale: Annotated[str, typer.Option(help="The language and formats (BCP 47).")] = "en",
    out: Annotated[Path | None, typer.Option(help="The file. Default: <document>.pdf")] = None,
    watch: Annotated[bool, typer.Option(help="Render again when a template changes.")] = True,
) -> None:
    """Render a document with sample data, and again whenever a template changes."""
    with _errors_as_sentences():
        settings = _settings(secret=False)
        from api.pdf.documents.samples import DOCUMENTS

        if document not in DOCUMENTS:
            _fail(f"Unknown document: {document}. Choose one of: {', '.join(DOCUMENTS)}.")
        file = out or Path(f"{document}.pdf")
        with suppress(KeyboardInterrupt):
            asyncio.run(_preview(document, locale, file, settings.templates, watch=watch))


async def _preview(name: str, locale: str, out: Path, templates: Path, *, watch: bool) -> None:
    from api.cli import preview
    from api.pdf.process import RenderFailed

    async def once() -> None:
        try:
            size_bytes = await preview.preview(name, locale, out, templates)
        except RenderFailed as failed:
            if not watch:
                raise
            _say(" ".join([str(failed), *getattr(failed, "__notes__", ())]))
        else:
            _say(f"{out}: {size_bytes:,} bytes")

    known = await asyncio.to_thread(preview.stamp, templates)
    await once()
    if watch:
        _say(f"Watching {templates}. Press Ctrl-C to stop.")
        async for _ in preview.changes(templates, known):
            await once()


@documents.command("import")
def import_documents(
    file: Annotated[Path, typer.Argument(help="A JSON object of IDs and documents.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Register a portal's persisted documents, from the file that GraphQL Code Generator's client
    preset or Relay's compiler writes. If one document is invalid, none are registered.
    """
    with _errors_as_sentences():
        settings = _settings(secret=False, database_url=database_url)
        from api.cli import commands

        added, known = asyncio.run(commands.import_documents(settings, file))
        _say(f"Newly registered documents: {added}. Already registered: {known}.")


# ------------------------------------------------------------------------------- settings


def _settings(
    *, demo: bool = False, secret: bool = True, logs: bool = False, **options: str | int | None
) -> Settings:
    from api.observe import logs as telemetry
    from api.settings import settings

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if demo:
        given["account_credit_demo"] = True
    made = settings.load_settings(secret=secret, **given)
    if not logs:
        # Commands answer in sentences; what the domain logs meanwhile is news only when it is bad.
        made.log_level = "warning"
    telemetry.configure(made)
    return made


def _password(*, from_stdin: bool) -> tuple[str, bool]:
    """A password, and whether it was made here."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n"), False
    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return given, False
    return secrets.token_urlsafe(15), True


# ------------------------------------------------------------------------------- words


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """Expected problems become sentences on standard error and exit code 1."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        from api.cli.sentences import sentences

        problems = sentences(error)
        if not problems:
            raise
        _fail(*problems)


def _fail(*problems: str) -> None:
    for problem in problems:
        _say(problem)
    raise typer.Exit(1)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _json(value: object) -> str:
    import orjson

    return orjson.dumps(value).decode()


def _columns(rows: Iterable[tuple[str, object]]) -> str:
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


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
    print(_columns([*addresses(settings).items(), *signs]), flush=True)


def _sign_ins(sign_ins: dict[str, Any]) -> str:
    rows = [("Address", sign_ins["url"])]
    for who in (*sign_ins["clients"], sign_ins["staff"]):
        what = f"{who['currency']} client {who['accountId']}" if "currency" in who else "staff"
        rows.append((who["email"], f"password {who['password']}  token {who['token']}  {what}"))
    rows.append(("Partner's key", sign_ins["partner"]["key"]))
    for currency, codes in sign_ins["vouchersByCurrency"].items():
        rows.append((f"Vouchers {currency}", " ".join(codes)))
    return _columns(rows)
