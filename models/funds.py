"""Add Funds: the invoice that deposits an amount, and the limits that hold for credit."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from uuid import UUID

from models import account as accounts
from models import idempotency, sql
from models.balance import has_balance
from models.base import new_id, parse_id, public_id
from models.book import Book, book
from models.errors import (
    AmountOutOfRange,
    BalanceLimitExceeded,
    CurrencyNotSupported,
    Forbidden,
    GatewayNotAvailable,
    NotFound,
    PolicyNotAccepted,
)
from models.gateway import Gateway
from models.identity import Actor, Role
from models.invoice import Invoice, InvoiceKind, read
from models.issuing import DraftLine, issue, may_stay_open, too_many_open
from models.money import Money
from models.payment import OPEN_SQL
from models.policy import house
from models.snapshot import DEPOSIT


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


async def made_invoice(done: idempotency.Result) -> Invoice:
    """The invoice that a keyed operation made, as it is now."""
    invoice_id = parse_id(Invoice.PREFIX, done["invoice"])
    assert invoice_id is not None
    invoice = await read(invoice_id)
    assert invoice is not None, "invoices are never deleted"
    return invoice


def deposit_amount(amount: Decimal, currency: str) -> Money:
    """A deposit within the policy's limits."""
    limits = house().limits_of(currency, "amount", "currency")
    deposit = Money.parse(amount, currency, "amount", "amount")
    if deposit < limits.minimum_deposit or limits.maximum_deposit < deposit:
        raise AmountOutOfRange(
            "amount", "amount", minimum=limits.minimum_deposit, maximum=limits.maximum_deposit
        )
    return deposit


def accepts(gateway: Gateway, amount: Money) -> bool:
    """Whether the gateway takes a payment of this amount."""
    if amount.currency not in gateway.currencies:
        return False
    minimum, maximum = gateway.minimum(amount.currency), gateway.maximum(amount.currency)
    return not (minimum and amount < minimum) and not (maximum and maximum < amount)


def check_gateway(gateway: Gateway, amount: Money, *field: str) -> None:
    """Raises GatewayNotAvailable at `field` where the gateway does not take this amount."""
    if not accepts(gateway, amount):
        raise GatewayNotAvailable(*field)


# Deposits that have begun: what is due on FUNDS invoices that have an open payment.
_BEGUN: Final = f"""
SELECT COALESCE(SUM(i.total - i.amount_paid), 0) AS begun FROM invoice i
 WHERE i.account_id = $1 AND i.currency = $2 AND i.kind = 'FUNDS' AND i.id <> $3
   AND i.status IN ('UNPAID', 'PROCESSING')
   AND EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id AND p.status IN {OPEN_SQL})
"""

_NO_INVOICE: Final = UUID(int=0)


async def check_room(
    opened: Book, deposit: Money, *field: str, invoice_id: UUID = _NO_INVOICE
) -> None:
    """Raises BalanceLimitExceeded where the deposit would pass the maximum balance, counting what
    is available and reserved, the deposits that have begun (but for `invoice_id`'s own), and the
    debt, which a deposit repays first.
    """
    maximum = house().limits_of(deposit.currency, *field).maximum_balance
    if maximum is None:
        return
    row = await sql.fetch_one(_BEGUN, opened.account_id, opened.currency, invoice_id)
    assert row is not None
    there = opened.available + opened.reserved - opened.debt + int(row["begun"])
    if there + deposit.minor > maximum.minor:
        raise BalanceLimitExceeded(*field, maximum=maximum)
