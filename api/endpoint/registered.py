"""Persisted documents: a client names a document that the server has, instead of sending it.

Documents come here in two ways. A provider registers those that a portal was built with
(`account-credit documents import`); they are kept in the database. And clients that speak automatic
persisted queries send a document with its hash once; each process keeps the ones used last, and a
process that does not have one asks for it again, as that protocol does. So nobody can fill more
than that little memory, and nothing has to be shared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

import structlog
from cachetools import LRUCache
from graphql import GraphQLError

from models.edge import registered_query
from models.edge.registered_query import hash_in, identifier_of

if TYPE_CHECKING:
    from api.settings.settings import PersistedDocuments

log = structlog.get_logger(__name__)


def texts_used_last(texts_max: int, chars_max: int) -> LRUCache[str, str]:
    """Documents by identifier; bounded by their characters, and by their number: a short one counts
    as the room that each could have.
    """
    least = chars_max // texts_max
    return LRUCache(chars_max, getsizeof=lambda text: max(len(text), least))


class RegisteredQueries:
    """What one process answers by identifier.

    `off`: nothing. `allow`: what is registered, and what clients send with its hash; any other
    document may be sent as well. `only`: nothing but what is registered, except for those whom the
    endpoint trusts with any document.
    """

    def __init__(
        self,
        mode: PersistedDocuments = "off",
        find: Callable[[str], Awaitable[str | None]] = registered_query.find,
        *,
        own: Mapping[str, str] | None = None,
        text_chars_max: int = 65_536,
    ) -> None:
        """`own` are the documents of our own pages: registered always."""
        self.mode: Final = mode
        self._find = find
        self._own = own or {}
        self._text_chars_max = text_chars_max
        self._registered = texts_used_last(2_000, 2_000_000)
        self._sent = texts_used_last(1_000, 1_000_000)

    async def text(self, query: str, document_id: str | None, *, trusted: bool) -> str:
        """The document to execute. Raises GraphQLError with the code that says why there is none.

        `query` is what was sent, empty where only `document_id` was.
        """
        if self.mode == "off":
            return _sent_itself(query)
        if not query:
            return await self._known(document_id)
        if document_id is not None:
            _require_own_hash(query, document_id)
        if self.mode == "only":
            if not (trusted or await self._is_registered(query)):
                raise _refused(query)
        elif document_id is not None and len(query) <= self._text_chars_max:
            self._sent[document_id] = query
        return query

    async def _known(self, document_id: str | None) -> str:
        assert document_id is not None, "a request has a document or an identifier"
        text = self._sent.get(document_id) or await self._registered_as(document_id)
        if text is None:
            raise _error("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
        return text

    async def _registered_as(self, document_id: str) -> str | None:
        text = self._own.get(document_id) or self._registered.get(document_id)
        if text is None and (text := await self._find(document_id)) is not None:
            self._registered[document_id] = text
        return text

    async def _is_registered(self, query: str) -> bool:
        if len(query) > self._text_chars_max:
            return False
        return await self._registered_as(identifier_of(query)) == query


def _sent_itself(query: str) -> str:
    if not query:
        # The words after which Apollo's clients and urql send documents from then on.
        raise _error("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
    return query


def _require_own_hash(query: str, document_id: str) -> None:
    if hash_in(document_id) is None:
        raise _error(
            "A document can only be sent along with its hash, `sha256:…`.", "BAD_USER_INPUT"
        )
    if identifier_of(query) != document_id:
        raise _error("The hash doesn't match the document.", "BAD_USER_INPUT")


def _refused(query: str) -> GraphQLError:
    # Not a word of it: it may hold a password.
    log.info("document_not_registered", sha256=hash_in(identifier_of(query)), chars=len(query))
    return _error("Only registered documents are allowed here.", "PERSISTED_QUERY_ONLY")


def _error(message: str, code: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})
