"""What the migrations are made of: Tortoise's own, with less to do on the way forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tortoise import migrations
from tortoise.migrations import operations

from models.db import sql

if TYPE_CHECKING:
    from tortoise.migrations.schema_editor.base import BaseSchemaEditor
    from tortoise.migrations.schema_generator.state import State


class DropColumn(operations.RemoveField):
    """Removes a field. Tortoise's remakes the whole table on SQLite, without its triggers."""

    async def database_forward(
        self,
        app_label: str,
        old_state: State,  # noqa: ARG002 - Tortoise's
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Drop its column, which no index has any more."""
        if state_editor is not None:
            model = new_state.apps.get_model(f"{app_label}.{self.model_name}")
            statement = f"ALTER TABLE {sql.table_of(model)} DROP COLUMN {self.name}"
            await state_editor.client.execute_query(statement)


#: Operations that look at the schema after them, never at the one before.
_FORWARD: Final = (
    operations.AddConstraint,
    operations.AddField,
    operations.AddIndex,
    operations.CreateModel,
    operations.RunPython,
    DropColumn,
)
#: A migration may take long; what it waits for, it waits for as any statement does.
_UNHURRIED: Final = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 15000;
SET LOCAL idle_in_transaction_session_timeout = 0
"""


class Migration(migrations.Migration):
    """A migration that copies the schema before an operation only where the operation reads it.

    Tortoise copies it before each: two thirds of the time in which an empty database gets its
    tables.
    """

    async def apply(
        self,
        state: State,
        *,
        dry_run: bool = False,
        schema_editor: BaseSchemaEditor | None = None,
        collect_sql: bool = False,
    ) -> State:
        """Apply all operations; the schema after them."""
        if schema_editor and schema_editor.atomic_migration and schema_editor.DIALECT != "sqlite":
            await schema_editor.client.execute_script(_UNHURRIED)
        if (
            dry_run
            or collect_sql
            or schema_editor is None
            or not schema_editor.atomic_migration
            or not all(isinstance(operation, _FORWARD) for operation in self.operations)
        ):
            return await super().apply(
                state, dry_run=dry_run, schema_editor=schema_editor, collect_sql=collect_sql
            )
        for operation in self.operations:
            operation.state_forward(self.app_label, state)
            await operation.database_forward(self.app_label, state, state, schema_editor)
        state.validate_relations_initialized()
        return state
