"""What a bank transfer quotes that pays an invoice before anybody has begun a payment.

Invoices that were issued before have none: they say their number, and go on saying it.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

_INDEX = (
    "CREATE UNIQUE INDEX uq_invoice_transfer_reference ON invoice (transfer_reference)"
    " WHERE transfer_reference IS NOT NULL"
)


async def _index(apps: Any, editor: Any) -> None:
    await editor.client.execute_query(_INDEX)


async def _drop_index(apps: Any, editor: Any) -> None:
    await editor.client.execute_query("DROP INDEX uq_invoice_transfer_reference")


class Migration(migration.Migration):
    dependencies = [("models", "0006_documents")]

    operations = [
        ops.AddField("Invoice", "transfer_reference", fields.CharField(null=True, max_length=25)),
        ops.RunPython(_index, _drop_index),
    ]
