"""Bank statements as files: ISO 20022 and MT940, read to their end or not at all."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

from api.statements import camt, mt940_reader
from api.statements.lines import StatementUnreadable
from api.statements.texts import marked_encoding

if TYPE_CHECKING:
    from collections.abc import Collection

    from models.bank_statement import Statement

#: Far more than a day of a bank that serves a hosting provider.
SIZE_MAX: Final = 32 * 2**20

__all__ = ["SIZE_MAX", "StatementUnreadable", "read", "read_file"]


def read_file(file: IO[bytes], accounts: Collection[str]) -> list[Statement]:
    """As `read`; of a file that is too large nothing more than that is read."""
    return read(file.read(SIZE_MAX + 1), accounts)


def read(data: bytes, accounts: Collection[str]) -> list[Statement]:
    """The statements in a file, all of them of our own `accounts` (`models.bank_account`).

    Raises StatementUnreadable, which says where and why as the rest of a sentence.
    """
    if len(data) > SIZE_MAX:
        raise StatementUnreadable(f"it is larger than {SIZE_MAX // 2**20} MiB")
    read_form = camt.read if _is_xml(data) else mt940_reader.read
    statements = read_form(data, accounts)
    if not statements:
        raise StatementUnreadable("there is no statement in it")
    return statements


def _is_xml(data: bytes) -> bool:
    encoding = marked_encoding(data) or "latin-1"
    return data[:64].decode(encoding, "ignore").lstrip("\ufeff\0 \t\r\n").startswith("<")
