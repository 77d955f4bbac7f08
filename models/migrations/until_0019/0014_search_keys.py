"""What accounts are searched by: their names and addresses as every script folds them."""

from typing import Any, Final

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

from models.text import folded

_PAGE: Final = "SELECT id, name, email FROM account WHERE search_key = '' ORDER BY id LIMIT 500"


async def _fill(apps: Any, editor: Any) -> None:
    place = ("?", "?") if editor.DIALECT == "sqlite" else ("$1", "$2")
    update = f"UPDATE account SET search_key = {place[0]} WHERE id = {place[1]}"
    while rows := (await editor.client.execute_query(_PAGE))[1]:
        keys = [[folded(f"{row['name']}\n{row['email']}"), row["id"]] for row in rows]
        await editor.client.execute_many(update, keys)


async def _nothing(apps: Any, editor: Any) -> None:
    """The column goes, and what is in it."""


class Migration(migration.Migration):
    dependencies = [("models", "0013_revocations")]

    operations = [
        ops.AddField("Account", "search_key", fields.TextField(db_default="")),
        ops.RunPython(_fill, _nothing),
    ]
