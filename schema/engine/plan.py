"""Plans: what an operation asks for, worked out once and executed many times.

graphql-core works out anew for each object which fields are asked of it, what their arguments are
and how their values are completed. Here that is worked out once, by graphql-core's own rules, and
kept beside the document: a `Step` for each field, a `Shape` for each type of object. An execution
(`running`) then only calls resolvers and writes down what they found; its answer, data and errors,
is to the letter what graphql-core's would be.

Introspection is left to graphql-core, and so is what a plan would be made for too often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    Node,
    OperationType,
    Undefined,
    VariableNode,
    default_type_resolver,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails, collect_fields, collect_subfields
from graphql.execution.executor import invalid_return_type_error
from graphql.execution.values import VariableValues
from graphql.pyutils import is_iterable

from schema.engine.reading import Entry, Read, origin, plain_field, reader
from schema.engine.resolving import Resolve, resolving
from schema.engine.running import Complete, Place, Running

if TYPE_CHECKING:
    from strawberry import Schema

    from schema.engine.execution import Executor

_INTROSPECTION: Final = frozenset({"__schema", "__type"})
#: Of one operation: one for each choice that its @skip and @include have been asked with.
PLANS_MAX: Final = 16


class Plans:
    """The plans of a document, made when they are first needed."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._conditions: dict[int, list[str]] = {}
        self._plans: dict[tuple[int, tuple[object, ...]], Plan | None] = {}

    def __len__(self) -> int:
        return len(self._plans)

    def of(self, executor: Executor) -> Plan | None:
        """How to execute the operation with these variables; None where graphql-core must."""
        operation = executor.operation
        names = self._conditions.get(id(operation))
        if names is None:
            names = self._conditions[id(operation)] = _conditions(executor)
        values = executor.variable_values
        choice = (id(operation), tuple(values.coerced.get(name) for name in names))
        if choice in self._plans:
            return self._plans[choice]
        if len(self._plans) >= PLANS_MAX or any(type(value) is not bool for value in choice[1]):
            return None
        # A plan stays: of what its first caller has sent, it may keep nothing else.
        chosen = VariableValues(
            {name: values.sources[name] for name in names},
            {name: values.coerced[name] for name in names},
        )
        self._plans[choice] = plan = _plan(executor, chosen, self._schema)
        return plan


@dataclass(frozen=True, slots=True)
class Plan:
    """How one operation is executed."""

    root: Shape
    #: Of a mutation: one field is done before the next begins.
    is_serial: bool


def _plan(executor: Executor, chosen: VariableValues, schema: Schema) -> Plan | None:
    operation = executor.operation
    root = executor.schema.get_root_type(operation.operation)
    if root is None or operation.directives:
        return None
    maker = _Maker(schema, executor, chosen)
    fields = collect_fields(
        executor.schema, executor.fragments, chosen, root, operation
    ).grouped_field_set
    if any(details[0].node.name.value in _INTROSPECTION for details in fields.values()):
        return None
    return Plan(maker.shape(root, fields), operation.operation is OperationType.MUTATION)


def _conditions(executor: Executor) -> list[str]:
    """The variables that decide what is selected."""
    nodes: list[Node] = [executor.operation, *executor.fragment_definitions.values()]
    found: dict[str, None] = {}
    while nodes:
        node = nodes.pop()
        for directive in getattr(node, "directives", None) or ():
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    found[argument.value.name.value] = None
        selected = getattr(node, "selection_set", None)
        nodes += selected.selections if selected else ()
    return list(found)


@dataclass(slots=True)
class Shape:
    """What is asked of the objects of one type, in one place of the answer."""

    type: GraphQLObjectType
    steps: list[Step]
    #: Reads what is plain of it, and leaves room for the others.
    read: Read | None
    others: list[Step]

    @property
    def is_plain(self) -> bool:
        """Whether `read` is all that there is to do."""
        return self.read is not None and not self.others

    def value(self, running: Running, source: object, above: Place | None) -> dict[str, Any]:
        """What is asked of an object."""
        running.count(1)
        steps = self.steps
        answer: dict[str, Any] = {}
        if self.read is not None:
            left = running.bounds.left
            try:
                answer = self.read(source, running.count)
            except Exception:  # noqa: BLE001 - the steps meet it again, and tell of it
                running.bounds.left = left
            else:
                steps = self.others
        for step in steps:
            step.run(running, source, answer, above)
        return answer


