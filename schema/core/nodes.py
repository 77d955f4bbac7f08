"""Everything with an id, by its id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeAlias, TypeVar

import strawberry

from models.errors import Forbidden
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.scalars import bad_input

IDS_MAX: Final = 100

Find: TypeAlias = Callable[[Info, str], Awaitable["Node | None"]]
F = TypeVar("F", bound=Find)

_finders: Final[dict[str, Find]] = {}


@strawberry.interface
class Node:
    """An object with an id that is unique across the whole schema."""

    id: strawberry.ID
    "Stable and unique across the whole schema. Treat it as opaque."


def found_by(prefix: str) -> Callable[[F], F]:
    """Register how to find what has ids of this prefix; None for what is not there or in sight."""

    def register(find: F) -> F:
        _finders[prefix] = find
        return find

    return register


async def find_node(info: Info, id: str) -> Node | None:
    """The object with that id, if it is there and the caller may see it."""
    find = _finders.get(id.partition("_")[0])
    if find is None:
        return None
    try:
        return await find(info, id)
    except Forbidden:
        return None


@strawberry.type
class NodeQuery:
    """Reading anything by its id."""

    @strawberry.field
    @refused_at_top
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The ID of any object.")],
    ) -> Node | None:
        """The object with this ID; null if it doesn't exist or isn't visible to the caller."""
        info.context.signed_in()
        return await find_node(info, id)

    @strawberry.field
    @refused_at_top
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="The IDs, at most 100.")
        ],
    ) -> list[Node | None]:
        """The objects with these IDs, in the same order; null for each that doesn't exist or isn't
        visible to the caller.
        """
        info.context.signed_in()
        if len(ids) > IDS_MAX:
            raise bad_input(texts.say("TOO_MANY_IDS", info.context.locale, maximum=IDS_MAX))
        return list(await asyncio.gather(*(find_node(info, one) for one in ids)))
