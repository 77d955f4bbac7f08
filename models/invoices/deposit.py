"""Add Funds: the invoice that deposits an amount, and the limits that hold for credit."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from typing_extensions import override

from models.access.identity import Actor, MemberRole, Role
from models.accounts import account as accounts
from models.accounts.account import Account
from models.credit.balance import has_balance
from models.credit.limits import check_room, deposits_begun
from models.db.record import public_id
from models.db.together import find_one
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    GatewayNotAvailable,
    NotFound,
    PolicyNotAccepted,
)
from models.gateway import Gateway
from models.invoices.draft import Draft, DraftLine
from models.invoices.invoice import Invoice, InvoiceKind, made_invoice
from models.invoices.issue import issue
from models.invoices.room import Room, room_for
from models.invoices.snapshot import DEPOSIT
from models.journal.command import Command, Invocation
from models.journal.idempotency import LATER, Made
from models.journal.journal import Journal
from models.ledger.book import Book
from models.ledger.opening import open_book
from models.money import Money
from models.provider.offer import accepts
from models.provider.provider import provider


@dataclass(frozen=True, slots=True)
class Depositor:
    """What a deposit is decided on; `begun` is what other deposits will bring, in minor units."""

    account: Account
    book: Book
    begun: int
    room: Room


@dataclass(frozen=True, slots=True)
class AddFunds(Command[Depositor, Invoice]):
    """+ Add Funds: the unpaid invoice that deposits `amount` to the client's own account, or to one
    that a partner (`funds:write`) or staff name, in its currency or in another that it has a
    balance or a debt in. The policy is what the client has accepted, whoever passes it on.

    Raises Forbidden; AmountPrecision, AmountOutOfRange, CurrencyNotSupported,
    BalanceLimitExceeded, GatewayNotAvailable, PolicyNotAccepted, NotAllowed (too many invoices are
    open), NotFound at their fields.
    """

    mutation: ClassVar[str] = "addFunds"
    least_role: ClassVar[MemberRole] = MemberRole.BILLING
    makes: ClassVar[tuple[str, str]] = ("invoice", Invoice.PREFIX)

    amount: Decimal
    currency: str
    gateway: str
    accepted_policy_version: str
    account_id: UUID | None = field(default=None, metadata=LATER)

    @override
    def require(self, by: Actor) -> None:
        if by.role is not Role.CLIENT:
            by.require_scope("funds:write")

    @override
    def resource(self, by: Actor) -> Hashable:
        # What is counted of the account may only shrink by what others of its batch do.
        return ("deposits", by.account_meant(self.account_id))

    @override
    def more_resources(self, found: Depositor) -> Collection[Hashable]:
        return [("deposits", found.account.id)]

    @override
    async def read(self, asked: Invocation, journal: Journal) -> Depositor:
        account_id, currency = asked.by.account_meant(self.account_id), self.currency
        account = await find_one(accounts.by_ids, account_id)
        if account is None:
            raise NotFound("account_id")
        if currency != account.currency and not await has_balance(account_id, currency):
            raise CurrencyNotSupported("amount", "currency", currency=currency)
        book = await open_book(journal, account_id, currency)
        begun = await deposits_begun(account_id, currency)
        room = await room_for(journal, account_id, asked.source)
        return Depositor(account, book, begun, room)

    @override
    def decide(self, found: Depositor, asked: Invocation, journal: Journal) -> Invoice:
        deposit = deposit_amount(self.amount, self.currency)
        if self.accepted_policy_version != provider().policy.version:
            raise PolicyNotAccepted("accepted_policy_version", version=provider().policy.version)
        gateway = provider().gateway(self.gateway, "gateway")
        check_gateway(gateway, deposit, "gateway")
        check_room(found.book, deposit, found.begun, "amount", "amount")
        found.room.check_open("amount")
        found.room.check_new()
        line = DraftLine(
            DEPOSIT, Decimal(1), deposit.minor, deposit.amount, Decimal(0), deposit.minor
        )
        draft = Draft(
            id=asked.id,
            account=found.account,
            kind=InvoiceKind.FUNDS,
            currency=self.currency,
            lines=[line],
            gateway=gateway.code,
            source=asked.source,
        )
        journal.log_person(
            asked.by,
            "funds.add",
            public_id(Invoice.PREFIX, asked.id),
            found.account.id,
            policy=self.accepted_policy_version,
        )
        return issue(journal, draft)

    @override
    async def recall(self, made: Made, asked: Invocation) -> Invoice:
        assert made.id is not None
        invoice = await made_invoice(made.id)
        if not asked.by.sees(invoice.account_id):
            raise NotFound("idempotency_key")
        return invoice


def deposit_amount(amount: Decimal, currency: str) -> Money:
    """A deposit within the policy's limits."""
    limits = provider().limits_of(currency, "amount", "currency")
    deposit = Money.parse(amount, currency, "amount", "amount")
    if deposit < limits.minimum_deposit or limits.maximum_deposit < deposit:
        raise AmountOutOfRange(
            "amount", "amount", minimum=limits.minimum_deposit, maximum=limits.maximum_deposit
        )
    return deposit


def check_gateway(gateway: Gateway, amount: Money, *field: str) -> None:
    """Raises GatewayNotAvailable at `field` where the gateway does not take this amount."""
    if not accepts(gateway, amount):
        raise GatewayNotAvailable(*field)
