"""What a document must be to tell of an event: one query of `$event: ID!`, within the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import (
    DocumentNode,
    GraphQLError,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    VariableDefinitionNode,
    parse,
    print_ast,
)

from models.errors import Invalid

if TYPE_CHECKING:
    from schema.engine.guard import Schema

VARIABLE = "event"
_TYPE = "ID!"


def require_event_document(text: str, schema: Schema) -> None:
    """Raises Invalid at `document`."""
    problems = schema.problems(text)
    if problems:
        raise Invalid("document", problem="document_invalid")
    [operation] = _operations(text)
    if operation.operation is not OperationType.QUERY:
        raise Invalid("document", problem="document_query")
    given = {one.variable.name.value: one for one in operation.variable_definitions or ()}
    event = given.pop(VARIABLE, None)
    if event is None or print_ast(event.type) != _TYPE or any(map(_is_required, given.values())):
        raise Invalid("document", problem="document_event")


def _operations(text: str) -> list[OperationDefinitionNode]:
    """The one operation. Raises Invalid where there are several."""
    try:
        document: DocumentNode = parse(text)
    except GraphQLError:  # pragma: no cover - it had no problems
        raise Invalid("document", problem="document_invalid") from None
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if len(found) != 1:
        raise Invalid("document", problem="document_query")
    return found


def _is_required(variable: VariableDefinitionNode) -> bool:
    return isinstance(variable.type, NonNullTypeNode) and variable.default_value is None
