"""What partners read and keep: the account of each entry of the audit log, which is found by it, and
metadata of invoices; grants are listed by their accounts. Keys replace others, and have budgets.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from models.db import migration

_INDEXES = (
    "CREATE INDEX ix_audit_account ON audit_entry (account_id, id) WHERE account_id IS NOT NULL",
    "CREATE INDEX ix_audit_action ON audit_entry (action, id)",
    "CREATE INDEX ix_grant_page ON credit_grant (account_id, currency, id)",
    "CREATE INDEX ix_api_key_line ON api_key (line_id) WHERE line_id IS NOT NULL",
    "CREATE INDEX ix_api_key_expiry ON api_key (expires_at) WHERE expires_at IS NOT NULL",
)
#: Whose account the entries from before are of, by what their subjects' ids begin with.
_OWNERS = {
    "acc": "SELECT x.id FROM account x WHERE x.id = {id}",
    "inv": "SELECT x.account_id FROM invoice x WHERE x.id = {id}",
    "pay": "SELECT x.account_id FROM payment x WHERE x.id = {id}",
    "ctx": "SELECT x.account_id FROM credit_transaction x WHERE x.id = {id}",
    "bcr": "SELECT p.account_id FROM bank_credit x JOIN payment p ON p.id = x.payment_id"
    " WHERE x.id = {id}",
}
_ID = {
    "sqlite": " || '-' || ".join(
        f"substr(audit_entry.subject, {at}, {length})"
        for at, length in ((5, 8), (13, 4), (17, 4), (21, 4), (25, 12))
    ),
    "postgres": "CASE WHEN substr(audit_entry.subject, 5) ~ '^[0-9a-f]{32}$'"
    " THEN CAST(substr(audit_entry.subject, 5) AS UUID) END",
}


async def _fill(apps: Any, editor: Any) -> None:
    run = editor.client.execute_query
    guards = await _unguarded(editor)
    for prefix, owner in _OWNERS.items():
        id = _ID["sqlite" if editor.DIALECT == "sqlite" else "postgres"]
        await run(
            f"UPDATE audit_entry SET account_id = ({owner.format(id=id)})"
            f" WHERE substr(subject, 1, 4) = '{prefix}_'"
        )
    for statement in guards:
        await run(statement)
    for statement in _INDEXES:
        await run(statement)


async def _unguarded(editor: Any) -> list[str]:
    """Let the log be changed, which it never is but here; what guards it again."""
    if editor.DIALECT != "sqlite":
        await editor.client.execute_query("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        return ["ALTER TABLE audit_entry ENABLE TRIGGER USER"]
    made = await editor.client.execute_query_dict(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_entry'"
    )
    for row in made:
        await editor.client.execute_query(f"DROP TRIGGER {row['name']}")
    return [row["sql"] for row in made]


async def _drop_indexes(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        name = statement.partition(" INDEX ")[2].partition(" ")[0]
        await editor.client.execute_query(f"DROP INDEX {name}")


class Migration(migration.Migration):
    dependencies = [("models", "0030_webhooks")]

    operations = [
        ops.AddField("AuditEntry", "account_id", fields.UUIDField(null=True)),
        ops.AddField("Invoice", "details", fields.JSONField(null=True)),
        ops.AddField("ApiKey", "line_id", fields.UUIDField(null=True)),
        ops.AddField("ApiKey", "daily_budget", fields.JSONField(null=True)),
        ops.AddField("ApiKey", "payment_budget", fields.JSONField(null=True)),
        ops.CreateModel(
            name="KeySpending",
            fields=[
                ("id", fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ("line_id", fields.UUIDField()),
                ("currency", fields.CharField(max_length=3)),
                ("day", fields.CharField(max_length=10)),
                ("spent", fields.BigIntField()),
            ],
            options={
                "table": "key_spending",
                "app": "models",
                "pk_attr": "id",
                "table_description": "What the keys of a line have spent on a day.",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "KeySpending", CheckConstraint(check="spent > 0", name="ck_key_spending_spent")
        ),
        ops.RunPython(_fill, _drop_indexes),
    ]
