"""Events are published: each gets its place in the one order in which partners hear of them, and
is of a type that they know. What is told because time has passed is told once. Events of before are published as well, as oldest.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration, sql

#: What is waited for is in order by the index; what is published has indexes of its own, which
#: cost nothing while a fact is written down.
_INDEXES = (
    "CREATE INDEX ix_event_unpublished ON event ({arrival}) WHERE position IS NULL",
    "CREATE UNIQUE INDEX uq_event_position ON event (position) WHERE position IS NOT NULL",
    (
        "CREATE UNIQUE INDEX uq_event_sequence ON event (account_id, sequence)"
        " WHERE sequence IS NOT NULL"
    ),
    "CREATE INDEX ix_event_account ON event (account_id, position) WHERE position IS NOT NULL",
    (
        "CREATE INDEX ix_invoice_overdue ON invoice (due_on)"
        " WHERE status IN ('UNPAID', 'PROCESSING') AND overdue_told_at IS NULL"
    ),
    (
        "CREATE INDEX ix_grant_expiring ON credit_grant (expires_at)"
        " WHERE remaining > 0 AND expiry_told_at IS NULL"
    ),
)
_ORDINAL = (
    "CREATE SEQUENCE event_ordinal OWNED BY event.ordinal",
    "ALTER TABLE event ALTER COLUMN ordinal SET DEFAULT nextval('event_ordinal')",
)
_FEED = "INSERT INTO event_feed (id, position) VALUES (1, 0)"

_RENAMED = {
    "credit.adjusted": "credit.changed",
    "invoice.processing": "invoice.updated",
    "invoice.refunded": "invoice.updated",
    "invoice.unpaid": "invoice.updated",
    "invoice.void": "invoice.voided",
    "payment.captured": "payment.succeeded",
    "payment.expired": "payment.canceled",
    "payment.dispute_lost": "payment.disputed",
    "payment.dispute_won": "payment.disputed",
}
_RENAMED_SQL = " ".join(f"WHEN '{was}' THEN '{is_}'" for was, is_ in _RENAMED.items())
#: Whatever it was, something about the invoice was another than before.
_OF_INVOICES = (
    "payment.approved",
    "payment.declined",
    "payment.refund_failed",
    "payment.refund_pending",
)
_RETOLD = (
    (
        f"UPDATE event SET data = {{outcome}}, kind = CASE kind {_RENAMED_SQL} END"
        f" WHERE kind IN {sql.literals(_RENAMED)}"
    ),
    (
        "UPDATE event SET kind = 'invoice.updated', subject_id ="
        " (SELECT p.invoice_id FROM payment p WHERE p.id = event.subject_id)"
        f" WHERE kind IN {sql.literals(_OF_INVOICES)}"
    ),
    # Its subject was the voucher, which no API shows.
    (
        "UPDATE event SET subject_id = COALESCE((SELECT r.credit_transaction_id FROM redemption r"
        " WHERE r.voucher_id = event.subject_id AND r.account_id = event.account_id), subject_id)"
        " WHERE kind = 'voucher.redeemed'"
    ),
)
_OUTCOME = """
    CASE kind WHEN 'payment.dispute_won' THEN {won} WHEN 'payment.dispute_lost' THEN {lost}
    ELSE data END
"""
_WON_OR_LOST = {
    "sqlite": "json_set(data, '$.outcome', '{}')",
    "postgres": "jsonb_set(data, '{{outcome}}', '\"{}\"')",
}


async def _retell(editor: Any) -> None:
    put = _WON_OR_LOST["sqlite" if editor.DIALECT == "sqlite" else "postgres"]
    outcome = _OUTCOME.format(won=put.format("WON"), lost=put.format("LOST"))
    for statement in _RETOLD:
        await editor.client.execute_query(statement.replace("{outcome}", outcome))


async def _publishable(apps: Any, editor: Any) -> None:
    run, is_sqlite = editor.client.execute_query, editor.DIALECT == "sqlite"
    for statement in () if is_sqlite else _ORDINAL:
        await run(statement)
    await _retell(editor)
    arrival = "position" if is_sqlite else "ordinal NULLS FIRST, id"
    for statement in _INDEXES:
        await run(statement.format(arrival=arrival))
    await run(_FEED)


async def _back(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        name = statement.partition(" ON ")[0].split()[-1]
        await editor.client.execute_query(f"DROP INDEX {name}")


class Migration(migration.Migration):
    dependencies = [("models", "0027_invitations")]

    operations = [
        ops.AddField(
            "Grant",
            "expiry_told_at",
            fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            "Invoice",
            "overdue_told_at",
            fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField("Event", "ordinal", fields.BigIntField(null=True)),
        ops.AddField("Event", "position", fields.BigIntField(null=True)),
        ops.AddField("Event", "sequence", fields.IntField(null=True)),
        ops.CreateModel(
            name="Feed",
            fields=[
                (
                    "id",
                    fields.IntField(primary_key=True, generated=False, unique=True, db_index=True),
                ),
                ("position", fields.BigIntField()),
            ],
            options={
                "table": "event_feed",
                "app": "models",
                "pk_attr": "id",
                "table_description": "How far it is published.",
            },
            bases=["Table"],
        ),
        ops.CreateModel(
            name="EventCount",
            fields=[
                ("account_id", fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                ("sequence", fields.IntField()),
            ],
            options={
                "table": "event_count",
                "app": "models",
                "pk_attr": "account_id",
                "table_description": "The last sequence of an account.",
            },
            bases=["Table"],
        ),
        ops.RunPython(_publishable, _back),
    ]
