"""Ids and notes of others: what a partner calls a client of theirs, and keeps beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from models.access import partner
from models.access.identity import Actor, Role
from models.db import sql
from models.errors import Forbidden, Invalid, NotFound
from models.text import clean_text

ID_CHARS_MAX: Final = 200
ENTRIES_MAX: Final = 20
KEY_CHARS_MAX: Final = 40
VALUE_CHARS_MAX: Final = 500

_NAME_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class External:
    """What is asked for: `partner` is whose external id it is, where staff ask. None is left as it
    is; an empty `external_id` removes it. `metadata` are pairs of key and value.
    """

    external_id: str | None = None
    partner: str | None = None
    metadata: tuple[tuple[str, str], ...] | None = None

    def __bool__(self) -> bool:
        """Whether there is any of it."""
        return (self.external_id, self.partner, self.metadata) != (None, None, None)

    def checked(self) -> External:
        """The same, clean. Raises Invalid at what is malformed."""
        return External(
            None if self.external_id is None else checked_id(self.external_id),
            None if self.partner is None else checked_partner(self.partner),
            None if self.metadata is None else tuple(checked_metadata(self.metadata).items()),
        )

    async def columns(self, by: Actor, account: _Belonging) -> dict[str, object]:
        """What becomes of the account's columns, inside its transaction; the partner is added where
        staff name a new one. Raises Invalid at `external_id` or `partner`, NotFound at `partner`.
        """
        columns: dict[str, object] = {}
        if self.metadata is not None:
            columns["details"] = dict(self.metadata) or None
        owner = await self._owner(by, account.partner_id)
        if owner is not None:
            columns["partner_id"] = owner
        wanted = account.external_id if self.external_id is None else self.external_id or None
        if self.external_id is not None:
            columns["external_id"] = wanted
        if wanted is None:
            return columns
        if owner is None:
            raise Invalid("partner", problem="null")
        # Two at once would both find it free; the lock has one wait for the other.
        await partner.lock(owner)
        if await find(owner, wanted) not in {None, account.id}:
            raise Invalid("external_id", problem="taken")
        return columns

    async def _owner(self, by: Actor, present: UUID | None) -> UUID | None:
        if by.role is Role.STAFF:
            return present if self.partner is None else await partner.added(self.partner)
        await own_partner(by, self.partner)
        if self.external_id is not None and present != by.user_id:
            # An account has one such id. A key that merely reaches an account does not make it its
            # partner's, whose other keys would reach it, too: staff do.
            whose = "of_no_partner" if present is None else "of_another_partner"
            raise Invalid("external_id", problem=whose)
        return present


@dataclass(frozen=True, slots=True)
class _Belonging:
    """An account, and whose client it is already."""

    id: UUID
    partner_id: UUID | None = None
    external_id: str | None = None


def belonging(
    id: UUID, partner_id: UUID | None = None, external_id: str | None = None
) -> _Belonging:
    """An account as `External.columns` takes it."""
    return _Belonging(id, partner_id, external_id)


def checked_id(text: str, *field: str) -> str:
    """An external id, clean. Raises Invalid at `field` (`external_id`)."""
    field = field or ("external_id",)
    return clean_text(text, *field, maximum=ID_CHARS_MAX, required=False)


def checked_partner(name: str) -> str:
    """A partner's name, clean. Raises Invalid at `partner`."""
    return clean_text(name, "partner", maximum=_NAME_CHARS_MAX)


def checked_metadata(entries: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Entries of metadata, clean. Raises Invalid at `metadata`, the entry's number and its part."""
    if len(entries) > ENTRIES_MAX:
        raise Invalid("metadata", problem="too_many_entries")
    clean: dict[str, str] = {}
    for n, (key, value) in enumerate(entries):
        at = ("metadata", str(n))
        name = clean_text(key, *at, "key", maximum=KEY_CHARS_MAX)
        if name in clean:
            raise Invalid(*at, "key", problem="taken")
        clean[name] = clean_text(
            value, *at, "value", maximum=VALUE_CHARS_MAX, multiline=True, required=False
        )
    return clean


async def own_partner(by: Actor, named: str | None) -> UUID:
    """The partner who asks. Raises NotFound at `partner` where they name another."""
    if named is not None and await partner.find(named) != by.user_id:
        raise NotFound("partner")
    return by.user_id


async def whose(by: Actor, named: str | None) -> UUID | None:
    """Whose external ids are meant: the partner's who asks, or for staff the one who is `named`;
    None where there is no such partner. Raises Invalid at `partner` where staff name none, NotFound
    where a partner names another.
    """
    name = None if named is None else checked_partner(named)
    if by.role is Role.PARTNER:
        return await own_partner(by, name)
    if name is None:
        raise Invalid("partner", problem="null")
    return await partner.find(name)


async def find(partner_id: UUID, external_id: str) -> UUID | None:
    """The account that the partner calls so."""
    row = await sql.fetch_one(
        "SELECT id FROM account WHERE partner_id = $1 AND external_id = $2", partner_id, external_id
    )
    return None if row is None else row["id"]


async def seen_as(by: Actor, external_id: str, named: str | None) -> UUID | None:
    """As `find_for`, for who may read accounts. Raises Forbidden for clients, too."""
    by.require_scope("accounts:read")
    if by.role is Role.CLIENT:
        raise Forbidden("accounts:read")
    return await find_for(by, external_id, named)


async def find_for(by: Actor, external_id: str, named: str | None) -> UUID | None:
    """The account that is called so by the partner who asks, or the one that staff name; None where
    it is not there or out of sight. Raises Invalid, and NotFound at `partner`.
    """
    text = checked_id(external_id)
    owner = await whose(by, named)
    found = await find(owner, text) if owner is not None and text else None
    return found if found is not None and by.sees(found) else None
