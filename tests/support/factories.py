"""Clients and what they do, for tests of the domain: all real but the gateways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from models import clock
from models.access.identity import Actor, Role
from models.accounts import account as accounts
from models.accounts.account import Account
from models.accounts.settings import UpdateAccount
from models.checkout import pay
from models.checkout.paying import Paid
from models.credit import balance, lines
from models.credit.adjustment import AdjustCredit
from models.credit.issue_vouchers import IssueVouchers
from models.credit.redemption import RedeemVoucher
from models.credit.reserve import ReserveCredit
from models.db import record, transactions
from models.db.page import PageRequest
from models.gateway import EventKind, GatewayEvent
from models.invoices import invoice, order
from models.invoices.deposit import AddFunds
from models.invoices.order import CreateOrder
from models.journal.command import run
from models.money import Money
from models.payments import inbox, payment, refund
from tests.support.providers import VERSION, key

if TYPE_CHECKING:
    from uuid import UUID

    from models.credit.reservation import Reservation
    from models.invoices.invoice import Invoice
    from models.ledger.credit_transaction import CreditTransaction
    from models.payments.payment import Payment

STAFF: Final = Actor(role=Role.STAFF, user_id=record.new_id())


@dataclass(frozen=True)
class Client:
    """An account and its own client, with what they do; amounts in minor units."""

    account: Account
    actor: Actor

    @property
    def id(self) -> UUID:
        return self.account.id

    async def balance(self) -> balance.BalanceState:
        return await balance.balance_of(self.id, by=self.actor)

    async def amounts(self) -> tuple[int, int, int, int]:
        """What is available, reserved, promotional and owed."""
        now = await self.balance()
        return now.available, now.reserved, now.promotional, now.debt

    async def lines(self) -> list[CreditTransaction]:
        """The statement, oldest first."""
        page = await lines.page(None, None, PageRequest(last=100), by=self.actor)
        return page.rows[::-1]

    async def kinds(self) -> list[str]:
        return [line.kind for line in await self.lines()]

    async def is_frozen(self) -> bool:
        """Whether spending is stopped."""
        return (await accounts.frozen_of([self.id]))[self.id]

    def major(self, minor: int) -> Decimal:
        return Money(minor, self.account.currency).amount

    async def given(self, minor: int) -> CreditTransaction:
        """Credit of the kind that deposits make."""
        amount, currency = self.major(minor), self.account.currency
        return await run(AdjustCredit(self.id, amount, currency, "a gift"), STAFF, key())

    async def frozen(self) -> None:
        """Staff stop all spending."""
        await run(UpdateAccount(self.id, {"spending_frozen": True}), STAFF, key())

    async def granted(self, minor: int, expires_at: Any = None) -> CreditTransaction:
        """Promotional credit."""
        (code,) = await a_voucher(minor, self.account.currency, credit_expires_at=expires_at)
        return await run(RedeemVoucher.of(code), self.actor, key())

    async def order(self, minor: int = 2500, **wish: Any) -> Invoice:
        """An unpaid ORDER invoice."""
        line = order.OrderLine("Hosting", Decimal(1), self.major(minor), Decimal(0))
        how = {"apply_credit": False, "key": key(), **wish}
        used = how.pop("key")
        return await run(CreateOrder(self.id, self.account.currency, [line], **how), STAFF, used)

    async def reserve(self, minor: int = 1000, **wish: Any) -> Reservation:
        """Credit that staff put by for an order, for a day."""
        how: dict[str, Any] = {"expires_at": clock.now() + timedelta(days=1), **wish}
        how = {"reference": "order 7", "description": "A server", **how}
        by, used = how.pop("by", STAFF), how.pop("key", None) or key()
        amount, currency = self.major(minor), self.account.currency
        how = {"amount": amount, "currency": currency, **how}
        return await run(ReserveCredit(self.id, **how), by, used)

    async def funds(self, minor: int = 2500, gateway: str = "card") -> Invoice:
        """An unpaid FUNDS invoice."""
        amount, currency = self.major(minor), self.account.currency
        return await run(AddFunds(amount, currency, gateway, VERSION), self.actor, key())

    async def pay(self, bill: Invoice, **wish: Any) -> Paid:
        by, used = wish.pop("by", self.actor), wish.pop("key", None) or key()
        return await run(pay.PayInvoice(bill.id, **wish), by, used)

    async def spend(self, bill: Invoice, **wish: Any) -> Invoice:
        """Pay with credit alone."""
        return (await self.pay(bill, use_credit=True, **wish)).invoice

    async def begin(self, bill: Invoice, gateway: str = "card", **wish: Any) -> Payment:
        """A payment that waits for the client; a split, with a `credit_limit` in minor units."""
        if limit := wish.pop("credit_limit", None):
            wish |= {"use_credit": True, "credit_limit": self.major(limit)}
        begun = (await self.pay(bill, gateway=gateway, **wish)).payment
        assert begun is not None
        return begun

    async def deposit(self, minor: int = 2500, gateway: str = "card") -> Payment:
        """Add funds, and let the gateway capture them."""
        begun = await self.begin(await self.funds(minor, gateway), gateway)
        await tell(begun, captured(begun))
        ended: Payment = await now(begun)
        return ended


async def a_client(currency: str = "USD", **settings: Any) -> Client:
    account = await transactions.transaction(
        lambda: Account.create(name="Ada", email=f"{key()}@x.org", currency=currency, **settings)
    )
    user_id, address = record.new_id(), key()
    actor = Actor(role=Role.CLIENT, user_id=user_id, account_id=account.id, address=address)
    return Client(account, actor)


async def a_voucher(
    minor: int, currency: str = "USD", *, max_redemptions: int = 1, **wish: Any
) -> list[str]:
    amount = Money(minor, currency).amount
    how: dict[str, Any] = {"count": 1, "amount": amount, "currency": currency, **wish}
    by, used = how.pop("by", STAFF), how.pop("key", None) or key()
    return await run(IssueVouchers(**how, max_redemptions=max_redemptions), by, used)


# ------------------------------------------------------------------------------- gateways say


def event(payment: Payment, kind: EventKind, reference: str = "", minor: int = 0) -> GatewayEvent:
    """News of a payment; the event's id is new."""
    amount = Money(minor, payment.currency) if minor else None
    return GatewayEvent(key(), kind, payment.public_id, reference, amount)


def captured(payment: Payment, minor: int | None = None, reference: str = "") -> GatewayEvent:
    amount = payment.charged if minor is None else minor
    return event(payment, EventKind.CAPTURED, reference or key(), amount)


async def tell(payment: Payment, *events: GatewayEvent) -> None:
    await inbox.take_in(payment.gateway, events)


async def now(record: Any) -> Any:
    """An invoice, a payment or a refund as it is now."""
    module = {"invoice": invoice, "refund": refund}.get(type(record).__name__.lower(), payment)
    return await module.read(record.id)
