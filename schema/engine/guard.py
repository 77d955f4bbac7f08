"""The guard around every operation: caches, limits, introspection, time, and observation.

Errors are masked where they are written out (masking.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from time import perf_counter
from typing import Any, Final, Self, TypedDict

import strawberry
from cachetools import LRUCache
from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
    default_type_resolver,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from schema.engine.bounds import Timeouts, too_long
from schema.engine.costs import Costs, lists
from schema.engine.describe import describe
from schema.engine.execution import Executor
from schema.engine.limits import LimitExceeded, Limits, check
from schema.engine.plan import Plans
from schema.engine.variables import Variables

VALIDATION_ERRORS_MAX = 20
INTROSPECTION = frozenset({"__schema", "__type"})
#: What `Schema.execute` runs and what a PreparedSubscription does, and what is said of the others.
_ANSWERED: Final = frozenset({OperationType.QUERY, OperationType.MUTATION})
STREAMED: Final = frozenset({OperationType.SUBSCRIPTION})
_NOT_STREAMED: Final = "Subscriptions need a websocket or `Accept: text/event-stream`."
_NO_SUBSCRIPTION: Final = "This operation isn't a subscription."


class Prepared:
    """A document that passed its limits and validation, and what its executions have in common."""

    __slots__ = (
        "_variables",
        "chars",
        "cost_varies",
        "document",
        "fragment_details",
        "fragments",
        "introspects",
        "plans",
    )

    def __init__(
        self,
        document: DocumentNode,
        chars: int,
        *,
        cost_varies: bool,
        introspects: bool,
        plans: Plans,
    ) -> None:
        self.document = document
        #: Of its text, at most `Limits.source_chars`.
        self.chars = chars
        #: With large enough variables it may still cost too much.
        self.cost_varies = cost_varies
        self.introspects = introspects
        self.plans = plans
        self.fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        self.fragment_details = {name: FragmentDetails(one) for name, one in self.fragments.items()}
        self._variables: dict[int, Variables] = {}

    def variables_of(self, operation: OperationDefinitionNode, schema: GraphQLSchema) -> Variables:
        """What reads the variables of one of its operations."""
        found = self._variables.get(id(operation))
        if found is None:
            found = self._variables[id(operation)] = Variables(schema, operation)
        return found


def query_cache(queries_max: int = 512, chars_max: int = 128_000) -> LRUCache[str, Prepared]:
    """The queries used last, by their text, parsed and validated; refused ones are not kept.

    Bounded by number and by the characters of their sources, where a short one counts as the room
    that each could have: a parsed document takes 130 to 280 bytes of memory a character, so the
    whole cache at most 36 MB.
    """
    least = chars_max // queries_max
    return LRUCache(chars_max, getsizeof=lambda prepared: max(prepared.chars, least))


def _everybody(_context: Any) -> bool:  # noqa: ANN401 - whatever the endpoint's context is
    return True


def _nobody_counts(_kind: str, _name: str, _seconds: float, _ok: bool) -> None:  # noqa: FBT001
    """The default of `Guard.observe`."""


@dataclass(frozen=True)
class Guard:
    """What the edge allows, and where operations are reported."""

    limits: Limits = field(default_factory=Limits)
    #: Maximum length of each list that isn't a page, by `Type.field`.
    lists: Mapping[str, int] = field(default_factory=partial(lists, 50, 30))
    #: Who may read the schema, by the operation's context.
    introspection: Callable[[Any], bool] = _everybody
    #: Whether errors say "Did you mean"; they tell a stranger the schema.
    suggestions: bool = True
    #: For queries. Mutations are never cancelled, subscriptions last.
    query_seconds_max: float = 10.0
    #: Called with each operation's kind, name, seconds and success. Kinds: query, mutation,
    #: subscription, invalid. Clients choose the names: never use them as metric labels.
    observe: Callable[[str, str, float, bool], None] = _nobody_counts


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """One operation, as it was sent."""

    query: str
    variables: dict[str, Any]
    context: Any
    operation_name: str | None


class Schema(strawberry.Schema):
    """A Strawberry schema that runs every operation behind a guard.

    Strawberry makes the schema. Operations are executed here, without its extensions and its
    execution context, which cost more than a small query does.
    """

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
        self.queries = query_cache()
        self.costs = Costs(self.core, guard.lists)
        self.timeouts = Timeouts(guard.query_seconds_max)

    @property
    def core(self) -> GraphQLSchema:
        """The schema as graphql-core has it."""
        return self._schema

    def problems(self, text: str) -> list[GraphQLError]:
        """What keeps a document from ever being executed; none where its variables decide."""
        try:
            prepared = self._measured(text, {})
        except GraphQLError as problem:
            return [problem]
        return self._invalid(prepared.document)

    async def execute(  # type: ignore[override]
        self,
        query: str,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,  # noqa: ANN401 - the endpoint's
        operation_name: str | None = None,
    ) -> ExecutionResult:
        """The result of a query or mutation: what fails is in it."""
        request = OperationRequest(query, variable_values or {}, context_value, operation_name)
        report = OperationReport(self.guard)
        try:
            executor = self.executor(
                request, self.admitted(request, report, _ANSWERED), report.admitted
            )
            result = await self._executed(executor)
            report.ok = not result.errors
        except OperationRefused as refused:
            return ExecutionResult(None, refused.errors)
        finally:
            report.tell()
        return result

    def admitted(
        self, request: OperationRequest, report: OperationReport, allowed: frozenset[OperationType]
    ) -> Prepared:
        """The prepared document of a request; sets `report.operation`. Raises OperationRefused."""
        known = self.queries.get(request.query)
        try:
            prepared = known or self._measured(request.query, request.variables)
            report.operation = _operation(prepared.document, request, allowed)
            if known is not None and known.cost_varies:
                check(known.document, self.guard.limits, request.variables, self.costs)
        except GraphQLError as refusal:
            raise OperationRefused([refusal]) from None
        if prepared.introspects:
            if not self.guard.introspection(request.context):
                forbidden = {"code": "FORBIDDEN"}
                raise OperationRefused(
                    [GraphQLError("Introspection is disabled.", extensions=forbidden)]
                )
            describe(self.core)
        if known is None:
            errors = self._invalid(prepared.document)
            if errors:
                raise OperationRefused(errors)
            self.queries[request.query] = prepared
        return prepared

    def executor(
        self, request: OperationRequest, prepared: Prepared, operation: OperationDefinitionNode
    ) -> Executor:
        """What executes an operation that was admitted. Raises OperationRefused."""
        values = prepared.variables_of(operation, self.core).read(request.variables)
        if isinstance(values, list):
            raise OperationRefused(values)
        return Executor(
            self.core,
            prepared.fragments,
            prepared.fragment_details,
            None,
            request.context,
            operation,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            plans=prepared.plans,
            objects_max=self.guard.limits.objects,
            seconds_max=self.guard.query_seconds_max,
        )

    async def _executed(self, executor: Executor) -> ExecutionResult:
        if executor.operation.operation is OperationType.MUTATION:
            return await executor.answer()
        try:
            with self.timeouts.one():
                return await executor.answer()
        except TimeoutError:
            return ExecutionResult(None, [too_long(self.guard.query_seconds_max)])

    def _measured(self, text: str, variables: dict[str, Any]) -> Prepared:
        """A document that is within its limits. Raises GraphQLError."""
        limits = self.guard.limits
        document = parse(text, **_parse_options(limits))
        try:
            roots, cost_varies = check(document, limits, costs=self.costs), False
        except LimitExceeded:
            # Too much with the largest pages; perhaps not with those that were asked for.
            roots, cost_varies = check(document, limits, variables, self.costs), True
        introspects = bool(roots & INTROSPECTION)
        return Prepared(
            document,
            len(text),
            cost_varies=cost_varies,
            introspects=introspects,
            plans=Plans(self),
        )

    def _invalid(self, document: DocumentNode) -> list[GraphQLError]:
        return validate(
            self.core,
            document,
            (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule),
            max_errors=VALIDATION_ERRORS_MAX,
            hide_suggestions=not self.guard.suggestions,
        )


class OperationRefused(Exception):
    """An operation is not executed."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__()
        self.errors = errors


