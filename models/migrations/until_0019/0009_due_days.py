"""The day until which an invoice is to be paid, in the zone that its documents are dated in."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

_PAGE: Final = "SELECT id, due_at, snapshot FROM invoice WHERE due_on = '' ORDER BY id LIMIT 500"


def _day(due_at: datetime | str, snapshot: Any) -> str:
    known = orjson.loads(snapshot) if isinstance(snapshot, str | bytes) else snapshot
    zone = known["seller"].get("timezone", "UTC")
    moment = datetime.fromisoformat(due_at) if isinstance(due_at, str) else due_at
    return (moment if zone == "UTC" else moment.astimezone(ZoneInfo(zone))).date().isoformat()


async def _fill(apps: Any, editor: Any) -> None:
    place = ("$1", "$2") if editor.DIALECT == "postgres" else ("?", "?")
    update = f"UPDATE invoice SET due_on = {place[0]} WHERE id = {place[1]}"
    while rows := (await editor.client.execute_query(_PAGE))[1]:
        days = [[_day(row["due_at"], row["snapshot"]), row["id"]] for row in rows]
        await editor.client.execute_many(update, days)


async def _nothing(apps: Any, editor: Any) -> None:
    """The column goes, and its days with it."""


class Migration(migration.Migration):
    dependencies = [("models", "0008_open_invoices")]

    operations = [
        ops.AddField("Invoice", "due_on", fields.CharField(max_length=10, db_default="")),
        ops.RunPython(_fill, _nothing),
    ]
