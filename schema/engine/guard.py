"""The guard around every operation: caches, limits, introspection, time, log and metrics.

One extension with operation-level hooks only; a `resolve` hook would double the cost of every
field. Errors are masked where they are written out (masking.py): what an extension raises never
reaches another extension.
"""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, NamedTuple, Self, TypedDict, cast

import strawberry
import structlog
from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.base import BaseSchema
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import ExecutionContext
from strawberry.types.execution import ParseOptions

from schema.engine.costs import Costs, lists
from schema.engine.execution import Executor, too_long
from schema.engine.limits import LimitExceeded, Limits, check

VALIDATION_ERRORS_MAX = 20
INTROSPECTION = frozenset({"__schema", "__type"})

log = structlog.get_logger(__name__)


class Prepared(NamedTuple):
    """A document that passed its limits and validation."""

    document: DocumentNode
    #: With large enough variables it may still cost too much.
    cost_varies: bool
    introspects: bool


class DocumentCache:
    """The documents used last, parsed and found valid. Holds no document that was refused.

    Bounded by number and by the characters of their sources: a parsed document takes 130 to 280
    bytes of memory a character, so the whole cache at most 36 MB.
    """

    def __init__(self, documents_max: int = 512, chars_max: int = 128_000) -> None:
        self.documents_max = documents_max
        self.chars_max = chars_max
        self._chars = 0
        self._documents: OrderedDict[str, Prepared] = OrderedDict()

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, query: str) -> Prepared | None:
        """The prepared document of a query text, if it is kept."""
        prepared = self._documents.get(query)
        if prepared is not None:
            self._documents.move_to_end(query)
        return prepared

    def put(self, query: str, prepared: Prepared) -> None:
        """Keeps a document, and drops those that were not used for longest."""
        if query not in self._documents:
            self._chars += len(query)
        self._documents[query] = prepared
        while self._chars > self.chars_max or len(self._documents) > self.documents_max:
            dropped, _ = self._documents.popitem(last=False)
            self._chars -= len(dropped)


def _everybody(_context: Any) -> bool:  # noqa: ANN401 - whatever the endpoint's context is
    return True


def _nobody_counts(_kind: str, _name: str, _seconds: float, _ok: bool) -> None:  # noqa: FBT001
    """The default of `Guard.observe`."""


@dataclass(frozen=True)
class Guard:
    """What the edge allows, and whom it tells."""

    limits: Limits = field(default_factory=Limits)
    #: The most that each list holds that is no page, by `Type.field`.
    lists: Mapping[str, int] = field(default_factory=partial(lists, 50, 30))
    #: Who may read the schema, by the operation's context.
    introspection: Callable[[Any], bool] = _everybody
    #: Whether errors say "Did you mean"; they tell a stranger the schema.
    suggestions: bool = True
    #: For queries. Mutations are never cancelled, subscriptions last.
    query_seconds_max: float = 10.0
    #: Told of each operation's kind, name, seconds and success. Kinds: query, mutation,
    #: subscription, invalid. Names are the clients' own words: no label for a metric.
    observe: Callable[[str, str, float, bool], None] = _nobody_counts


class Schema(strawberry.Schema):
    """A Strawberry schema that runs every operation behind a guard."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Strawberry's own
        super().__init__(*args, **kwargs)
        self._be_guarded(Guard())

    def guarded(self, guard: Guard) -> Self:
        """The same schema behind another guard; what one guard let pass, the other has not seen."""
        guarded = copy.copy(self)
        guarded._be_guarded(guard)  # noqa: SLF001 - our own kind
        return guarded

    def _be_guarded(self, guard: Guard) -> None:
        self.guard = guard
        self.documents = DocumentCache()
        self.costs = Costs(self._schema, guard.lists)
        seconds, objects = guard.query_seconds_max, guard.limits.objects
        self.execution_context_class = Executor.within(seconds, objects)

    def problems(self, text: str) -> list[GraphQLError]:
        """What keeps a document from ever being executed; none where its variables decide."""
        try:
            document = parse(text, **_parse_options(self.guard.limits))
            _measured(document, self, {})
        except GraphQLError as problem:
            return [problem]
        return _invalid(self, document, specified_rules)

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:  # noqa: FBT001, FBT002
        """Strawberry asks for these anew for each operation."""
        return [GuardExtension(self), *super().get_extensions(sync)]

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: Strawberry would log here what masking.py logs once, where it is masked."""


