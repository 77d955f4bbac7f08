"""Small readers of PayPal's JSON, none of which trusts its shape."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

# What of an object is kept with its message: nothing that says who the payer is.
_KEPT: Final = (
    "amount",
    "create_time",
    "custom_id",
    "dispute_amount",
    "dispute_id",
    "dispute_life_cycle_stage",
    "dispute_outcome",
    "id",
    "invoice_id",
    "reason",
    "status",
    "status_details",
    "update_time",
)


def text(found: Json, key: str) -> str:
    """The text at `key`; empty if there is none."""
    value = found.get(key)
    return value if isinstance(value, str) else ""


def child(found: Json, *path: str) -> Json:
    """The object at `path`; empty if there is none."""
    for key in path:
        value = found.get(key)
        if not isinstance(value, dict):
            return {}
        found = value
    return found


def children(found: Json, key: str) -> list[Json]:
    """The objects of the list at `key`."""
    values = found.get(key)
    if not isinstance(values, list):
        return []
    return [value for value in values if isinstance(value, dict)]


def links(found: Json, *relations: str) -> Iterator[str]:
    """The addresses of the links with one of these relations, in the order of `relations`."""
    for relation in relations:
        for link in children(found, "links"):
            if link.get("rel") == relation:
                yield text(link, "href")


def moment(found: Json, key: str) -> datetime | None:
    """The time at `key` (RFC 3339); None if there is none."""
    try:
        read = datetime.fromisoformat(text(found, key))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def kept(found: Json) -> Json:
    """The part that is stored with a message."""
    return {key: found[key] for key in _KEPT if key in found}
