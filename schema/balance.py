"""Available Credit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models.credit import balance, grants
from models.credit.balance import BalanceState
from models.credit.grants import GrantSource, GrantState
from models.db.record import parse_id
from models.errors import NotFound
from models.ledger.grant import Grant as GrantRecord
from models.money import EXPONENTS
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top
from schema.core.ids import account_named
from schema.core.money import Money
from schema.core.nodes import Node, found_by
from schema.core.scalars import CurrencyCode

AccountId = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The account. Clients omit it; partners and staff must name one."
    ),
]
OwnCurrency = Annotated[
    CurrencyCode | None, strawberry.argument(description="Defaults to the account's own currency.")
]


@strawberry.type
class PromotionalExpiry:
    """Promotional credit that expires."""

    amount: Money
    "The amount that is left."
    expires_at: datetime
    "When it expires."


@strawberry.type
class Balance(Node):
    """One client's credit in one currency: what the portal shows as *Available Credit*."""

    currency: CurrencyCode
    "The currency of every amount here."
    available: Money
    "Credit that can be spent now."
    reserved: Money
    "Credit held for open payments and refunds; not part of `available`."
    pending: Money
    "Deposits whose payment has started but isn't confirmed yet; not part of `available`."
    promotional: Money
    "The part of `available` that comes from vouchers rather than deposits."
    next_expiry: PromotionalExpiry | None
    "The promotional credit that expires next."
    debt: Money
    """
    What the client owes because a deposit was reversed after it had been spent. The next deposit
    repays it first.
    """
    spending_frozen: bool
    """
    Whether this credit can't be spent at the moment, because of a debt in this currency, an open
    dispute or a freeze by staff. `Account.spendingFrozen` is true while any balance is frozen.
    """
    version: int
    """
    Increases by one with every credit transaction. `pending` and `reserved` can change without a
    new version.
    """
    updated_at: datetime
    "When the balance last changed, or when the account was opened."

    @classmethod
    def of(cls, state: BalanceState) -> Balance:
        """Show a balance as it stands."""
        currency = state.currency
        assert state.updated_at is not None, "a balance that was read has a moment"
        return cls(
            id=strawberry.ID(f"bal_{state.account_id.hex}_{currency}"),
            currency=CurrencyCode(currency),
            available=Money.minor(state.available, currency),
            reserved=Money.minor(state.reserved, currency),
            pending=Money.minor(state.pending, currency),
            promotional=Money.minor(state.promotional, currency),
            next_expiry=_expiry(state),
            debt=Money.minor(state.debt, currency),
            spending_frozen=state.stopped,
            version=state.version,
            updated_at=state.updated_at,
        )


def _expiry(state: BalanceState) -> PromotionalExpiry | None:
    if state.next_expiry is None:
        return None
    minor, moment = state.next_expiry
    return PromotionalExpiry(amount=Money.minor(minor, state.currency), expires_at=moment)


strawberry.enum(GrantSource)


strawberry.enum(GrantState)


@strawberry.type
class Grant(Node):
    """Promotional credit that was given at once, such as by a voucher. It is spent before deposits,
    soonest expiry first.
    """

    source: GrantSource
    "Where it comes from."
    amount: Money
    "The amount that was given."
    remaining: Money
    "What can still be spent of it; what is reserved is not in it."
    effective_at: datetime
    "Since when it can be spent."
    expires_at: datetime | None
    "When it expires; null if it doesn't."
    record: strawberry.Private[GrantRecord]

    @classmethod
    def of(cls, record: GrantRecord) -> Grant:
        """Show a grant."""
        return cls(
            id=strawberry.ID(record.public_id),
            source=GrantSource.VOUCHER,
            amount=Money.minor(record.amount, record.currency),
            remaining=Money.minor(grants.left(record), record.currency),
            effective_at=record.created_at,
            expires_at=record.expires_at,
            record=record,
        )

    @strawberry.field
    async def name(self, info: Info) -> str:
        """What it is called: the voucher's note, if it has one."""
        note = await info.context.loaders.grant_note.load(self.record.id)
        return note or texts.say("grant.VOUCHER", info.context.locale)

    @strawberry.field
    async def state(self, info: Info) -> GrantState:
        """What has become of it."""
        return await grants.state_of(self.record, info.context.loaders.grant_end.load)


@found_by(GrantRecord.PREFIX)
async def _grant_node(info: Info, id: str) -> Grant | None:
    by, find = info.context.signed_in(), info.context.loaders.grant.load
    record = await grants.visible(parse_id(GrantRecord.PREFIX, id), by, find)
    return Grant.of(record) if record else None


@strawberry.type
class BalancePayload(Payload):
    """What a mutation answers that moves credit."""

    touched: strawberry.Private[tuple[UUID, str] | None] = None

    @strawberry.field
    async def balance(self, info: Info) -> Balance | None:
        """The balance afterwards. Null for partners whose key lacks `credit:read`."""
        if self.touched is None:
            return None
        state = await balance.balance_after(*self.touched, by=info.context.signed_in())
        return Balance.of(state) if state else None


@found_by("bal")
async def _balance_node(info: Info, id: str) -> Balance | None:
    head, _, currency = id.rpartition("_")
    account_id = parse_id("bal", head)
    if account_id is None or currency not in EXPONENTS:
        return None
    try:
        by = info.context.signed_in()
        return Balance.of(await balance.balance_of(account_id, currency, by=by))
    except NotFound:
        return None


@strawberry.type
class BalanceQuery:
    """Reading credit."""

    @strawberry.field
    @refused_at_top
    async def balance(
        self, info: Info, currency: OwnCurrency = None, account_id: AccountId = None
    ) -> Balance:
        """Available Credit. Clients omit `accountId`; partners and staff must name one."""
        by = info.context.signed_in()
        return Balance.of(await balance.balance_of(account_named(account_id), currency, by=by))
