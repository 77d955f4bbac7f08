"""What an invoice was issued for is a row of its own, and an e-mail address's key only where the
address does not say it itself: whoever loads invoices and clients by SQL has neither.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

_TABLES = ("account", "users")
_MOVE = """
INSERT INTO invoice_source (source, invoice_id)
SELECT source, id FROM invoice WHERE source IS NOT NULL
"""
_BACK = """
UPDATE invoice SET source = (SELECT s.source FROM invoice_source s WHERE s.invoice_id = invoice.id)
"""


def _lower(editor: Any) -> str:
    """As `models.db.sql.lower_ascii` has it."""
    return "lower(email)" if editor.DIALECT == "sqlite" else 'lower(email COLLATE "C")'


async def _move(apps: Any, editor: Any) -> None:
    await editor.client.execute_query(_MOVE)
    await editor.client.execute_query("DROP INDEX uq_invoice_source")


async def _move_back(apps: Any, editor: Any) -> None:
    await editor.client.execute_query(_BACK)
    await editor.client.execute_query(
        "CREATE UNIQUE INDEX uq_invoice_source ON invoice (source) WHERE source IS NOT NULL"
    )


async def _shorten(apps: Any, editor: Any) -> None:
    lower = _lower(editor)
    change = f"email_key = NULL WHERE email_key = {lower}"
    await _rekey(editor, change, f"COALESCE(email_key, {lower})")


async def _write_out(apps: Any, editor: Any) -> None:
    await _rekey(editor, f"email_key = {_lower(editor)} WHERE email_key IS NULL", "email_key")


async def _rekey(editor: Any, change: str, key: str) -> None:
    for table in _TABLES:
        for statement in (
            f"DROP INDEX uq_{table}_email_key",
            f"UPDATE {table} SET {change}",
            f"CREATE UNIQUE INDEX uq_{table}_email_key ON {table} ({key})",
        ):
            await editor.client.execute_query(statement)


class Migration(migration.Migration):
    dependencies = [("models", "0021_watermark")]

    operations = [
        ops.CreateModel(
            name="InvoiceSource",
            fields=[
                ("source", fields.CharField(primary_key=True, max_length=64)),
                ("invoice_id", fields.UUIDField()),
            ],
            options={
                "table": "invoice_source",
                "app": "models",
                "pk_attr": "source",
                "table_description": "The idempotency key that an invoice was issued for,"
                " UNIQUE for good.",
            },
            bases=["Model"],
        ),
        ops.RunPython(_move, _move_back),
        migration.DropColumn("Invoice", "source"),
        ops.RunPython(_shorten, _write_out),
    ]
