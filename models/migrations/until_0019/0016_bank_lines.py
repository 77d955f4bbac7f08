"""What lines of bank statements are recognised by: the reference as it is compared, and the balance
after the line.
"""

from typing import Any

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration

from models.bank.notation import notation
from models.bank.match import folded

_INDEX = "CREATE INDEX ix_bank_credit_folded ON bank_credit (folded, booked_on)"


async def _fill(apps: Any, editor: Any) -> None:
    client = editor.client
    marks = ("?1", "?2") if editor.DIALECT == "sqlite" else ("$1", "$2")
    for row in await client.execute_query_dict("SELECT id, bank_ref, line_key FROM bank_credit"):
        await client.execute_query(
            "UPDATE bank_credit SET folded = {} WHERE id = {}".format(*marks),
            [folded(row["bank_ref"] or row["line_key"]), row["id"]],
        )
    await client.execute_query(_INDEX)
    # Lines keep the account as it was written: settlements are called by it.
    for row in await client.execute_query_dict("SELECT DISTINCT bank_account FROM bank_statement"):
        account = notation(row["bank_account"])
        if account.is_iban:
            await client.execute_query(
                "UPDATE bank_statement SET bank_account = {} WHERE bank_account = {}".format(
                    *marks
                ),
                [account.number, row["bank_account"]],
            )


async def _drop_index(apps: Any, editor: Any) -> None:
    await editor.client.execute_query("DROP INDEX ix_bank_credit_folded")


class Migration(migration.Migration):
    dependencies = [("models", "0015_transmissions")]

    operations = [
        ops.AddField("BankCredit", "folded", fields.CharField(null=True, max_length=160)),
        ops.AddField("BankCredit", "balance_after", fields.BigIntField(null=True)),
        ops.RunPython(_fill, _drop_index),
    ]
