"""First sight: the account of a client whom a trusted issuer vouches for, opened when they come."""

from __future__ import annotations

from dataclasses import replace

import structlog

from models.access import partner as partners
from models.access.identity import Actor, Role
from models.accounts.create import CreateAccount
from models.accounts.external import External, checked_partner
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import Refusal
from models.journal.command import run

_log = structlog.get_logger(__name__)


async def open_account(
    partner: str, newcomer: CreateAccount, external_id: str, address: str
) -> bool:
    """Open the account that the partner calls so, as the partner would; whether it was opened.

    Of two who come at once one opens it. An address that somebody has is not given away: whoever
    has it is not the same person for that.
    """
    name = checked_partner(partner)
    by = Actor(
        role=Role.PARTNER,
        user_id=await transaction(lambda: partners.added(name)),
        scopes=frozenset({"accounts:write"}),
        accounts=None,
        address=address,
    )
    asked = replace(newcomer, external=External(external_id=external_id))
    try:
        await run(asked, by, new_id().hex)
    except Refusal as refused:
        _log.info("account_not_opened", code=refused.code, field=".".join(refused.field))
        return False
    return True
