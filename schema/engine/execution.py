"""Execution, with a short cut for plain fields.

Most fields are plain: an attribute of what their parent's resolver has returned. graphql-core takes
the same way to them as to any resolver, and that way is most of what a page of invoices costs. Here
the plain fields of an object are read and written out at once. Whatever is not plain, or not as its
type says, goes graphql-core's own way, errors included.

Each object and list is counted, and the clock is looked at: an operation that is past its bounds
ends there, although nothing in it waits and no timer could ring. `limits` has measured the document
before; this holds where the data is more than it may be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from math import inf
from time import monotonic
from typing import Any, ClassVar, Final, NamedTuple, Self, TypeAlias

from graphql import (
    GraphQLField,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    OperationType,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.executor import Executor as CoreExecutor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

from schema.engine.limits import LimitExceeded

DEFINITION: Final = "strawberry-definition"

#: Objects of the introspection count as so many: nobody else bounds them.
_SCHEMA_OBJECT: Final = 5

# graphql-core's own types of these are private. `_Details`: the nodes that ask for one field.
_Details: TypeAlias = Any
_Fields: TypeAlias = dict[str, _Details]
_Path: TypeAlias = Any
_Position: TypeAlias = Any


class Plain(NamedTuple):
    """A field that is an attribute of its parent."""

    attribute: str
    nullable: bool
    #: A leaf's way into the response; None for an object.
    write: Callable[[Any], Any] | None = None
    #: An object's type, and the class of its values.
    object: GraphQLObjectType | None = None
    origin: type | None = None


@lru_cache(maxsize=4096)
def plain_field(parent: GraphQLObjectType, name: str) -> Plain | None:
    """How that field is read, where it is plain."""
    if name == "__typename":
        return Plain("__class__", nullable=False, write=lambda _: parent.name)
    field = parent.fields.get(name)
    definition = (field.extensions or {}).get(DEFINITION) if field else None
    if field is None or field.args or not isinstance(definition, StrawberryField):
        return None
    return _plain(field, definition.python_name) if definition.is_basic_field else None


def _plain(field: GraphQLField, attribute: str) -> Plain | None:
    nullable, type_ = not is_non_null_type(field.type), get_nullable_type(field.type)
    if is_leaf_type(type_):
        return Plain(attribute, nullable, write=type_.coerce_output_value)
    if isinstance(type_, GraphQLObjectType):
        return Plain(attribute, nullable, object=type_, origin=_origin(type_))
    return None


def _origin(type_: GraphQLObjectType) -> type | None:
    """The class of the type's values."""
    return getattr((type_.extensions or {}).get(DEFINITION), "origin", None)


class Shape(NamedTuple):
    """What an operation asks of the objects in one place of its response."""

    #: Response names of plain fields; with the shape of those that are objects, plain throughout.
    plain: list[tuple[str, Plain, Shape | None]]
    others: _Fields


class Exhausted(LimitExceeded):
    """The whole operation has come to its end, whatever is left of it."""


