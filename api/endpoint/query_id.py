"""How a request names a persisted document, and what such an identifier looks like.

Two ways: `documentId`, after GraphQL over HTTP's Appendix A (Persisted Documents), and Apollo's
`extensions.persistedQuery`, the automatic persisted queries that urql speaks as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from models.edge.registered_query import BY_HASH, hash_in

ID_CHARS_MAX: Final = 255

# The appendix's syntax: only what starts with `x-` may have a prefix of its own.
_ID: Final = re.compile(r"(?:x-[\w.~-]+:)?[\w.~-]+", re.ASCII)
#: Another version would hash otherwise; Apollo's clients then send the document itself.
_APQ_VERSION: Final = 1


class MalformedId(ValueError):
    """A request names its document in a way that nothing can be found by."""


def document_id_of(payload: Mapping[str, Any]) -> str | None:
    """The identifier in a request; None where it has none. Raises MalformedId.

    A hash comes as `sha256:…`, however the client wrote it.
    """
    given, asked = payload.get("documentId"), _automatic(payload.get("extensions"))
    if given is None:
        return asked
    document_id = canonical(given)
    if asked is not None and asked != document_id:
        raise MalformedId("`documentId` and `persistedQuery` refer to different documents.")
    return document_id


def canonical(identifier: object) -> str:
    """An identifier, its hash written as `sha256:…`. Raises MalformedId."""
    if not isinstance(identifier, str) or not 0 < len(identifier) <= ID_CHARS_MAX:
        raise MalformedId(f"`documentId` must be a string of 1 to {ID_CHARS_MAX} characters.")
    sha256 = hash_in(identifier)
    if sha256 is not None:
        return BY_HASH + sha256
    if _ID.fullmatch(identifier) is None:
        raise MalformedId(
            "`documentId` must be `sha256:` and 64 lower-case hexadecimal digits, or consist "
            "of the characters A-Z a-z 0-9 - . _ ~."
        )
    return identifier


def _automatic(extensions: object) -> str | None:
    asked = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if asked is None:
        return None
    if not isinstance(asked, dict) or asked.get("version") != _APQ_VERSION:
        raise MalformedId(f"`persistedQuery` must be an object of version {_APQ_VERSION}.")
    given = asked.get("sha256Hash")
    sha256 = hash_in(given) if isinstance(given, str) else None
    if sha256 is None:
        raise MalformedId("`sha256Hash` must be 64 lower-case hexadecimal digits.")
    return BY_HASH + sha256
