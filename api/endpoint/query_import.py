"""Files of persisted documents, as the tools that build portals write them, into the database.

GraphQL Code Generator's client preset (`persistedDocuments`) and Relay's compiler (`persistConfig`)
both write one JSON object: `{"<identifier>": "<document>"}`. The identifier is a hash of the
document: `sha256:…` or bare, and MD5 with Relay or SHA-1 with older presets.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from api.endpoint.query_id import MalformedId, canonical
from models.edge import registered_query
from models.edge.registered_query import IdentifierTaken, hash_in, identifier_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schema.engine.guard import Schema

BYTES_MAX: Final = 32 * 1024 * 1024

_SHOWN_MAX: Final = 20
_ID_SHOWN_CHARS: Final = 80
# By the length of their hexadecimal form.
_OTHER_HASHES: Final = {32: "md5", 40: "sha1"}


class QueryFileError(Exception):
    """Nothing was registered; one sentence per problem."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems[:_SHOWN_MAX]
        if len(problems) > _SHOWN_MAX:
            self.problems += (f"And {len(problems) - _SHOWN_MAX} more.",)


def read_documents(path: Path, schema: Schema) -> dict[str, str]:
    """The documents of a file by their identifiers, each one executable with this schema.

    Raises QueryFileError.
    """
    given = _decoded(path)
    if problems := list(_problems(given, schema)):
        raise QueryFileError(*problems)
    return {canonical(identifier): text for identifier, text in given.items()}


async def register(documents: Mapping[str, str]) -> int:
    """Add them to the database, all or none; how many are new. Raises QueryFileError."""
    try:
        return await registered_query.register(documents)
    except IdentifierTaken as taken:
        problem = f"{taken.identifier} is already registered with a different document."
        raise QueryFileError(problem) from None


def _decoded(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise QueryFileError(f"{path} is larger than {BYTES_MAX >> 20} MiB.")
        given = orjson.loads(path.read_bytes())
    except OSError as error:
        raise QueryFileError(f"{path} can't be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise QueryFileError(f"{path} isn't valid JSON: {error}.") from None
    if not isinstance(given, dict) or not given:
        raise QueryFileError(f"{path} isn't a JSON object of IDs and documents.")
    return given


def _problems(given: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    for identifier, text in given.items():
        problem = _problem(identifier, text, schema)
        if problem:
            yield f"{_shown(identifier)}: {problem}"


def _problem(identifier: str, text: object, schema: Schema) -> str:
    if not isinstance(text, str):
        return "the document isn't a string."
    try:
        canonical(identifier)
    except MalformedId:
        return "this isn't a valid ID."
    if not _is_own_hash(identifier, text):
        return "this isn't the hash of the document."
    return next((problem.message for problem in schema.problems(text)), "")


def _is_own_hash(identifier: str, text: str) -> bool:
    """Whether an identifier that looks like a hash is its document's; others may be anything."""
    sha256 = hash_in(identifier)
    if sha256 is not None:
        return identifier_of(text) == f"{registered_query.BY_HASH}{sha256}"
    known = _OTHER_HASHES.get(len(identifier))
    if known is None or set(identifier) - set("0123456789abcdef"):
        return True
    return hashlib.new(known, text.encode(), usedforsecurity=False).hexdigest() == identifier


def _shown(identifier: str) -> str:
    return identifier if len(identifier) <= _ID_SHOWN_CHARS else f"{identifier[:_ID_SHOWN_CHARS]}…"
