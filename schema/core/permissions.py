"""Who may ask for what. The rules themselves are the actor's: `models.access.identity.Actor`."""

from __future__ import annotations

from uuid import UUID

from models.access.identity import Actor
from models.accounts.account import Account
from models.db.record import parse_id
from models.errors import Invalid, NotFound
from models.money import exponent
from schema.core.context import Info


def id_of(prefix: str, id: str, *field: str) -> UUID:
    """The record that an id names; raises NotFound at `field` for an id of anything else."""
    found = parse_id(prefix, id)
    if found is None:
        raise NotFound(*field)
    return found


def account_meant(actor: Actor, account_id: str | None) -> UUID:
    """The account that a query is about: a client's own, or the one that is named.

    Raises NotFound for one that is out of sight, and Invalid where none is named that must be.
    """
    if account_id is None:
        if actor.account_id is None:
            raise Invalid("account_id", problem="account_id_missing")
        return actor.account_id
    meant = id_of(Account.PREFIX, account_id, "account_id")
    if not actor.sees(meant):
        raise NotFound("account_id")
    return meant


async def existing_account(info: Info, account_id: UUID) -> Account:
    """The record of an account in sight; raises NotFound where there is none."""
    record = await info.context.loaders.account.load(account_id)
    if record is None:
        raise NotFound("account_id")
    return record


async def currency_meant(info: Info, account_id: UUID, currency: str | None) -> str:
    """The currency that is named, or the account's own. Raises CurrencyNotSupported, NotFound."""
    if currency is None:
        return (await existing_account(info, account_id)).currency
    exponent(currency)
    return currency