class OperationReport:
    """What `Guard.observe` is called with when one operation is over."""

    __slots__ = ("_began", "_guard", "ok", "operation")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._began = perf_counter()
        self.operation: OperationDefinitionNode | None = None
        self.ok = False

    @property
    def admitted(self) -> OperationDefinitionNode:
        """The operation, once it has been admitted."""
        assert self.operation is not None
        return self.operation

    def tell(self) -> None:
        """It is over, or a subscription has ended."""
        seconds, operation = perf_counter() - self._began, self.operation
        kind = operation.operation.value if operation else "invalid"
        name = operation.name.value if operation and operation.name else ""
        self._guard.observe(kind, name, seconds, self.ok)


def _operation(
    document: DocumentNode, request: OperationRequest, allowed: frozenset[OperationType]
) -> OperationDefinitionNode:
    """The operation that is asked for (GraphQL specification, 6.1). Raises GraphQLError."""
    operation = get_operation_ast(document, request.operation_name)
    if operation is None:
        raise GraphQLError(_missing(document, request.operation_name))
    if operation.operation not in allowed:
        raise GraphQLError(_NOT_STREAMED if allowed is _ANSWERED else _NO_SUBSCRIPTION)
    return operation


def _missing(document: DocumentNode, name: str | None) -> str:
    if name is not None:
        return f'Unknown operation named "{name}".'
    if any(isinstance(one, OperationDefinitionNode) for one in document.definitions):
        return "The document has several operations: operationName is required."
    return "Can't get GraphQL operation type"


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


#: Of the texts last asked about, by their hashes: the texts are the callers', and may be long.
_kinds: Final[LRUCache[bytes, str | None]] = LRUCache(1024)


def operation_kind(query: str, operation_name: str | None, limits: Limits) -> str | None:
    """`query`, `mutation` or `subscription`; None where the text does not say."""
    asked = f"{hash(limits)} {operation_name!r} {query}".encode(errors="surrogatepass")
    key = sha256(asked).digest()
    if key not in _kinds:
        _kinds[key] = _kind(query, operation_name, limits)
    return _kinds[key]


def _kind(query: str, operation_name: str | None, limits: Limits) -> str | None:
    try:
        operation = get_operation_ast(parse(query, **_parse_options(limits)), operation_name)
    except GraphQLError:
        return None
    return operation.operation.value if operation else None
