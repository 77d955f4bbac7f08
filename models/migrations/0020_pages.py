"""What pages of long lists need: indexes for their filters, and how many invoices there are.

Triggers count the invoices, because they may be loaded by SQL, too. On SQLite a migration that
remakes the table of invoices has to make these again.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

INDEXES = {
    "ix_invoice_status": "invoice (account_id, status, id)",
    "ix_invoice_issued": "invoice (account_id, issued_at, id)",
    "ix_invoice_due": "invoice (account_id, due_on, id) WHERE status IN ('UNPAID', 'PROCESSING')",
    "ix_invoice_quoted": "invoice (account_id, reference, id) WHERE reference IS NOT NULL",
    "ix_line_moment": "credit_transaction (account_id, currency, created_at, version)",
}
#: What `ix_invoice_due` serves as well.
REPLACED = "ix_invoice_open"
BEFORE = "invoice (account_id) WHERE status IN ('UNPAID', 'PROCESSING')"

_COUNT = """
INSERT INTO invoice_count (account_id, invoices)
SELECT account_id, COUNT(*) FROM invoice GROUP BY account_id
"""

_SQLITE_MORE = """
INSERT INTO invoice_count (account_id, invoices) VALUES (NEW.account_id, 1)
ON CONFLICT (account_id) DO UPDATE SET invoices = invoices + 1
"""
_SQLITE_LESS = "UPDATE invoice_count SET invoices = invoices - 1 WHERE account_id = OLD.account_id"
_SQLITE = (
    f"CREATE TRIGGER invoice_added AFTER INSERT ON invoice BEGIN {_SQLITE_MORE}; END",
    f"CREATE TRIGGER invoice_gone AFTER DELETE ON invoice BEGIN {_SQLITE_LESS}; END",
    (
        "CREATE TRIGGER invoice_moved AFTER UPDATE OF account_id ON invoice"
        f" WHEN OLD.account_id <> NEW.account_id BEGIN {_SQLITE_LESS}; {_SQLITE_MORE}; END"
    ),
)

# Once a statement, however many rows it has; in the order of the accounts, so that two statements
# do not wait for each other.
_POSTGRES = (
    """
CREATE FUNCTION count_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO invoice_count (account_id, invoices)
    SELECT account_id, COUNT(*) FROM changed GROUP BY account_id ORDER BY account_id
    ON CONFLICT (account_id) DO UPDATE SET invoices = invoice_count.invoices + EXCLUDED.invoices;
  ELSE
    UPDATE invoice_count c SET invoices = c.invoices - gone.invoices
      FROM (SELECT account_id, COUNT(*) AS invoices FROM changed GROUP BY account_id) gone
     WHERE c.account_id = gone.account_id;
  END IF;
  RETURN NULL;
END $$
""",
    """
CREATE FUNCTION move_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE invoice_count SET invoices = invoices - 1 WHERE account_id = OLD.account_id;
  INSERT INTO invoice_count (account_id, invoices) VALUES (NEW.account_id, 1)
  ON CONFLICT (account_id) DO UPDATE SET invoices = invoice_count.invoices + 1;
  RETURN NULL;
END $$
""",
    """
CREATE FUNCTION forget_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN DELETE FROM invoice_count; RETURN NULL; END $$
""",
    """
CREATE TRIGGER invoice_added AFTER INSERT ON invoice REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION count_invoices()
""",
    """
CREATE TRIGGER invoice_gone AFTER DELETE ON invoice REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION count_invoices()
""",
    """
CREATE TRIGGER invoice_moved AFTER UPDATE OF account_id ON invoice
FOR EACH ROW WHEN (OLD.account_id <> NEW.account_id) EXECUTE FUNCTION move_invoice()
""",
    """
CREATE TRIGGER invoice_emptied AFTER TRUNCATE ON invoice
FOR EACH STATEMENT EXECUTE FUNCTION forget_invoices()
""",
)
_TRIGGERS = ("invoice_added", "invoice_gone", "invoice_moved")
_FUNCTIONS = ("count_invoices", "move_invoice", "forget_invoices")


async def _make(apps: Any, editor: Any) -> None:
    run = editor.client.execute_query
    await run(f"DROP INDEX {REPLACED}")
    for name, what in INDEXES.items():
        await run(f"CREATE INDEX {name} ON {what}")
    await run(_COUNT)
    for statement in _SQLITE if editor.DIALECT == "sqlite" else _POSTGRES:
        await run(statement)


async def _unmake(apps: Any, editor: Any) -> None:
    run = editor.client.execute_query
    if editor.DIALECT == "sqlite":
        for name in _TRIGGERS:
            await run(f"DROP TRIGGER {name}")
    else:
        for name in _FUNCTIONS:
            await run(f"DROP FUNCTION {name} CASCADE")
    for name in INDEXES:
        await run(f"DROP INDEX {name}")
    await run(f"CREATE INDEX {REPLACED} ON {BEFORE}")


class Migration(migration.Migration):
    dependencies = [("models", "0019_audit_indexes")]

    operations = [
        ops.CreateModel(
            name="InvoiceCount",
            fields=[
                (
                    "account_id",
                    fields.UUIDField(primary_key=True, unique=True, db_index=True),
                ),
                ("invoices", fields.BigIntField()),
            ],
            options={
                "table": "invoice_count",
                "app": "models",
                "pk_attr": "account_id",
                "table_description": "How many invoices an account has. Triggers keep it.",
            },
            bases=["Model"],
        ),
        ops.RunPython(_make, _unmake),
    ]
