"""API keys: given to partners' systems by staff, and revoked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import strawberry

from models.access import api_key
from models.access.api_key import MARK
from models.accounts import api_keys
from models.accounts.api_keys import CreateApiKey, RotateApiKey
from models.db.record import parse_id
from models.journal.command import run
from schema.account import PREFIX as ACCOUNT
from schema.account import Account
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top, refused_in_payload
from schema.core.ids import id_of
from schema.core.money import Money, MoneyInput
from schema.core.nodes import Node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request

PREFIX = api_key.ApiKey.PREFIX


@strawberry.type
class ApiKey(Node):
    """A key with which a partner's system calls the API. For staff."""

    name: str
    "What it is for."
    prefix: str
    "How its token begins, to recognise it by. The token itself isn't stored."
    scopes: list[str]
    "What it may do, sorted: `invoices:write`."
    all_accounts: bool
    "Whether it reaches all accounts. If not, those that its partner opened or that were named."
    allowed_addresses: list[str]
    "The networks that it may be used from. Empty: from anywhere."
    created_at: datetime
    "When it was created."
    last_used_at: datetime | None
    "When it was last used, to the minute."
    expires_at: datetime | None
    "When it expires; null if it doesn't."
    revoked_at: datetime | None
    "When it was revoked; null if it wasn't."
    record: strawberry.Private[api_key.ApiKey]

    @classmethod
    def of(cls, record: api_key.ApiKey) -> ApiKey:
        """Show a key."""
        return cls(
            id=strawberry.ID(record.public_id),
            name=record.name,
            prefix=f"{MARK}{record.prefix}",
            scopes=record.scopes.split(),
            all_accounts=record.all_accounts,
            allowed_addresses=record.allowed_addresses or [],
            created_at=record.created_at,
            last_used_at=record.used_at,
            expires_at=record.expires_at,
            revoked_at=record.revoked_at,
            record=record,
        )

    @strawberry.field
    async def partner(self, info: Info) -> str:
        """The partner's name."""
        return await info.context.loaders.partner_name.load(self.record.user_id)

    @strawberry.field
    def daily_budget(self) -> list[Money]:
        """How much it may spend a day, for each currency; nothing in others. Empty: any amount."""
        return _shown(self.record.daily_budget)

    @strawberry.field
    def payment_budget(self) -> list[Money]:
        """How much it may spend at once, for each currency; nothing in others. Empty: any
        amount.
        """
        return _shown(self.record.payment_budget)

    @strawberry.field
    @refused_at_top
    async def accounts(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Account]:
        """The accounts that it reaches, newest first."""
        request = page_request(info, first, after, last, before)
        return Connection.of(await api_keys.reached(self.record, request), Account.of)


def _shown(budget: Mapping[str, int] | None) -> list[Money]:
    return [Money.minor(minor, currency) for currency, minor in sorted((budget or {}).items())]


@found_by(PREFIX)
async def _api_key_node(info: Info, id: str) -> ApiKey | None:
    record = await api_keys.find(parse_id(PREFIX, id), info.context.signed_in())
    return ApiKey.of(record) if record else None


@strawberry.type
class ApiKeyQuery:
    """Reading API keys."""

    @strawberry.field
    @refused_at_top
    async def api_keys(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ApiKey]:
        """Staff: all API keys, newest first; revoked ones too."""
        by = info.context.signed_in()
        request = page_request(info, first, after, last, before)
        return Connection.of(await api_keys.page(request, by), ApiKey.of)


@strawberry.input
class CreateApiKeyInput:
    """A key to create. It reaches `accountIds`, all accounts, or else the partner's own."""

    partner: str
    "The partner's name; added if new."
    name: str
    "What it is for, at most 200 characters."
    scopes: list[str]
    "What it may do: at least one scope."
    account_ids: list[strawberry.ID] | None = None
    """The only accounts that it reaches. Omitted: those that its partner opened, now and later,
    unless `allAccounts`.
    """
    all_accounts: bool = False
    "Whether it reaches all accounts. Not together with `accountIds`."
    allowed_addresses: list[str] | None = None
    "Addresses or networks that it may be used from: `192.0.2.0/24`. Omitted: from anywhere."
    daily_budget: list[MoneyInput] | None = None
    """How much it may spend on a day of the provider's: credit that it spends or reserves, and
    payments that it begins, with their fees. One amount a currency; nothing in others. Omitted: any
    amount. A key that replaces it has the same budget.
    """
    payment_budget: list[MoneyInput] | None = None
    "How much it may spend at once. Otherwise like `dailyBudget`."
    expires_at: datetime | None = None
    "When it expires. Omitted: it doesn't."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


def _amounts(given: list[MoneyInput] | None) -> tuple[tuple[Decimal, str], ...] | None:
    return None if given is None else tuple((one.amount, one.currency) for one in given)


@strawberry.input
class RotateApiKeyInput:
    """The key to replace."""

    api_key_id: strawberry.ID
    "The key's ID."
    old_key_valid_hours: int = 24
    "How many hours the old key stays valid: 0 to 720."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class RevokeApiKeyInput:
    """The key to revoke."""

    api_key_id: strawberry.ID
    "The key's ID."


@strawberry.type
class ApiKeyPayload(Payload):
    """The result of a change to an API key."""

    api_key: ApiKey | None = None
    "The key as it is now."
    token: str | None = None
    """What the partner's system sends as `Authorization: Bearer …`. It is shown once: null when
    the same `idempotencyKey` is sent again.
    """


@strawberry.type
class ApiKeyMutation:
    """Giving out API keys, and revoking them."""

    @strawberry.mutation
    @refused_in_payload
    async def create_api_key(self, info: Info, input: CreateApiKeyInput) -> ApiKeyPayload:
        """Staff: creates an API key for a partner's system."""
        by, ids = info.context.signed_in(), input.account_ids
        addresses = input.allowed_addresses
        given = await run(
            CreateApiKey(
                partner=input.partner,
                name=input.name,
                scopes=tuple(input.scopes),
                account_ids=None
                if ids is None
                else tuple(id_of(ACCOUNT, one, "account_ids") for one in ids),
                all_accounts=input.all_accounts,
                allowed_addresses=None if addresses is None else tuple(addresses),
                expires_at=input.expires_at,
                daily_budget=_amounts(input.daily_budget),
                payment_budget=_amounts(input.payment_budget),
            ),
            by,
            input.idempotency_key,
        )
        return ApiKeyPayload(api_key=ApiKey.of(given.key), token=given.token)

    @strawberry.mutation
    @refused_in_payload
    async def rotate_api_key(self, info: Info, input: RotateApiKeyInput) -> ApiKeyPayload:
        """Staff: creates an API key in place of another, with its accounts, scopes, networks and
        budgets. The old one stays valid for `oldKeyValidHours`.
        """
        by = info.context.signed_in()
        key_id = id_of(PREFIX, input.api_key_id, "api_key_id")
        command = RotateApiKey(key_id, input.old_key_valid_hours)
        given = await run(command, by, input.idempotency_key)
        return ApiKeyPayload(api_key=ApiKey.of(given.key), token=given.token)

    @strawberry.mutation
    @refused_in_payload
    async def revoke_api_key(self, info: Info, input: RevokeApiKeyInput) -> ApiKeyPayload:
        """Staff: revokes an API key, and those that it has replaced. Their open connections are
        closed within a second.
        """
        by = info.context.signed_in()
        key_id = id_of(PREFIX, input.api_key_id, "api_key_id")
        return ApiKeyPayload(api_key=ApiKey.of(await api_keys.revoke(key_id, by)))
