"""An account's open invoices are counted whenever it gets another."""

from typing import Any

from tortoise.migrations import operations as ops

from models.db import migration

_INDEX = (
    "CREATE INDEX ix_invoice_open ON invoice (account_id) WHERE status IN ('UNPAID', 'PROCESSING')"
)


async def _index(apps: Any, editor: Any) -> None:
    await editor.client.execute_query(_INDEX)


async def _drop_index(apps: Any, editor: Any) -> None:
    await editor.client.execute_query("DROP INDEX ix_invoice_open")


class Migration(migration.Migration):
    dependencies = [("models", "0007_transfer_references")]

    operations = [ops.RunPython(_index, _drop_index)]