class GuardExtension(SchemaExtension):
    """Guards one operation."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.guard = schema.guard
        self.documents = schema.documents
        self.prepared: Prepared | None = None

    def on_operation(self) -> Iterator[None]:
        """Logs and counts the operation when it is over, a subscription when it ends."""
        started = perf_counter()
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            failed = failed or bool(getattr(self.execution_context.result, "errors", None))
            self._tell(perf_counter() - started, ok=not failed)

    def _tell(self, seconds: float, *, ok: bool) -> None:
        operation = self._operation()
        kind = operation.operation.value if operation else "invalid"
        name = operation.name.value if operation and operation.name else ""
        self.guard.observe(kind, name, seconds, ok)
        log.info("graphql_operation", kind=kind, operation=name, seconds=round(seconds, 6), ok=ok)

    def on_parse(self) -> Iterator[None]:
        """Takes the document from the cache, or lets Strawberry parse it within the limits."""
        context = self.execution_context
        self.prepared = self.documents.get(context.query or "")
        if self.prepared is None:
            # Strawberry's type knows graphql-core's older option only, and hands on any.
            context.parse_options = cast("ParseOptions", _parse_options(self.guard.limits))
        else:
            context.graphql_document = self.prepared.document
        yield

    def on_validate(self) -> Iterator[None]:
        """Measures, then validates: validating is what a hostile document makes expensive."""
        # A list, even an empty one, tells Strawberry that validation is done.
        self.execution_context.pre_execution_errors = self._refusals()
        yield

    def _refusals(self) -> list[GraphQLError]:
        try:
            prepared = self._within_limits()
        except LimitExceeded as refusal:
            return [refusal]
        if prepared.introspects and not self.guard.introspection(self.execution_context.context):
            return [GraphQLError("Introspection is off.", extensions={"code": "FORBIDDEN"})]
        if self._operation() is None:
            return [GraphQLError("Several operations, and no operationName.")]
        return [] if self.prepared else self._validated(prepared)

    def _within_limits(self) -> Prepared:
        document = self.execution_context.graphql_document
        variables = self.execution_context.variables or {}
        assert document is not None
        if self.prepared is None:
            return _measured(document, self.schema, variables)
        if self.prepared.cost_varies:
            check(document, self.guard.limits, variables, self.schema.costs)
        return self.prepared

    def _validated(self, prepared: Prepared) -> list[GraphQLError]:
        context = self.execution_context
        errors = _invalid(
            context.schema,
            prepared.document,
            context.validation_rules,
            suggestions=self.guard.suggestions,
        )
        if not errors:
            self.documents.put(context.query or "", prepared)
        return errors

    def _operation(self) -> OperationDefinitionNode | None:
        context = self.execution_context
        if context.graphql_document is None:
            return None
        # The public property names the first operation where the request names none, and so would
        # run one of several at random; the GraphQL specification (6.1) wants an error.
        asked: str | None = context._provided_operation_name  # noqa: SLF001 - there is no other way
        return get_operation_ast(context.graphql_document, asked)

    async def on_execute(self) -> AsyncIterator[None]:
        """Stops a query that takes too long."""
        operation = self._operation()
        if operation is None or operation.operation.value != "query":
            yield
            return
        seconds_max = self.guard.query_seconds_max
        try:
            async with asyncio.timeout(seconds_max):
                yield
        except TimeoutError:
            raise too_long(seconds_max) from None


def _invalid(
    schema: BaseSchema,
    document: DocumentNode,
    rules: Iterable[type[ASTValidationRule]],
    *,
    suggestions: bool = True,
) -> list[GraphQLError]:
    return validate(
        schema._schema,  # type: ignore[attr-defined]  # noqa: SLF001 - as Strawberry's own ValidationCache does
        document,
        (*rules, MaybeNullValidationRule, OneOfInputValidationRule),
        max_errors=VALIDATION_ERRORS_MAX,
        hide_suggestions=not suggestions,
    )


def _measured(document: DocumentNode, schema: Schema, variables: dict[str, Any]) -> Prepared:
    limits, costs = schema.guard.limits, schema.costs
    try:
        roots, cost_varies = check(document, limits, costs=costs), False
    except LimitExceeded:
        # Too much with the largest pages; perhaps not with those that were asked for.
        roots, cost_varies = check(document, limits, variables, costs), True
    return Prepared(document, cost_varies, bool(roots & INTROSPECTION))


class LexicalLimits(TypedDict):
    """graphql-core's limits on the source text."""

    max_lexical_tokens: int
    max_comments: int
    max_source_length: int


def _parse_options(limits: Limits) -> LexicalLimits:
    return LexicalLimits(
        max_lexical_tokens=limits.tokens,
        max_comments=limits.comments,
        max_source_length=limits.source_chars,
    )


@lru_cache(maxsize=256)
def operation_kind(query: str, operation_name: str | None, limits: Limits) -> str | None:
    """`query`, `mutation` or `subscription`; None where the text does not say."""
    try:
        operation = get_operation_ast(parse(query, **_parse_options(limits)), operation_name)
    except GraphQLError:
        return None
    return operation.operation.value if operation else None
