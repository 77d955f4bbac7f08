"""What went wrong at the command line, in sentences. Everything else is a bug, with a traceback."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from tortoise.exceptions import DBConnectionError, OperationalError

from api.bank_files.csv_columns import ColumnsWrong
from api.endpoint.query_import import DocumentsProblem
from api.gateways import GatewayNotLoaded
from api.pdf.process import PdfError
from api.settings.settings import SettingsProblem
from models.db.sqlite_engine import Unreadable
from models.errors import Busy, Refusal

_BUSY: Final = "The database of DATABASE_URL is busy with something else. Try again in a moment."
_ABOUT_THE_DATABASE: Final = (DBConnectionError, OSError, sqlite3.DatabaseError)
# What a database says when it cannot be reached or used at all, and never of a statement of ours.
_UNUSABLE: Final = re.compile(
    r"unable to open database|not a database|disk|readonly|read-only|is locked|refused|password"
    r"|does not exist|too many (clients|connections)",
    re.IGNORECASE,
)


def sentences(error: Exception) -> list[str]:
    """The sentences for an expected problem; none for any other."""
    if isinstance(error, SettingsProblem | DocumentsProblem):
        return list(error.problems)
    if isinstance(error, GatewayNotLoaded | ColumnsWrong | Unreadable):
        return [str(error)]
    if isinstance(error, Refusal | Busy):
        return [_refused(error) if isinstance(error, Refusal) else _BUSY]
    if isinstance(error, PdfError):
        return [" ".join([str(error), *getattr(error, "__notes__", ())])]
    if isinstance(error, _ABOUT_THE_DATABASE) or _is_unusable(error):
        return [f"The database of DATABASE_URL cannot be used: {_first_line(error)}"]
    return []


def _is_unusable(error: Exception) -> bool:
    return isinstance(error, OperationalError) and bool(_UNUSABLE.search(str(error)))


def _refused(refusal: Refusal) -> str:
    where = ".".join(refusal.field)
    facts = ", ".join(str(fact).replace("_", " ") for fact in refusal.facts.values())
    return f"{where or 'It'} is not accepted: {facts or refusal.code.lower().replace('_', ' ')}."


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
