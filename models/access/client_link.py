"""Client links: URLs that sign a client's browser in, once, for an existing portal.

A token is 256 random bits of which only the hash is stored. It opens a session for whoever brings
it first, within a minute.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields

from models.access import session
from models.access.identity import Role
from models.clock import now
from models.db import sql
from models.db.record import Record
from models.db.transactions import transaction
from models.errors import TokenRefused

#: How a link's token begins; those of sessions and API keys begin otherwise.
MARK: Final = "acl_"
LIFETIME: Final = timedelta(seconds=60)

_TOKEN_BYTES: Final = 32
_TOKEN_CHARS: Final = len(MARK) + 43
#: For how long a link that can no longer be used is kept.
_KEPT: Final = timedelta(days=1)

_USE: Final = f"""
    UPDATE client_link SET used_at = $1
    WHERE token_hash = $2 AND used_at IS NULL AND expires_at > $1
      AND {session.KEY_HOLDS.format(key_id="client_link.key_id")}
    RETURNING id, user_id, account_id, return_url, key_id
"""
_STILL_THEIRS: Final = """
    SELECT id FROM users
    WHERE id = $1 AND account_id = $2 AND role = $3 AND disabled_at IS NULL
"""
_USER_OF: Final = """
    SELECT id FROM users
    WHERE account_id = $1 AND role = $2 AND disabled_at IS NULL ORDER BY id LIMIT 1
"""


class ClientLink(Record):
    """A link for a user of an account; `token_hash` is the SHA-256 of its token. `key_id` is the
    API key that asked for it: it works no longer than that.
    """

    PREFIX: ClassVar[str] = "lnk"

    user_id = fields.UUIDField()
    account_id = fields.UUIDField()
    token_hash = fields.CharField(max_length=64, unique=True)
    return_url = fields.TextField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)
    key_id = fields.UUIDField(null=True)

    class Meta:
        table = "client_link"


def new_link(id: UUID, user_id: UUID, account_id: UUID, return_url: str) -> tuple[ClientLink, str]:
    """A link to be added (`Journal.add`), and its token, which is nowhere else."""
    token = MARK + secrets.token_urlsafe(_TOKEN_BYTES)
    moment = now()
    link = ClientLink(
        id=id,
        created_at=moment,
        user_id=user_id,
        account_id=account_id,
        token_hash=_hash(token),
        return_url=return_url,
        expires_at=moment + LIFETIME,
    )
    return link, token


async def user_of(account_id: UUID) -> UUID | None:
    """The account's own user, who came with it: None where they are disabled, or there is none."""
    row = await sql.fetch_one(_USER_OF, account_id, Role.CLIENT.value)
    return None if row is None else row["id"]


async def follow(text: str, *, address: str, user_agent: str) -> tuple[str, str]:
    """Use a link: the token of the session that it opens, and where it leads (empty: nowhere).

    Raises TokenRefused at `token`: unknown, used, expired and foreign are one refusal. Of two who
    come at once, one is refused.
    """
    if len(text) != _TOKEN_CHARS or not text.isascii() or not text.startswith(MARK):
        raise TokenRefused("token")

    async def use() -> tuple[str, str]:
        link = await sql.fetch_one(_USE, now(), _hash(text))
        if link is None:
            raise TokenRefused("token")
        user_id, account_id = link["user_id"], link["account_id"]
        if await sql.fetch_one(_STILL_THEIRS, user_id, account_id, Role.CLIENT.value) is None:
            raise TokenRefused("token")
        opened, token = session.new_session(user_id, address=address, user_agent=user_agent)
        # By the link's id, which the audit log has.
        opened.id, opened.confirmed_at = link["id"], session.NOT_PROVEN
        opened.key_id = link["key_id"]
        await sql.add(opened)
        return token, link["return_url"]

    return await transaction(use)


async def forget() -> int:
    """Delete the links that ran out a day ago; how many."""
    before = now() - _KEPT
    return await transaction(lambda: ClientLink.filter(expires_at__lt=before).delete())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
