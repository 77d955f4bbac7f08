"""API keys as staff give them out and end them; each is in the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypeAlias
from uuid import UUID

from typing_extensions import override

from models.access import api_key, partner, rotation
from models.access.api_key import ApiKey
from models.access.budget import checked_budget
from models.access.identity import Actor
from models.accounts.account import Account, by_ids
from models.accounts.external import checked_partner
from models.clock import now
from models.db import sql
from models.db.page import Page, PageRequest, Rows, by_id, fetch_page
from models.db.transactions import transaction
from models.errors import Invalid, NotFound
from models.factors.proof import require_proof
from models.journal import audit_log
from models.journal.command import Invocation, StaffCommand
from models.journal.idempotency import LATER, Made
from models.journal.journal import Journal
from models.text import clean_text

#: Amounts of a budget, in major units, with their currencies.
Amounts: TypeAlias = Sequence[tuple[Decimal, str]]


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key, and its token: None where it was shown before."""

    key: ApiKey
    token: str | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is asked for, as it will be written down."""

    partner: str
    name: str
    scopes: list[str]
    networks: list[str] | None
    daily_budget: dict[str, int] | None
    payment_budget: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class CreateApiKey(StaffCommand[UUID, GivenKey, _Checked]):
    """Give a partner a key, who is added where new. It reaches the accounts that are named, all of
    them, or else those that are the partner's, now and later.

    Raises Invalid at what is malformed, NotFound at `account_ids`, and StepUpRequired.
    """

    mutation: ClassVar[str] = "createApiKey"
    makes: ClassVar[tuple[str, str]] = ("api_key", ApiKey.PREFIX)

    partner: str
    name: str
    scopes: tuple[str, ...]
    account_ids: tuple[UUID, ...] | None = None
    all_accounts: bool = False
    allowed_addresses: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    daily_budget: Amounts | None = field(default=None, metadata=LATER)
    payment_budget: Amounts | None = field(default=None, metadata=LATER)

    @override
    def require(self, by: Actor) -> None:
        by.require_staff()
        require_proof(by)

    @override
    async def prepare(self, asked: Invocation) -> _Checked:
        if self.account_ids is not None and self.all_accounts:
            raise Invalid("account_ids", problem="accounts_or_all")
        if self.account_ids is not None and not self.account_ids:
            raise Invalid("account_ids", problem="none")
        if self.expires_at is not None and self.expires_at <= now():
            raise Invalid("expires_at", problem="past")
        addresses = self.allowed_addresses
        return _Checked(
            checked_partner(self.partner),
            clean_text(self.name, "name", maximum=200),
            api_key.checked_scopes(self.scopes),
            None if addresses is None else api_key.checked_networks(addresses),
            checked_budget(self.daily_budget, "daily_budget"),
            checked_budget(self.payment_budget, "payment_budget"),
        )

    @override
    async def read(self, asked: Invocation[_Checked], journal: Journal) -> UUID:
        """The partner."""
        named = set(self.account_ids or ())
        if len(await by_ids(list(named))) < len(named):
            raise NotFound("account_ids")
        return await partner.added(asked.prepared.partner)

    @override
    def decide(self, found: UUID, asked: Invocation[_Checked], journal: Journal) -> GivenKey:
        told = asked.prepared
        key, token = api_key.new_key(
            told.scopes,
            name=told.name,
            all_accounts=self.all_accounts,
            allowed_addresses=told.networks,
            expires_at=self.expires_at,
            daily_budget=told.daily_budget,
            payment_budget=told.payment_budget,
        )
        key.id, key.user_id = asked.id, found
        journal.add(key)
        named = sorted(set(self.account_ids or ()))
        journal.add(*(api_key.reaching(key.id, account_id) for account_id in named))
        journal.log(
            asked.by,
            "api_key.create",
            key.public_id,
            partner=told.partner,
            scopes=told.scopes,
            accounts=[str(one) for one in named],
            all_accounts=self.all_accounts,
            **_budgets(key),
        )
        return GivenKey(key, token)

    @override
    async def recall(self, made: Made, asked: Invocation) -> GivenKey:
        assert made.id is not None
        return GivenKey(await ApiKey.get(id=made.id))


def _budgets(key: ApiKey) -> dict[str, object]:
    """What the log says of them, where there are any."""
    budgets = {"daily_budget": key.daily_budget, "payment_budget": key.payment_budget}
    return {name: budget for name, budget in budgets.items() if budget is not None}


@dataclass(frozen=True, slots=True)
class RotateApiKey(StaffCommand[ApiKey, GivenKey]):
    """Replace a key by another of the same partner that has all that it had, its budget too; the
    old one stays good for some hours more, and what it has opened for clients goes on.

    Raises NotFound at `api_key_id`, NotAllowed there for one that has ended or been replaced,
    Invalid at `old_key_valid_hours`, and StepUpRequired.
    """

    mutation: ClassVar[str] = "rotateApiKey"
    makes: ClassVar[tuple[str, str]] = ("api_key", ApiKey.PREFIX)

    key_id: UUID
    old_key_valid_hours: int = 24

    @override
    def require(self, by: Actor) -> None:
        by.require_staff()
        require_proof(by)

    @override
    async def read(self, asked: Invocation, journal: Journal) -> ApiKey:
        rotation.overlap(self.old_key_valid_hours)
        return journal.watch(await rotation.replaceable(self.key_id))

    @override
    def decide(self, found: ApiKey, asked: Invocation, journal: Journal) -> GivenKey:
        overlap = rotation.overlap(self.old_key_valid_hours)
        key, token = rotation.successor(found, journal.at)
        key.id = asked.id
        found.put(expires_at=rotation.last_moment(found, journal.at, overlap))
        journal.add(key)
        journal.log(
            asked.by, "api_key.rotate", key.public_id, old=found.public_id, until=found.expires_at
        )
        return GivenKey(key, token)

    @override
    async def recall(self, made: Made, asked: Invocation) -> GivenKey:
        assert made.id is not None
        return GivenKey(await ApiKey.get(id=made.id))


async def find(key_id: UUID | None, by: Actor) -> ApiKey | None:
    """The key; None where there is none. Raises Forbidden unless it is staff who ask."""
    by.require_staff()
    return None if key_id is None else await ApiKey.get_or_none(id=key_id)


async def page(request: PageRequest, by: Actor) -> Page[ApiKey]:
    """All keys, newest first. Raises Forbidden unless it is staff who ask."""
    by.require_staff()
    return await fetch_page(ApiKey, Rows("1 = 1"), request, by_id(ApiKey.PREFIX))


async def reached(key: ApiKey, request: PageRequest) -> Page[Account]:
    """The accounts that a key reaches, newest first."""
    rows = Rows("1 = 1")
    if not key.all_accounts:
        if await api_key.names_accounts(key.line):
            named = "SELECT account_id FROM key_account WHERE api_key_id = $1"
            rows = Rows(f"id IN ({named})", [key.line])
        else:
            rows = Rows("partner_id = $1", [key.user_id])
    return await fetch_page(Account, rows, request, by_id(Account.PREFIX))


async def revoke(key_id: UUID, by: Actor) -> ApiKey:
    """End a key now, with those that it has replaced, and what they have open within a second; one
    that has ended stays as it is.

    Raises NotFound at `api_key_id`, StepUpRequired, and Forbidden unless it is staff who ask.
    """
    by.require_staff()
    require_proof(by)

    async def end() -> ApiKey:
        revoked = await api_key.end(key_id)
        key = (await sql.by_ids(ApiKey, [key_id])).get(key_id)
        if key is None:
            raise NotFound("api_key_id")
        if revoked:
            await sql.add(audit_log.entry(by, "api_key.revoke", key.public_id))
        return key

    return await transaction(end)
