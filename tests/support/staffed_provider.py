"""A provider with clients, for tests of the API: everything real but the gateways."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from models.access.identity import Actor, Role
from models.accounts.account import Account
from models.credit.adjustment import AdjustCredit
from models.db import record, transactions
from models.gateway import GatewayKind, PaymentOrder, Started, TransferInstructions
from models.invoices import order
from models.invoices.order import CreateOrder
from models.journal.command import run
from models.money import Money
from models.provider.provider import Limits
from schema import make_schema
from schema.core.context import Context
from schema.core.watch import Watchers
from tests.support import providers
from tests.support.factories import STAFF
from tests.support.providers import Fake, key

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest

    from models.invoices.invoice import Invoice
    from models.ledger.credit_transaction import CreditTransaction
    from models.provider.provider import Provider

SCHEMA: Final = make_schema()


class Bank(Fake):
    """A gateway that says where to transfer the money."""

    def __init__(self) -> None:
        super().__init__("bank-transfer", GatewayKind.BANK_TRANSFER)

    async def start(self, order: PaymentOrder) -> Started:
        transfer = TransferInstructions("Example Ltd", "A Bank", "DE89370400440532013000")
        return Started(order.id, transfer)


def wire_provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    """A provider with limits for four currencies and two ways to pay."""
    limits = {
        currency: Limits(Money(500, currency), Money(50_000, currency), Money(90_000, currency))
        for currency in ("EUR", "JPY", "KWD", "USD")
    }
    gateways = [Fake("card", fee=30), Bank()]
    return providers.wire_provider(
        monkeypatch,
        limits=limits,
        gateways={gateway.code: gateway for gateway in gateways},
        support_url="https://example.com/help?about={invoice}",
    )


async def an_account(name: str = "Ada", currency: str = "USD", **settings: Any) -> Account:
    """A client."""
    email = f"{name.lower()}@example.com"
    return await transactions.transaction(
        lambda: Account.create(name=name, email=email, currency=currency, **settings)
    )


def client(account: Account) -> Actor:
    """The account's own client, signed in."""
    return Actor(
        role=Role.CLIENT, user_id=record.new_id(), account_id=account.id, locale=account.locale
    )


def partner(*scopes: str, accounts: Collection[Account] | None = None) -> Actor:
    """A partner's key with these scopes, for these accounts or all."""
    ids = None if accounts is None else frozenset(account.id for account in accounts)
    return Actor(role=Role.PARTNER, user_id=record.new_id(), scopes=frozenset(scopes), accounts=ids)


async def give(account: Account, amount: str, reason: str = "a gift") -> CreditTransaction:
    """Credit for an account."""
    currency = account.currency
    return await run(AdjustCredit(account.id, Decimal(amount), currency, reason), STAFF, key())


async def an_order(account: Account, price: str = "10.00", **settings: Any) -> Invoice:
    """An unpaid invoice of one line."""
    line = order.OrderLine("Hosting", Decimal(1), Decimal(price), Decimal(0))
    wish = {"due_at": None, "apply_credit": False, "reference": None, **settings}
    return await run(CreateOrder(account.id, account.currency, [line], **wish), STAFF, key())


def document_url(file: str, locale: str, /, **params: str) -> str:
    """A link that nobody checks."""
    return f"https://example.com/{file}?{urlencode({'locale': locale, **params})}"


async def resolve(_host: str, _port: int) -> list[str]:
    """Every name is public."""
    return ["8.8.8.8"]


def context(actor: Actor | None = None, **settings: Any) -> Context:
    """What the edge lends to one operation of that actor's."""
    edge: dict[str, Any] = {
        "watchers": Watchers(),
        "document_url": document_url,
        "resolve": resolve,
    }
    return Context(actor=actor, **(edge | settings))


async def ask(document: str, actor: Actor | None = None, **variables: Any) -> Any:
    """The result of an operation: `data` and `errors`."""
    return await SCHEMA.execute(document, variables, context(actor))


async def data(document: str, actor: Actor | None = None, **variables: Any) -> Any:
    """The data of an operation that has no errors."""
    result = await ask(document, actor, **variables)
    assert result.errors is None, result.errors
    return result.data


async def code(document: str, actor: Actor | None = None, **variables: Any) -> str:
    """The code of the one top-level error of an operation."""
    errors: list[Any] = (await ask(document, actor, **variables)).errors or []
    assert len(errors) == 1
    return str((errors[0].extensions or {}).get("code") or repr(errors[0].original_error))
