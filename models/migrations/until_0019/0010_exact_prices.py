"""Unit prices with all their decimals, in major units; lines of before have none beyond a minor unit."""

from typing import Any, Final

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

from models.money import Money

_PAGE: Final = (
    "SELECT l.id, l.unit_price, i.currency FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id"
    " WHERE l.unit_price_exact = '' ORDER BY l.id LIMIT 500"
)


async def _fill(apps: Any, editor: Any) -> None:
    place = ("?", "?") if editor.DIALECT == "sqlite" else ("$1", "$2")
    update = f"UPDATE invoice_line SET unit_price_exact = {place[0]} WHERE id = {place[1]}"
    while rows := (await editor.client.execute_query(_PAGE))[1]:
        exact = [
            [f"{Money(row['unit_price'], row['currency']).amount:f}", row["id"]] for row in rows
        ]
        await editor.client.execute_many(update, exact)


async def _nothing(apps: Any, editor: Any) -> None:
    """The column goes, and the decimals with it."""


class Migration(migration.Migration):
    dependencies = [("models", "0009_due_days")]

    operations = [
        ops.AddField(
            "InvoiceLine", "unit_price_exact", fields.CharField(max_length=32, db_default="")
        ),
        ops.RunPython(_fill, _nothing),
    ]
