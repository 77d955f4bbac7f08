"""Add Funds: the invoice that deposits an amount, and the limits that hold for credit."""

from __future__ import annotations

from decimal import Decimal

from models.access.identity import Actor, Role
from models.accounts import account as accounts
from models.credit.balance import has_balance
from models.credit.limits import check_room
from models.db.record import new_id, public_id
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    Forbidden,
    GatewayNotAvailable,
    NotFound,
    PolicyNotAccepted,
)
from models.gateway import Gateway, accepts
from models.invoices.invoice import Invoice, InvoiceKind, made_invoice
from models.invoices.issue import DraftLine, issue, may_stay_open, too_many_open
from models.invoices.snapshot import DEPOSIT
from models.journal import idempotency
from models.ledger.book import book
from models.money import Money
from models.provider.provider import house


async def add_funds(
    amount: Decimal,
    currency: str,
    gateway: str,
    accepted_policy_version: str,
    *,
    by: Actor,
    key: str,
) -> Invoice:
    """+ Add Funds: the unpaid invoice that deposits `amount` to the client's own account, in its
    currency or in another that it has a balance or a debt in.

    Raises Forbidden for partners and staff; AmountPrecision, AmountOutOfRange,
    CurrencyNotSupported, BalanceLimitExceeded, GatewayNotAvailable, PolicyNotAccepted, NotAllowed
    (too many invoices are open) at their fields.
    """
    if by.role is not Role.CLIENT:
        raise Forbidden("client")
    account_id, invoice_id = by.own_account(), new_id()
    given = {
        "amount": str(amount),
        "currency": currency,
        "gateway": gateway,
        "policy": accepted_policy_version,
    }

    async def work() -> None:
        account = (await accounts.by_ids([account_id]))[account_id]
        if currency != account.currency and not await has_balance(account_id, currency):
            raise CurrencyNotSupported("amount", "currency", currency=currency)
        deposit = deposit_amount(amount, currency)
        if accepted_policy_version != house().policy.version:
            raise PolicyNotAccepted("accepted_policy_version", version=house().policy.version)
        chosen = house().gateway(gateway, "gateway")
        check_gateway(chosen, deposit, "gateway")
        async with book(account_id, currency) as opened:
            await check_room(opened, deposit, "amount", "amount")
            if not await may_stay_open(account_id):
                raise too_many_open("amount")
        line = DraftLine(
            DEPOSIT, Decimal(1), deposit.minor, deposit.amount, Decimal(0), deposit.minor
        )
        await issue(
            account,
            InvoiceKind.FUNDS,
            currency,
            [line],
            id=invoice_id,
            gateway=chosen.code,
            source=idempotency.source_of(by, key),
        )

    async def admit(made: idempotency.Result) -> None:
        if (await made_invoice(made)).account_id != account_id:
            raise NotFound("idempotency_key")

    made = {"invoice": public_id(Invoice.PREFIX, invoice_id)}
    done = await idempotency.once(by, key, "addFunds", given, made, admit=admit, work=work)
    return await made_invoice(done)


def deposit_amount(amount: Decimal, currency: str) -> Money:
    """A deposit within the policy's limits."""
    limits = house().limits_of(currency, "amount", "currency")
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
