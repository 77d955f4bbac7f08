"""Values for every field of the API, made of a seed: what one execution finds, another finds again.

Some are not as their type says, some are awaited and some fail. A resolver's value depends on where
in the answer it is called and what it is told, so that two executions which call it differently
differ in what they find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
)
from strawberry import Info
from strawberry.types.fields.resolver import StrawberryResolver

from schema.engine.reading import DEFINITION, origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

#: A value of each scalar, as it may be sent.
SENT: Final[dict[str, object]] = {
    "Boolean": True,
    "CurrencyCode": "USD",
    "Date": "2026-01-31",
    "DateTime": "2026-01-31T12:00:00Z",
    "Decimal": "10.00",
    "ID": "inv_1",
    "Int": 3,
    "String": "Ada",
    "URL": "https://example.com/",
}
_LEAVES: Final[dict[str, Callable[[Random], object]]] = {
    "ID": lambda random: f"id_{random.randrange(100)}",
    "String": lambda random: random.choice(["", "Ada", "Müller"]),
    "Int": lambda random: random.randrange(100),
    "Boolean": lambda random: random.random() < 0.5,
    "Decimal": lambda random: Decimal(random.randrange(10_000)) / 100,
    "CurrencyCode": lambda random: random.choice(["USD", "JPY"]),
    "DateTime": lambda random: datetime(2026, 1, 1 + random.randrange(28), tzinfo=UTC),
    "Date": lambda random: date(2026, 1, 1 + random.randrange(28)),
    "URL": lambda random: f"https://example.com/{random.randrange(100)}",
}


class Stranger:
    """Of no type of the API. Errors quote it."""

    def __repr__(self) -> str:
        return "a stranger"


class Failed(Exception):
    """What a resolver raises here."""


@dataclass
class FakeValues:
    """Values by seed. `wrong` of them (0 to 1) are not as their type says, and as many resolvers
    fail; `awaited` of the resolvers' are awaited.
    """

    schema: GraphQLSchema
    seed: int
    wrong: float = 0.0
    awaited: float = 0.4

    def of(self, type_: GraphQLOutputType, *where: object) -> Any:
        """A value of that type for that place."""
        random = Random(repr((self.seed, where)))
        if random.random() < self.wrong:
            return random.choice([None, Stranger(), 7, "x", Failed("returned"), []])
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, random, where)
        return None if random.random() < 0.1 else self._value(type_, random, where)

    def _value(self, type_: GraphQLOutputType, random: Random, where: tuple[object, ...]) -> Any:
        if isinstance(type_, GraphQLList):
            return [self.of(type_.of_type, *where, n) for n in range(random.randrange(4))]
        if isinstance(type_, GraphQLEnumType):
            return random.choice(list(type_.wrapped_cls))  # type: ignore[attr-defined]
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            found = self.schema.get_possible_types(type_)
            return self._object(random.choice(found), where)
        if isinstance(type_, GraphQLObjectType):
            return self._object(type_, where)
        return _LEAVES[type_.name](random)  # type: ignore[union-attr]

    def _object(self, type_: GraphQLObjectType, where: tuple[object, ...]) -> Any:
        cls = origin(type_)
        assert cls is not None
        made: Any = object.__new__(cls)
        made.__dict__["seed"] = where
        for field in type_.fields.values():
            definition = field.extensions[DEFINITION]
            if definition.is_basic_field:
                name = definition.python_name
                made.__dict__[name] = self.of(field.type, *where, name)
        return made

    def resolved(
        self, type_: GraphQLOutputType, source: Any, info: Info | None, **given: Any
    ) -> Any:
        """What a resolver of that type finds, or an awaitable of it."""
        path = info.path.as_list() if info else None
        told = (info.field_name, path, info.variable_values) if info else None
        where = (*getattr(source, "seed", ()), str(type_), told, sorted(given.items()))
        random = Random(repr((self.seed, "resolver", where)))
        fails, value = random.random() < self.wrong, self.of(type_, *where)
        if random.random() < self.awaited:
            return _later(random, Failed("late") if fails else value)
        if fails:
            raise Failed("at once")
        return value


def _later(random: Random, value: Any) -> Awaitable[Any]:
    ticks = random.randrange(3)

    async def found() -> Any:
        for _ in range(ticks):
            await asyncio.sleep(0)
        if isinstance(value, Failed):
            raise value
        return value

    if random.random() < 0.5 or isinstance(value, Failed):
        return found()
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if ticks == 0:
        future.set_result(value)
    else:
        asyncio.get_running_loop().call_soon(_come, future, value)
    return future


@contextmanager
def resolved_by(fakes: FakeValues, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every resolver of the schema finds what `fakes` makes."""
    types = _types(fakes.schema)

    def found(self: StrawberryResolver[Any], *args: Any, **given: Any) -> Any:
        info = next((one for one in given.values() if isinstance(one, Info)), None)
        rest = {name: one for name, one in given.items() if one is not info}
        return fakes.resolved(types[id(self)], args[0] if args else None, info, **rest)

    with monkeypatch.context() as patched:
        patched.setattr(StrawberryResolver, "__call__", found)
        yield


def _types(schema: GraphQLSchema) -> dict[int, GraphQLOutputType]:
    """What each resolver's field is of."""
    return {
        id(definition.base_resolver): field.type
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType)
        for field in type_.fields.values()
        if (definition := field.extensions.get(DEFINITION)) is not None and definition.base_resolver
    }


def _come(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
