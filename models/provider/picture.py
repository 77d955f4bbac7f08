"""Pictures that issued documents show, kept by what they are: a new logo changes no old one."""

from __future__ import annotations

from collections.abc import Sequence

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Table
from models.db.together import find_one
from models.provider.seller import Picture


class StoredPicture(Table):
    """One picture, named by its SHA-256. Only ever added."""

    name = fields.CharField(primary_key=True, max_length=64)
    created_at = fields.DatetimeField(default=now)
    media_type = fields.CharField(max_length=40)
    content = fields.BinaryField()

    class Meta:
        table = "picture"


async def keep(picture: Picture) -> str:
    """Its name, under which it can be found from now on. Inside a transaction."""
    if not await find_one(_kept, picture.name):
        stored = StoredPicture(
            name=picture.name, media_type=picture.media_type, content=picture.content
        )
        await sql.add_new(stored)
    return picture.name


async def _kept(names: Sequence[str]) -> dict[str, bool]:
    statement = "SELECT name FROM picture WHERE " + sql.any_of("name", 1)
    return {row["name"]: True for row in await sql.fetch(statement, list(names))}


async def find(name: str) -> Picture | None:
    """The picture of that name, or None."""
    row = await sql.fetch_one("SELECT media_type, content FROM picture WHERE name = $1", name)
    return None if row is None else Picture(row["media_type"], bytes(row["content"]))
