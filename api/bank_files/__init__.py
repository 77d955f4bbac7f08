"""Bank statements as files: ISO 20022, MT940, Zengin, CSV, and archives of them; read to their end
or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

from api.bank_files import camt, csv_reader, mt940, zengin, zipped
from api.bank_files.csv_columns import Columns, ColumnsWrong
from api.bank_files.lines import StatementUnreadable, at
from api.bank_files.texts import marked_encoding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from models.bank.reported import ReportedStatement

#: Far more than a day of a bank that serves a hosting provider.
SIZE_MAX: Final = 32 * 2**20

__all__ = [
    "SIZE_MAX",
    "Columns",
    "ColumnsWrong",
    "Reading",
    "StatementUnreadable",
    "read",
    "read_file",
]


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: CSV by `columns`, where there are, and all others by what they are.

    `branches` are the branch code and the type (`ordinary`, `current`) of accounts in Japan.
    """

    columns: Columns | None = None
    branches: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)


def read_file(
    file: IO[bytes], accounts: Collection[str], how: Reading | None = None
) -> list[ReportedStatement]:
    """As `read`; of a file that is too large nothing more than that is read."""
    return read(file.read(SIZE_MAX + 1), accounts, how)


def read(
    data: bytes, accounts: Collection[str], how: Reading | None = None
) -> list[ReportedStatement]:
    """The statements in a file, all of them of our own `accounts` (`models.bank.account`).

    Raises StatementUnreadable, which says where and why as the rest of a sentence.
    """
    if len(data) > SIZE_MAX:
        raise StatementUnreadable(f"it is larger than {SIZE_MAX // 2**20} MiB")
    if not zipped.is_zip(data):
        return _read(data, accounts, how or Reading())
    statements = []
    for name, content in zipped.files(data):
        with at(f"{name} in it:"):
            statements += _read(content, accounts, how or Reading())
    return statements or _none()


def _read(data: bytes, accounts: Collection[str], how: Reading) -> list[ReportedStatement]:
    if how.columns is not None:
        return csv_reader.read(data, accounts, how.columns) or _none()
    if _is_xml(data):
        return camt.read(data, accounts) or _none()
    if zengin.is_zengin(data):
        return zengin.read(data, accounts, how.branches)
    return mt940.read(data, accounts) or _none()


def _is_xml(data: bytes) -> bool:
    encoding = marked_encoding(data) or "latin-1"
    return data[:64].decode(encoding, "ignore").lstrip("\ufeff\0 \t\r\n").startswith("<")


def _none() -> list[ReportedStatement]:
    raise StatementUnreadable("it contains no statement")
