"""What an id in a request names. Who may see it is the domain's rule."""

from __future__ import annotations

from uuid import UUID

from models.accounts import account
from models.accounts.account import Account
from models.db.record import parse_id
from models.errors import NotFound
from schema.core.context import Info


def id_of(prefix: str, id: str, *field: str) -> UUID:
    """The record that an id names; raises NotFound at `field` for an id of anything else."""
    found = parse_id(prefix, id)
    if found is None:
        raise NotFound(*field)
    return found


def account_named(id: str | None) -> UUID | None:
    """The account that an argument `accountId` names, if it does; raises NotFound as `id_of`."""
    return None if id is None else id_of(Account.PREFIX, id, "account_id")


async def existing_account(info: Info, account_id: UUID) -> Account:
    """The record of an account that is there; raises NotFound where it is out of sight."""
    by, find = info.context.signed_in(), info.context.loaders.account.load
    record = await account.visible(account_id, by, find)
    if record is None:
        raise NotFound("account_id")
    return record
