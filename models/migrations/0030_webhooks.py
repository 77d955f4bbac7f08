"""Webhooks: endpoints of partners, what is delivered to them, and each attempt."""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint
from uuid_utils.compat import uuid7

from models.clock import now
from models.db import migration

_CHECKS = {
    "WebhookDelivery": {
        "state": "state IN ('PENDING', 'DELIVERED', 'FAILED')",
        "next": "(state = 'PENDING') = (next_at IS NOT NULL)",
    },
    "WebhookEndpoint": {"disabled": "(disabled_at IS NULL) = (disabled_reason IS NULL)"},
}
_INDEXES = (
    "CREATE INDEX ix_webhook_endpoint_user ON webhook_endpoint (user_id)",
    "CREATE UNIQUE INDEX uq_webhook_delivery_event ON webhook_delivery (endpoint_id, event_id)",
    "CREATE INDEX ix_webhook_delivery_endpoint ON webhook_delivery (endpoint_id, id)",
    (
        "CREATE INDEX ix_webhook_delivery_due ON webhook_delivery (endpoint_id, next_at)"
        " WHERE next_at IS NOT NULL"
    ),
    (
        "CREATE INDEX ix_webhook_delivery_leased ON webhook_delivery (endpoint_id, leased_until_at)"
        " WHERE leased_until_at IS NOT NULL"
    ),
    "CREATE INDEX ix_webhook_delivery_created ON webhook_delivery (created_at)",
    "CREATE INDEX ix_webhook_attempt_delivery ON webhook_attempt (delivery_id, id)",
    "CREATE INDEX ix_webhook_attempt_created ON webhook_attempt (created_at)",
)


async def _index(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        await editor.client.execute_query(statement)


async def _drop_indexes(apps: Any, editor: Any) -> None:
    for statement in _INDEXES:
        name = statement.partition(" INDEX ")[2].partition(" ")[0]
        await editor.client.execute_query(f"DROP INDEX {name}")


def _moment(**more: Any) -> Any:
    return fields.DatetimeField(auto_now=False, auto_now_add=False, **more)


def _text(length: int, **more: Any) -> Any:
    return fields.CharField(max_length=length, **more)


def _record(model: str, table: str, told: str, base: str, /, **columns: Any) -> ops.CreateModel:
    return ops.CreateModel(
        name=model,
        fields=[
            ("id", fields.UUIDField(primary_key=True, default=uuid7, unique=True, db_index=True)),
            ("created_at", fields.DatetimeField(default=now, auto_now=False, auto_now_add=False)),
            *columns.items(),
        ],
        options={"table": table, "app": "models", "pk_attr": "id", "table_description": told},
        bases=[base],
    )


class Migration(migration.Migration):
    dependencies = [("models", "0029_holds")]

    operations = [
        _record(
            "WebhookEndpoint",
            "webhook_endpoint",
            "A URL of a partner that events are posted to.",
            "Changing",
            user_id=fields.UUIDField(),
            line_id=fields.UUIDField(),
            url=fields.TextField(),
            events=fields.JSONField(),
            document=_text(255, null=True),
            sealed_secret=fields.TextField(),
            sealed_old_secret=_text(500, null=True),
            old_secret_until_at=_moment(null=True),
            disabled_at=_moment(null=True),
            disabled_reason=_text(20, null=True),
            failing_since_at=_moment(null=True),
            deleted_at=_moment(null=True),
        ),
        _record(
            "WebhookDelivery",
            "webhook_delivery",
            "A message to an endpoint, until it has been taken or given up.",
            "Record",
            endpoint_id=fields.UUIDField(),
            event_id=fields.UUIDField(null=True),
            kind=_text(64),
            body=fields.TextField(default=""),
            state=_text(10),
            next_at=_moment(null=True),
            leased_until_at=_moment(null=True),
            tries=fields.IntField(default=0),
            claims=fields.IntField(default=0),
        ),
        _record(
            "DeliveryAttempt",
            "webhook_attempt",
            "A call of an endpoint.",
            "Record",
            delivery_id=fields.UUIDField(),
            status=fields.IntField(null=True),
            milliseconds=fields.IntField(),
            problem=_text(200, null=True),
            answer=fields.TextField(default=""),
        ),
        *(
            ops.AddConstraint(
                model, CheckConstraint(check=check, name=f"ck_{model.lower()}_{name}")
            )
            for model, checks in _CHECKS.items()
            for name, check in checks.items()
        ),
        ops.RunPython(_index, _drop_indexes),
    ]
