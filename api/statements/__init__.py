"""Bank statements as files: camt.053, camt.054 and MT940, read to their end or not at all."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

from api.statements import camt, mt940_reader
from api.statements.lines import StatementUnreadable

if TYPE_CHECKING:
    from collections.abc import Collection

    from models.bank_statement import Statement

#: Far more than a day of a bank that serves a hosting provider.
SIZE_MAX: Final = 32 * 2**20

__all__ = ["SIZE_MAX", "StatementUnreadable", "read", "read_file"]

_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def read_file(file: IO[bytes], accounts: Collection[str]) -> list[Statement]:
    """As `read`; of a file that is too large nothing more than that is read."""
    return read(file.read(SIZE_MAX + 1), accounts)


def read(data: bytes, accounts: Collection[str]) -> list[Statement]:
    """The statements in a file, all of them of our own `accounts` (`lines.compact`).

    Raises StatementUnreadable, which says why as the rest of a sentence.
    """
    if len(data) > SIZE_MAX:
        raise StatementUnreadable(f"it is larger than {SIZE_MAX // 2**20} MiB")
    start = data[:64].lstrip()
    for mark in _BYTE_ORDER_MARKS:
        start = start.removeprefix(mark).lstrip(b"\0 \t\r\n")
    is_xml = start.startswith(b"<")
    statements = camt.read(data, accounts) if is_xml else mt940_reader.read(data, accounts)
    if not statements:
        raise StatementUnreadable("there is no statement in it")
    return statements
