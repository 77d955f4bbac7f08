"""Bank statements: `account-credit import-statement`."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.shell import DatabaseUrl, Json, as_json, errors_as_sentences, fail, load, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.bank_files import Reading
    from models.bank.import_statement import Import
    from models.bank.reported import ReportedStatement


class StatementForm(StrEnum):
    """How statement files are read."""

    AUTO = "auto"
    CSV = "csv"


Files = Annotated[
    list[str],
    typer.Argument(help="camt.052 to 054, MT940, Zengin, ZIP or CSV files; - for stdin."),
]
Form = Annotated[
    StatementForm,
    typer.Option("--format", help="csv needs --columns; all other formats are detected."),
]
Columns = Annotated[
    str,
    typer.Option(
        help="CSV: its columns, such as date=取引日,credit=入金金額,payer=摘要; see the README."
    ),
]
Account = Annotated[str, typer.Option(help="CSV: the account that the statement is for.")]
Currency = Annotated[str, typer.Option(help="CSV: the currency of the amounts.")]
DateFormat = Annotated[
    str, typer.Option(help="CSV: the date format, such as %d.%m.%Y. Default: year first.")
]
Encoding = Annotated[
    str, typer.Option(help="CSV: the encoding. Default: UTF-8, UTF-16 or Shift_JIS, detected.")
]
Separator = Annotated[
    str, typer.Option(help="CSV: the separator: , ; | or tab. Default: detected.")
]
Decimal = Annotated[str, typer.Option(help="CSV: the decimal separator, . or ,")]
HeadingRows = Annotated[
    int,
    typer.Option(
        min=0, max=100, help="CSV with numbered columns: the number of heading rows to skip."
    ),
]
DemoAccounts = Annotated[bool, typer.Option("--demo", help="Use the demo's bank accounts.")]


def import_statement(
    files: Files,
    *,
    form: Form = StatementForm.AUTO,
    columns: Columns = "",
    account: Account = "",
    currency: Currency = "",
    date_format: DateFormat = "",
    encoding: Encoding = "",
    separator: Separator = "",
    decimal: Decimal = "",
    heading_rows: HeadingRows = 0,
    json: Json = False,
    demo: DemoAccounts = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Import bank statements: book transfers, and park those that can't be matched. Safe to repeat.

    Nothing is booked from a file that can't be read completely; other files are imported, and the
    exit code is 1.
    """
    csv_options = {
        "account": account,
        "currency": currency,
        "date_format": date_format,
        "encoding": encoding,
        "separator": separator,
        "decimal": decimal,
        "heading_rows": heading_rows,
    }
    with errors_as_sentences():
        settings = load(demo=demo, database_url=database_url)
        from api import bank_files
        from api.cli import commands

        is_csv = form is StatementForm.CSV
        how = bank_files.Reading(
            bank_files.Columns.parse(columns, **csv_options) if is_csv else None,
            settings.bank_branches,
        )
        readable, problems = _statements(files, settings.bank_account_numbers, how)
        done = asyncio.run(commands.import_statements(settings, readable)) if readable else []
        _report(done, json=json)
        if problems:
            fail(*problems)


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


def _report(done: Sequence[tuple[str, list[Import]]], *, json: bool) -> None:
    from api.bank_files import report

    if json:
        print(as_json([report.as_json(*one) for one in done]))
    for name, imports in done:
        for line in () if json else report.lines(name, imports):
            print(line)
        for warning in report.warnings(imports):
            say(f"Warning: {warning}")
