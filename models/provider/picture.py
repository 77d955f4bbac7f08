"""Pictures that issued documents show, kept by what they are: a new logo changes no old one."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

from models.clock import now
from models.db import sql
from models.provider.seller import Picture


class StoredPicture(Model):
    """One picture, named by its SHA-256. Only ever added."""

    name = fields.CharField(primary_key=True, max_length=64)
    created_at = fields.DatetimeField(default=now)
    media_type = fields.CharField(max_length=40)
    content = fields.BinaryField()

    class Meta:
        table = "picture"


async def keep(picture: Picture) -> str:
    """Its name, under which it can be found from now on. Inside a transaction."""
    if not await sql.fetch("SELECT 1 AS one FROM picture WHERE name = $1", picture.name):
        await sql.execute(
            "INSERT INTO picture (name, created_at, media_type, content) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (name) DO NOTHING",
            picture.name,
            now(),
            picture.media_type,
            picture.content,
        )
    return picture.name


async def find(name: str) -> Picture | None:
    """The picture of that name; None where there is none."""
    row = await sql.fetch_one("SELECT media_type, content FROM picture WHERE name = $1", name)
    return None if row is None else Picture(row["media_type"], bytes(row["content"]))
