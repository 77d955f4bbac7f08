"""The balances within a statement, from which an export of some of its days may go on."""

from tortoise import fields
from tortoise.migrations import operations as ops

from models.db import migration


class Migration(migration.Migration):
    dependencies = [("models", "0016_bank_lines")]

    operations = [ops.AddField("BankStatement", "day_ends", fields.TextField(default=""))]
