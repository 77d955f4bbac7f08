"""The data of a message: what a registered document answers, asked with an endpoint's rights."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from models.db.caller import called_by
from models.errors import TryAgain
from schema.core.context import Context
from schema.core.watch import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLError

    from models.access.identity import Actor
    from schema.core.context import DocumentUrl
    from schema.engine.guard import Schema

#: Codes of errors that are gone a moment later.
_PASSING: Final = frozenset({"TRY_AGAIN", "RATE_LIMITED"})


class DocumentAnswers:
    """See models.partners.message.Answers. The schema is made when the first document is answered:
    most providers have none.
    """

    def __init__(self, make: Callable[[], Schema], document_url: DocumentUrl) -> None:
        self._make = make
        self._document_url = document_url

    @cached_property
    def _schema(self) -> Schema:
        return self._make()

    async def data(self, document: str, event: str, by: Actor) -> object:
        """See Answers. Raises TryAgain for what fails only now."""
        context = Context(actor=by, watchers=Watchers(), document_url=self._document_url)
        with called_by(by.caller):
            result = await self._schema.execute(document, {"event": event}, context)
        if any(map(_passes, result.errors or ())):
            raise TryAgain
        return result.data


def _passes(error: GraphQLError) -> bool:
    code = (error.extensions or {}).get("code")
    if code is None:  # a fault of ours, or a document that the schema has left behind
        return error.original_error is not None
    return code in _PASSING
