"""Sentences for expected errors of the command line. Any other error is a bug, with a traceback."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from tortoise.exceptions import DBConnectionError, OperationalError

from api.bank_files.csv_columns import ColumnsWrong
from api.endpoint.query_import import QueryFileError
from api.gateways import GatewayNotLoaded
from api.pdf.process import PdfError
from api.settings.settings import SettingsError
from models.db.sqlite_copy import Unreadable
from models.errors import Busy, Refusal

_BUSY: Final = "The database is busy. Try again in a moment."
_ABOUT_THE_DATABASE: Final = (DBConnectionError, OSError, sqlite3.DatabaseError)
# What a database says when it cannot be reached or used at all, and never of a statement of ours.
_UNUSABLE: Final = re.compile(
    r"unable to open database|not a database|disk|readonly|read-only|is locked|refused|password"
    r"|does not exist|too many (clients|connections)",
    re.IGNORECASE,
)
# What PgBouncer says of settings that it does not know; no library wraps it.
_PGBOUNCER: Final = "unsupported startup parameter"
_ADD_PGBOUNCER: Final = "DATABASE_URL leads to PgBouncer. Add ?pgbouncer=true to it."


def sentences(error: Exception) -> list[str]:
    """The sentences for an expected problem; none for any other."""
    if isinstance(error, SettingsError | QueryFileError):
        return list(error.problems)
    if isinstance(error, GatewayNotLoaded | ColumnsWrong | Unreadable):
        return [str(error)]
    if isinstance(error, Refusal | Busy):
        return [_refused(error) if isinstance(error, Refusal) else _BUSY]
    if isinstance(error, PdfError):
        return [" ".join([str(error), *getattr(error, "__notes__", ())])]
    if isinstance(error, _ABOUT_THE_DATABASE) or _is_unusable(error):
        return [f"The database at DATABASE_URL can't be used: {_first_line(error)}"]
    return [_ADD_PGBOUNCER] if _PGBOUNCER in str(error) else []


def _is_unusable(error: Exception) -> bool:
    return isinstance(error, OperationalError) and bool(_UNUSABLE.search(str(error)))


def _refused(refusal: Refusal) -> str:
    from schema.core import texts  # only what is refused needs the sentences

    problem = refusal.facts.get("problem")
    is_sentence = isinstance(problem, str) and " " in problem
    why = problem if is_sentence else texts.explain(refusal, texts.FALLBACK)
    return f"{'.'.join(refusal.field)}: {why}" if refusal.field else str(why)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
