"""What the outside may read of an error. Everything unexpected is logged and masked, here only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from models.db.trouble import Trouble, note
from models.errors import Busy
from schema.core.errors import busy_error

#: The codes of top-level errors; a rule's no is a `userErrors` entry and has its own.
CODES = frozenset(
    {
        "BAD_USER_INPUT",
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "NOT_FOUND",
        "LIMIT_EXCEEDED",
        "RATE_LIMITED",
        "TRY_AGAIN",
        "INTERNAL",
        # Of persisted documents, as Apollo's clients know them.
        "PERSISTED_QUERY_NOT_FOUND",
        "PERSISTED_QUERY_NOT_SUPPORTED",
        "PERSISTED_QUERY_ONLY",
    }
)
INTERNAL_MESSAGE = "Internal error"
TROUBLE_MESSAGES = {
    Trouble.FULL: "The database can't store anything at the moment. Try again later, with the same "
    "idempotency key.",
    Trouble.BUSY: "The database is busy. Try again in a moment, with the same idempotency key.",
    Trouble.AWAY: "The database is unavailable. Try again in a moment, with the same idempotency "
    "key.",
}
#: Messages quote what the client sent, which may be long.
MESSAGE_CHARS_MAX = 300
#: An answer of many rows may have one a row.
ERRORS_MAX = 100

log = structlog.get_logger(__name__)


def public_errors(
    errors: Iterable[GraphQLError], *, suggestions: bool = True
) -> list[dict[str, Any]]:
    """Errors as the response carries them: message, locations, path, and a code from CODES.

    An error that nobody meant for the client becomes "Internal error" with an id. The log has the
    traceback under that id, once a response however many fields failed. What ails the database is
    no error of ours: it is TRY_AGAIN.
    """
    incident = ""
    public = []
    given = [_with_its_code(error) for error in errors]
    if len(given) > ERRORS_MAX:
        left = f"… and {len(given) - ERRORS_MAX} more errors."
        given[ERRORS_MAX:] = [GraphQLError(left, extensions={"code": "LIMIT_EXCEEDED"})]
    for error in given:
        code = code_of(error)
        trouble = note(error) if code is None else None
        if trouble is not None:
            log.error("database_trouble", trouble=trouble.value, exc_info=error)
            public.append(_formatted(error, TROUBLE_MESSAGES[trouble], {"code": "TRY_AGAIN"}))
        elif code is None:
            incident = incident or report(error)
            public.append(_formatted(error, INTERNAL_MESSAGE, {"code": "INTERNAL", "id": incident}))
        else:
            message = _message(error, suggestions=suggestions)
            public.append(_formatted(error, message, {**(error.extensions or {}), "code": code}))
    return public


def _with_its_code(error: GraphQLError) -> GraphQLError:
    """A temporary failure is reported as such, wherever it was raised."""
    busy = error.original_error
    if not isinstance(busy, Busy) or (error.extensions or {}).get("code"):
        return error
    told = busy_error(busy)
    return GraphQLError(
        told.message,
        error.nodes,
        path=error.path,
        original_error=busy,
        extensions=told.extensions,
    )


def code_of(error: GraphQLError) -> str | None:
    """The error's code, or None for an error that is not for the client."""
    code = (error.extensions or {}).get("code")
    if code in CODES:
        return str(code)
    if isinstance(error, GraphQLSyntaxError):
        # graphql-core says so when its limits on tokens, comments, length and nesting stop it.
        return "LIMIT_EXCEEDED" if "Parsing aborted." in error.message else "BAD_USER_INPUT"
    # Before execution an error with a place in the document is about the document or its
    # variables, whatever a scalar's parser raised. In execution (with a path) it takes a code.
    deliberate = error.original_error is None or isinstance(error.original_error, GraphQLError)
    return "BAD_USER_INPUT" if error.path is None and (error.nodes or deliberate) else None


def report(error: Exception) -> str:
    """Logs an unexpected error with its traceback; the id under which the log has it."""
    incident = uuid4().hex
    cause = (error.original_error if isinstance(error, GraphQLError) else None) or error
    log.error(
        "graphql_internal_error",
        incident=incident,
        path=getattr(error, "path", None),
        exc_info=(type(cause), cause, cause.__traceback__),
    )
    return incident


def _formatted(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    formatted: dict[str, Any] = {"message": message, "extensions": extensions}
    if error.locations:
        formatted["locations"] = [place.formatted for place in error.locations]
    if error.path is not None:
        formatted["path"] = error.path
    return formatted


def _message(error: GraphQLError, *, suggestions: bool) -> str:
    # What a scalar's parser raised may tell of our insides, so graphql-core's quote of it goes.
    message = error.message.partition(", but encountered error ")[0]
    if not suggestions:
        message = message.partition(" Did you mean ")[0]
    return message[:MESSAGE_CHARS_MAX]
