"""Registered queries: the GraphQL documents that a portal was built with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from tortoise import fields

from models.db import sql
from models.db.record import Record
from models.db.transactions import transaction

#: What begins an identifier that is the hash of its document (GraphQL over HTTP, Appendix A).
BY_HASH: Final = "sha256:"

_ROWS_MAX: Final = 100
_SHA256: Final = re.compile(rf"(?:{BY_HASH})?([0-9a-f]{{64}})")


class RegisteredQuery(Record):
    """A document and the identifier that its client asks for it by. Only ever added."""

    identifier = fields.CharField(max_length=255, unique=True)
    sha256 = fields.CharField(max_length=64, db_index=True)
    text = fields.TextField()

    class Meta:
        table = "persisted_document"


class IdentifierTaken(Exception):
    """Another document has this identifier already."""

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier


def identifier_of(text: str) -> str:
    """The identifier that says what its document is: `sha256:…`."""
    return f"{BY_HASH}{hashlib.sha256(text.encode()).hexdigest()}"


def hash_in(identifier: str) -> str | None:
    """The SHA-256, as 64 hexadecimal digits, that an identifier is, with or without its prefix."""
    found = _SHA256.fullmatch(identifier)
    return found[1] if found else None


async def find(identifier: str) -> str | None:
    """The document with that identifier, or with that hash whatever it was registered as."""
    sha256 = hash_in(identifier)
    column, value = ("identifier", identifier) if sha256 is None else ("sha256", sha256)
    statement = f"SELECT text FROM persisted_document WHERE {column} = $1 LIMIT 1"
    row = await sql.fetch_one(statement, value)
    return None if row is None else str(row["text"])


async def register(documents: Mapping[str, str]) -> int:
    """Add documents by their identifiers, all or none; how many are new.

    Raises IdentifierTaken: what a client has been built with never changes.
    """
    return await transaction(lambda: _register(documents))


async def _register(documents: Mapping[str, str]) -> int:
    added, queries = 0, [_query(identifier, text) for identifier, text in documents.items()]
    for start in range(0, len(queries), _ROWS_MAX):
        some = queries[start : start + _ROWS_MAX]
        added += await sql.add_new(*some)
        await _require_same([query.identifier for query in some], documents)
    return added


def _query(identifier: str, text: str) -> RegisteredQuery:
    sha256 = identifier_of(text).removeprefix(BY_HASH)
    return RegisteredQuery(identifier=identifier, sha256=sha256, text=text)


async def _require_same(identifiers: list[str], documents: Mapping[str, str]) -> None:
    kept = await sql.fetch(
        "SELECT identifier, text FROM persisted_document"
        f" WHERE identifier IN ({sql.placeholders(len(identifiers))})",
        *identifiers,
    )
    for row in kept:
        if row["text"] != documents[row["identifier"]]:
            raise IdentifierTaken(row["identifier"])
