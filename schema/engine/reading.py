"""Plain objects, read by functions that are made for what is asked of them.

Most fields are plain: an attribute of what their parent's resolver has returned; a leaf, another
object of such fields, or a list of either. What an operation asks of them becomes one Python
function, a dictionary display. Whatever is not as its type says raises there; the plan then goes
over that object field by field, and tells what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLString,
    Undefined,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from strawberry.types.field import StrawberryField

from schema.core.scalars import serialize_decimal
from schema.core.shown import at_hand, text_of

DEFINITION: Final = "strawberry-definition"

#: Reads an object; the second is told how many more it has found in lists.
Read: TypeAlias = Callable[[Any, Callable[[int], None]], dict[str, Any]]

#: What these write is the value itself, where it is of just this class.
_AS_THEY_ARE: Final = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}


class Irregular(Exception):
    """A value is not as its type says."""


class Plain(NamedTuple):
    """A field that is an attribute of its parent."""

    attribute: str
    nullable: bool
    type: GraphQLLeafType | GraphQLObjectType
    is_list: bool = False
    #: Writes a leaf of the parent.
    text: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Entry:
    """A field of an answer: plain, with the function that reads it where it is an object; or always
    the same (`constant`); or put in later.
    """

    name: str
    plain: Plain | None = None
    read: Read | None = None
    constant: str | None = None

    @property
    def is_put_in_later(self) -> bool:
        """Whether it takes a step of its own."""
        return self.plain is None and self.constant is None


def plain_field(parent: GraphQLObjectType | GraphQLInterfaceType, name: str) -> Plain | None:
    """How that field is read, where it is plain."""
    field = parent.fields.get(name)
    definition = (field.extensions or {}).get(DEFINITION) if field else None
    if field is None or field.args or not isinstance(definition, StrawberryField):
        return None
    cls, attribute = origin(parent), definition.python_name
    if not definition.is_basic_field:
        attribute = at_hand(attribute)
        if cls is None or not hasattr(cls, attribute):
            return None
    return _plain(field, attribute, text_of(cls, attribute) if cls else None)


def _plain(field: GraphQLField, attribute: str, text: Callable[[Any], str] | None) -> Plain | None:
    nullable, type_ = not is_non_null_type(field.type), get_nullable_type(field.type)
    is_list = False
    if isinstance(type_, GraphQLList):
        is_list = True
        if not is_non_null_type(type_.of_type):
            return None
        type_ = get_nullable_type(type_.of_type)
    if is_leaf_type(type_) or isinstance(type_, GraphQLObjectType):
        return Plain(attribute, nullable, type_, is_list, text)
    return None


def origin(type_: GraphQLObjectType | GraphQLInterfaceType) -> type | None:
    """The class of the type's values."""
    return getattr((type_.extensions or {}).get(DEFINITION), "origin", None)


def reader(type_: GraphQLObjectType, entries: list[Entry]) -> Read | None:
    """A function that reads these of an object; what is put in later is null. Raises Irregular, or
    anything else.
    """
    cls = origin(type_)
    if cls is None:
        return None
    # A type of a kind (`Edge[Invoice]`) is shown by objects of the kind's own class (`Edge`), from
    # which its class is derived.
    classes = frozenset(cls.__mro__) - {object}
    known: dict[str, Any] = {"classes": classes, "Irregular": Irregular, "listed": _listed}
    items = ", ".join(f"{entry.name!r}: {_read(entry, known)}" for entry in entries)
    check = "if type(o) not in classes: raise Irregular"
    source = f"def read(o, count):\n {check}\n return {{{items}}}"
    # Names come from a document that was parsed and attributes from our own classes.
    exec(compile(source, f"<reader of {type_.name}>", "exec"), known)  # noqa: S102
    return known["read"]  # type: ignore[no-any-return]


def _read(entry: Entry, known: dict[str, Any]) -> str:
    """Python that reads a field of `o`."""
    plain = entry.plain
    if plain is None:
        return repr(entry.constant)
    if plain.text is not None and not plain.nullable:
        known[text := f"t{len(known)}"] = plain.text
        return f"{text}(o)"
    value = again = f"o.{plain.attribute}"
    if not plain.is_list:  # Python takes no new name where a comprehension begins
        value, again = f"(v := {value})", "v"
    if plain.nullable:
        return f"None if {value} is None else {_written(plain, entry.read, known, again)}"
    return _written(plain, entry.read, known, value)


def _written(plain: Plain, read: Read | None, known: dict[str, Any], value: str) -> str:
    """Python that writes what `value` says, which is then also `v`, into the answer."""
    writer, cls = f"w{len(known)}", f"c{len(known)}"
    known[writer] = read or _writer(plain.type)  # type: ignore[arg-type]
    if plain.is_list:
        if read is None:
            return f"[{writer}(x) for x in listed({value})]"
        return f"[{writer}(x, count) for x in listed({value}, count)]"
    if read is not None:
        return f"{writer}({value}, count)"
    if plain.type in _AS_THEY_ARE:
        known[cls] = _AS_THEY_ARE[plain.type]
        return f"v if type({value}) is {cls} else {writer}(v)"
    if getattr(plain.type, "coerce_output_value", None) is serialize_decimal:
        known[cls] = Decimal  # amounts are most of what a page says: without two calls for each
        return f"format(v, 'f') if type({value}) is {cls} else {writer}(v)"
    return f"{writer}({value})"


def _listed(value: Any, count: Callable[[int], None] | None = None) -> list[Any]:  # noqa: ANN401
    """A list as it is; objects in it count."""
    if type(value) is not list:
        raise Irregular
    if count is not None:
        count(len(value))
    return value


def _writer(type_: GraphQLLeafType) -> Callable[[Any], Any]:
    """Writes a leaf. Raises where it is not as its type says, and where it is null."""
    if isinstance(type_, GraphQLEnumType):
        return _enum_writer(type_)
    write = type_.coerce_output_value

    def written(value: Any) -> Any:  # noqa: ANN401 - any leaf
        said = None if value is None or isinstance(value, Exception) else write(value)
        if said is None or said is Undefined:
            raise Irregular
        return said

    return written


def _enum_writer(type_: GraphQLEnumType) -> Callable[[Any], str]:
    # Strawberry goes through all values for each that it writes.
    names = {
        (type(member), member): type_.coerce_output_value(member)
        for member in getattr(type_, "wrapped_cls", ())
    }
    return lambda value: names[type(value), value]