def too_long(seconds_max: float) -> Exhausted:
    """Why a query was stopped that takes longer."""
    return Exhausted(f"The query took longer than {seconds_max:g} seconds.")


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation; see the module."""

    #: Of a query, and of each event of a subscription. No mutation is stopped by the clock.
    seconds_max: ClassVar[float] = inf
    objects_max: ClassVar[int] = 50_000

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - graphql-core's
        super().__init__(*args, **kwargs)
        self._shapes: dict[tuple[GraphQLObjectType, int], Shape] = {}
        self._begin()

    @classmethod
    def within(cls, seconds_max: float, objects_max: int) -> type[Self]:
        """The same with these bounds."""
        return type(cls.__name__, (cls,), {"seconds_max": seconds_max, "objects_max": objects_max})

    def _begin(self) -> None:
        self._objects_left = self.objects_max
        mutates = self.operation.operation is OperationType.MUTATION
        self._deadline = inf if mutates else monotonic() + self.seconds_max

    def build_per_event_executor(self, payload: Any) -> CoreExecutor[Any]:  # noqa: ANN401 - graphql-core's
        """Each event has bounds of its own."""
        executor = super().build_per_event_executor(payload)
        assert isinstance(executor, Executor)
        executor._begin()  # noqa: SLF001 - ours
        return executor

    def _count(self, objects: int) -> None:
        """Raises Exhausted where these are more than there may be, or time is up."""
        self._objects_left -= objects
        if self._objects_left < 0:
            raise Exhausted(f"The answer has too many objects: at most {self.objects_max}.")
        if monotonic() > self._deadline:
            raise too_long(self.seconds_max)

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: GraphQLOutputType,
        field_details_list: _Details,
        path: _Path,
    ) -> None:
        """A field that fails is null, and the others go on; unless the operation is at its end."""
        if isinstance(raw_error, Exhausted):
            raise raw_error
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    # Strawberry's class plans for @defer and @stream, which this API has not.
    execute_collected_root_fields = CoreExecutor.execute_collected_root_fields
    execute_collected_subfields = CoreExecutor.execute_collected_subfields  # type: ignore[assignment]

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,  # noqa: ANN401 - what a resolver has returned
        path: _Path,
        grouped_field_set: _Fields,
        position_context: _Position,
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """An object's fields: the plain ones here, the others by the base class."""
        self._count(_SCHEMA_OBJECT if parent_type.name.startswith("__") else 1)
        shape = self._shape(parent_type, grouped_field_set)
        plain = _read(shape, source_value)
        if plain is None:
            return super().execute_fields(
                parent_type, source_value, path, grouped_field_set, position_context
            )
        if not shape.others:
            return plain
        results = dict.fromkeys(grouped_field_set) | plain  # in the order that was asked for
        others = super().execute_fields(
            parent_type, source_value, path, shape.others, position_context
        )
        if isinstance(others, dict):
            return results | others
        return _completed(results, others)

    def complete_list_value(  # noqa: PLR0917 - graphql-core's
        self,
        return_type: GraphQLList[Any],
        field_details_list: _Details,
        info: GraphQLResolveInfo[Any],
        path: _Path,
        result: Any,  # noqa: ANN401 - as above
        position_context: _Position,
    ) -> list[Any] | Awaitable[list[Any]]:
        """A list: objects that are plain throughout here, all else by the base class."""
        item = get_nullable_type(return_type.of_type)
        if isinstance(item, GraphQLObjectType) and isinstance(result, list):
            shape = self._asked(item, field_details_list)
            origin = _origin(item)
            if not shape.others and all(type(each) is origin for each in result):
                self._count(len(result))
                read = [_read(shape, each) for each in result]
                if None not in read:
                    return read
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _asked(self, of: GraphQLObjectType, details: _Details) -> Shape:
        return self._shape(of, self.collect_subfields(of, details).grouped_field_set)

    def _shape(self, parent: GraphQLObjectType, fields: _Fields) -> Shape:
        # graphql-core keeps one such dictionary for all objects of a list, alive to the end.
        key = (parent, id(fields))
        if key not in self._shapes:
            self._shapes[key] = self._new_shape(parent, fields)
        return self._shapes[key]

    def _new_shape(self, parent: GraphQLObjectType, fields: _Fields) -> Shape:
        shape = Shape([], {})
        for response_name, details in fields.items():
            plain = plain_field(parent, details[0].node.name.value)
            inner = None
            if plain is not None and plain.object is not None:
                inner = self._asked(plain.object, details)
            if plain is None or (inner is not None and inner.others):
                shape.others[response_name] = details
            else:
                shape.plain.append((response_name, plain, inner))
        return shape


def _read(shape: Shape, source: object) -> dict[str, Any] | None:
    """The plain fields of an object; None where one of them is not as its type says."""
    try:
        return {name: _value(plain, inner, source) for name, plain, inner in shape.plain}
    except Exception:  # noqa: BLE001 - graphql-core meets it again, and tells of it
        return None


def _value(plain: Plain, inner: Shape | None, source: object) -> Any:  # noqa: ANN401 - any leaf
    value = getattr(source, plain.attribute)
    if value is None and plain.nullable:
        return None
    if inner is None:
        assert plain.write is not None
        written = plain.write(value)
    else:
        written = _read(inner, value) if type(value) is plain.origin else None
    if written is None:
        raise TypeError(plain.attribute)
    return written


async def _completed(results: dict[str, Any], others: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    results.update(await others)
    return results
