"""What the migrations are made of: Tortoise's own, with less to do on the way forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tortoise import migrations
from tortoise.migrations import operations
from tortoise.migrations.constraints import CheckConstraint

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


class OtherCheck(operations.TortoiseOperation):
    """Puts a CHECK in the place of another of the same name. Tortoise's remake the whole table on
    SQLite, without the indexes that it does not know.
    """

    def __init__(self, model_name: str, name: str, *, was: str, becomes: str) -> None:
        self.model_name, self.name = model_name, name
        self.was, self.becomes = was, becomes

    def state_forward(self, app_label: str, state: State) -> None:
        """The schema afterwards."""
        operations.RemoveConstraint(self.model_name, self.name).state_forward(app_label, state)
        check = CheckConstraint(check=self.becomes, name=self.name)
        operations.AddConstraint(self.model_name, check).state_forward(app_label, state)

    async def database_forward(
        self,
        app_label: str,
        old_state: State,  # noqa: ARG002 - Tortoise's
        new_state: State,
        state_editor: BaseSchemaEditor | None = None,
    ) -> None:
        """Replace it; SQLite has to copy the table for that."""
        if state_editor is None:
            return
        table = sql.table_of(new_state.apps.get_model(f"{app_label}.{self.model_name}"))
        run = state_editor.client.execute_query
        if state_editor.DIALECT == "sqlite":
            await self._remake(table, state_editor)
        else:
            await run(f"ALTER TABLE {table} DROP CONSTRAINT {self.name}")
            await run(f"ALTER TABLE {table} ADD CONSTRAINT {self.name} CHECK ({self.becomes})")

    async def _remake(self, table: str, editor: BaseSchemaEditor) -> None:
        run = editor.client.execute_query
        made = await editor.client.execute_query_dict(
            f"SELECT type, sql FROM sqlite_master WHERE tbl_name = '{table}' AND sql IS NOT NULL"
        )
        [text] = [row["sql"] for row in made if row["type"] == "table"]
        assert f"CHECK ({self.was})" in text
        text = text.replace(f"CHECK ({self.was})", f"CHECK ({self.becomes})")
        await run(text.replace(table, f"{table}_remade", 1))
        await run(f"INSERT INTO {table}_remade SELECT * FROM {table}")
        await run(f"DROP TABLE {table}")
        await run(f"ALTER TABLE {table}_remade RENAME TO {table}")
        for row in made:
            if row["type"] != "table":
                await run(row["sql"])


def indexes(*statements: str) -> operations.RunPython:
    """Makes these indexes (`CREATE [UNIQUE] INDEX name …`), and drops them on the way back."""

    async def make(_apps: Any, editor: Any) -> None:  # noqa: ANN401 - Tortoise's
        for statement in statements:
            await editor.client.execute_query(statement)

    async def drop(_apps: Any, editor: Any) -> None:  # noqa: ANN401 - as above
        for statement in statements:
            name = statement.partition(" INDEX ")[2].split()[0]
            await editor.client.execute_query(f"DROP INDEX {name}")

    return operations.RunPython(make, drop)


#: Operations that look at the schema after them, never at the one before.
_FORWARD: Final = (
    operations.AddConstraint,
    operations.AddField,
    operations.AddIndex,
    operations.CreateModel,
    operations.RunPython,
    DropColumn,
    OtherCheck,
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