@dataclass(slots=True)
class Step:
    """A field: how it is resolved, and how its value is completed."""

    name: str
    nodes: list[FieldNode]
    parent: GraphQLObjectType
    definition: GraphQLField
    nullable: bool
    resolve: Resolve
    complete: Complete
    #: Of a field that is one object, or several.
    below: Shape | None = None

    @property
    def field_name(self) -> str:
        """As the schema has it."""
        return self.nodes[0].name.value

    def run(
        self, running: Running, source: object, holder: dict[str, Any], above: Place | None
    ) -> None:
        """Put the field into its object, or null for what is to come. Raises what has to go to the
        nearest place above that may be null.
        """
        place = Place(above, self.name, self.parent.name, self.nodes, self.nullable, holder)
        holder[self.name] = None
        try:
            found = self.resolve(running, source, place)
            holder[self.name] = running.value(found, self.complete, place)
        except Exception as error:  # noqa: BLE001 - it is the answer's
            running.failed(error, place)


class _Maker:
    """Makes the shapes of one plan; those of interfaces' and unions' objects when they are first
    met.
    """

    def __init__(self, schema: Schema, executor: Executor, chosen: VariableValues) -> None:
        self._strawberry = schema
        self._schema: GraphQLSchema = executor.schema
        self._fragments = executor.fragments
        self._variables = chosen
        self._operation = executor.operation
        self._made: dict[tuple[str, int], tuple[list[FieldDetails], Shape]] = {}

    def shape(self, type_: GraphQLObjectType, fields: dict[str, list[FieldDetails]]) -> Shape:
        """What these fields ask of that type."""
        steps = [self._step(type_, name, details) for name, details in fields.items()]
        entries = [_entry(step) for step in steps]
        others = [step for step, entry in zip(steps, entries, strict=True) if entry.is_put_in_later]
        read = reader(type_, entries) if len(others) < len(steps) else None
        return Shape(type_, steps, read, others)

    def _below(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Shape:
        """What a field's selections ask of that type, made once."""
        key = (type_.name, id(details))
        if key not in self._made:
            fields = collect_subfields(
                self._schema, self._fragments, self._variables, self._operation, type_, details
            )
            # Kept with its shape, the list stays the only one with its id.
            self._made[key] = details, self.shape(type_, fields.grouped_field_set)
        return self._made[key][1]

    def _step(self, parent: GraphQLObjectType, name: str, details: list[FieldDetails]) -> Step:
        nodes = [one.node for one in details]
        definition = self._schema.get_field(parent, nodes[0].name.value)
        assert definition is not None
        step = Step(
            name,
            nodes,
            parent,
            definition,
            nullable=not is_non_null_type(definition.type),
            resolve=_nothing,
            complete=_nothing,
        )
        step.resolve = resolving(self._strawberry, step)
        step.complete = self._completing(step, definition.type, details)
        return step

    def _completing(
        self, step: Step, type_: GraphQLOutputType, details: list[FieldDetails]
    ) -> Complete:
        """What becomes of a value of that type in that field."""
        if isinstance(type_, GraphQLNonNull):
            return _not_null(self._completing(step, type_.of_type, details), step)
        if isinstance(type_, GraphQLList):
            return self._list(step, type_.of_type, details)
        if is_leaf_type(type_):
            return _leaf(type_)
        if is_abstract_type(type_):
            return self._abstract(step, type_, details)
        assert isinstance(type_, GraphQLObjectType)
        shape = self._below(type_, details)
        if get_nullable_type(step.definition.type) is type_:
            step.below = shape
        return _object(step, shape, details)

    def _list(self, step: Step, type_: GraphQLOutputType, details: list[FieldDetails]) -> Complete:
        complete, nullable = self._completing(step, type_, details), not is_non_null_type(type_)
        item = get_nullable_type(type_)
        read = None
        if isinstance(item, GraphQLObjectType):
            shape = step.below = self._below(item, details)
            read = shape.read if shape.is_plain else None

        def completed(running: Running, value: Any, place: Place) -> Any:  # noqa: ANN401
            if value is None or value is Undefined or isinstance(value, Exception):
                return _none(value)
            if not is_iterable(value):
                raise GraphQLError(
                    "Expected Iterable, but did not find one for field"
                    f" '{step.parent}.{step.field_name}'."
                )
            if read is not None and isinstance(value, list):
                left = running.bounds.left
                try:
                    count = running.count
                    count(len(value))
                    return [read(one, count) for one in value]
                except Exception:  # noqa: BLE001 - it is raised and reported again below
                    running.bounds.left = left
            items: list[Any] = []
            for index, one in enumerate(value):
                items.append(None)
                entry = Place(place, index, None, step.nodes, nullable, items)
                try:
                    items[index] = running.value(one, complete, entry)
                except Exception as error:  # noqa: BLE001 - it is the answer's
                    running.failed(error, entry)
            return items

        return completed

    def _abstract(
        self, step: Step, type_: GraphQLAbstractType, details: list[FieldDetails]
    ) -> Complete:
        ways: dict[str, Complete] = {}
        resolve_type = type_.resolve_type or default_type_resolver

        def completed(running: Running, value: Any, place: Place) -> Any:  # noqa: ANN401
            if value is None or value is Undefined or isinstance(value, Exception):
                return _none(value)
            info = running.raw_info(step, place)
            name: Any = resolve_type(value, info, type_)
            if name not in ways:
                found = running.executor.ensure_valid_runtime_type(
                    name, type_, details, info, value
                )
                ways[name] = _object(step, self._below(found, details), details)
            return ways[name](running, value, place)

        return completed


def _entry(step: Step) -> Entry:
    """How a field is read together with the other plain ones of its object."""
    if step.field_name == "__typename":
        return Entry(step.name, constant=step.parent.name)
    plain = plain_field(step.parent, step.field_name)
    if plain is None or isinstance(plain.type, GraphQLLeafType):
        return Entry(step.name, plain)
    below = step.below
    return Entry(step.name, plain, below.read) if below and below.is_plain else Entry(step.name)


def _nothing(*_: object) -> None:
    """In a step that is being made."""


def _none(value: object) -> Any:  # noqa: ANN401 - null
    """Null; a returned exception is raised."""
    if isinstance(value, Exception):
        raise value
    return None


def _not_null(complete: Complete, step: Step) -> Complete:
    def completed(running: Running, value: Any, place: Place) -> Any:  # noqa: ANN401
        done = complete(running, value, place)
        if done is None:
            raise TypeError(
                f"Cannot return null for non-nullable field {step.parent}.{step.field_name}."
            )
        return done

    return completed


def _leaf(type_: GraphQLLeafType) -> Complete:
    def completed(running: Running, value: Any, _place: Place) -> Any:  # noqa: ANN401
        if value is None or value is Undefined or isinstance(value, Exception):
            return _none(value)
        return running.executor.complete_leaf_value(type_, value)

    return completed


def _object(step: Step, shape: Shape, details: list[FieldDetails]) -> Complete:
    type_, cls = shape.type, origin(shape.type)
    is_type_of = type_.is_type_of

    def completed(running: Running, value: Any, place: Place) -> Any:  # noqa: ANN401
        if value is None or value is Undefined or isinstance(value, Exception):
            return _none(value)
        is_it = (
            is_type_of is None
            or type(value) is cls
            or is_type_of(value, running.raw_info(step, place))
        )
        if not is_it:
            raise invalid_return_type_error(type_, value, details)
        return shape.value(running, value, place)

    return completed
