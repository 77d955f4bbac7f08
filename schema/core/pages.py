"""Relay connections: pages of a list, by key.

After https://relay.dev/graphql/connections.htm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from models.db.page import Page, PageRequest
from models.db.record import Table
from schema.core.context import Info

T = TypeVar("T")
R = TypeVar("R", bound=Table)

First: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description="The number of entries from the start: 0 to 100. Defaults to 20."
    ),
]
After: TypeAlias = Annotated[
    str | None, strawberry.argument(description="Only entries after this cursor.")
]
Last: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description="The number of entries from the end: 0 to 100. Not together with `first`."
    ),
]
Before: TypeAlias = Annotated[
    str | None, strawberry.argument(description="Only entries before this cursor.")
]


@strawberry.type
class PageInfo:
    """Pagination details of a page."""

    has_next_page: bool
    "Whether there are more entries after `endCursor`."
    has_previous_page: bool
    "Whether there are more entries before `startCursor`."
    start_cursor: str | None
    "Cursor of the first entry; null where the page is empty."
    end_cursor: str | None
    "Cursor of the last entry; null where the page is empty. Pass it as `after` to go on."

    @classmethod
    def of(cls, page: Page[Any], cursors: list[str]) -> PageInfo:
        """Tell of a page whose entries have these cursors."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


@strawberry.type
class Edge(Generic[T]):
    """An entry of a list and its cursor."""

    node: T
    "The entry at this cursor."
    cursor: str
    "A cursor for `after` and `before`."


@strawberry.type
class Connection(Generic[T]):
    """A page of a list, newest first unless the list says otherwise."""

    edges: list[Edge[T]]
    "The entries of this page."
    page_info: PageInfo
    "Pagination details of this page."
    total_count: int
    "The number of entries on all pages."

    @classmethod
    def of(
        cls,
        page: Page[R],
        node: Callable[[R], T],
        cursor: Callable[[R], str] = attrgetter("public_id"),
    ) -> Connection[T]:
        """Show a page of records, each as `node` shows it."""
        edges = [Edge(node=node(row), cursor=cursor(row)) for row in page.rows]
        info = PageInfo.of(page, [edge.cursor for edge in edges])
        return cls(edges=edges, page_info=info, total_count=page.total or 0)


def page_request(
    info: Info, first: int | None, after: str | None, last: int | None, before: str | None
) -> PageRequest:
    """The page that is asked for, with a count where the operation selects `totalCount`."""
    return PageRequest(
        first=first, after=after, last=last, before=before, count="totalCount" in selected(info)
    )


def selected(info: Info, *path: str) -> set[str]:
    """The names of the fields that the operation asks for at that path."""
    found = list(_fields(info.selected_fields))
    for name in path:
        found = [field for field in _below(found) if field.name == name]
    return {field.name for field in _below(found)}


def _below(fields: list[SelectedField]) -> Iterator[SelectedField]:
    for one in fields:
        yield from _fields(one.selections)


def _fields(selections: list[Selection]) -> Iterator[SelectedField]:
    """The fields of a selection, those of its fragments included."""
    for one in selections:
        if isinstance(one, SelectedField):
            yield one
        else:
            yield from _fields(one.selections)
