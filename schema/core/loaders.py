"""Loaders: what many rows of one answer need is read in one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

from strawberry.dataloader import DataLoader

from models.access import partner, user
from models.access.user import User
from models.accounts import account, members
from models.accounts.account import Account
from models.accounts.members import AccountMember
from models.bank import line as bank_line
from models.bank.line import BankCredit
from models.credit import balance, grants, lines, reservation
from models.credit.balance import BalanceState
from models.credit.grants import CreditSource, GrantList, GrantState
from models.credit.lines import StatementLineList
from models.credit.reservation import HoldList, Reservation
from models.db.page import Page, PageRequest
from models.invoices import invoice
from models.invoices.invoice import Invoice, InvoiceLine, InvoiceList
from models.journal import feed
from models.journal.outbox import Event
from models.ledger.credit_transaction import CreditTransaction
from models.ledger.grant import Grant
from models.partners import attempt, endpoint
from models.partners.attempt import DeliveryAttempt
from models.partners.endpoint import WebhookEndpoint
from models.payments import payment, refund
from models.payments.payment import Payment
from models.payments.refund import Refund

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

#: Lists whose currency may differ as their account does.
_ANY_CURRENCY: Final[dict[type, dict[str, object]]] = {
    StatementLineList: {"currency": None},
    GrantList: {"currency": None},
}


def _loader(
    read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], default: D
) -> DataLoader[K, V | D]:
    async def load(keys: list[K]) -> list[V | D]:
        found = await read(keys)
        return [found.get(key, default) for key in keys]

    return DataLoader(load_fn=load)


class _List(Protocol):
    """A page of one list of many."""

    @property
    def account_id(self) -> UUID:
        """Whose list it is."""

    @property
    def request(self) -> PageRequest:
        """Which part of it."""


L = TypeVar("L", bound=_List)


def _page_loader(
    read: Callable[[Sequence[L]], Awaitable[Mapping[L, Page[V]]]],
) -> DataLoader[L, Page[V]]:
    """Pages of the lists of many accounts; `read` gets those that are alike but for that."""

    async def load(asked: list[L]) -> list[Page[V]]:
        alike: defaultdict[object, list[L]] = defaultdict(list)
        for one in asked:
            alike[_shape(one)].append(one)
        found: dict[L, Page[V]] = {}
        for some in alike.values():
            found |= await read(some)
        return [found[one] for one in asked]

    return DataLoader(load_fn=load)


def _shape(asked: _List) -> object:
    """What is asked for, whoever's it is."""
    return replace(cast("Any", asked), account_id=None, **_ANY_CURRENCY.get(type(asked), {}))


class Loaders:
    """One operation's loaders, made when they are first used."""

    @cached_property
    def account(self) -> DataLoader[UUID, Account | None]:
        """By id; None if there is none."""
        return _loader(account.by_ids, None)

    @cached_property
    def user(self) -> DataLoader[UUID, User | None]:
        """By id; None if there is none."""
        return _loader(user.by_ids, None)

    @cached_property
    def members(self) -> DataLoader[UUID, Sequence[AccountMember]]:
        """An account's members, in the order in which they joined."""
        return _loader(members.members_of, ())

    @cached_property
    def partner_name(self) -> DataLoader[UUID, str]:
        """What a partner is called."""
        return _loader(partner.names_of, "")

    @cached_property
    def frozen(self) -> DataLoader[UUID, bool]:
        """Whether an account's spending is stopped."""
        return _loader(account.frozen_of, default=False)

    @cached_property
    def balances(self) -> DataLoader[UUID, Sequence[BalanceState]]:
        """All balances of an account, its own currency's first."""
        return _loader(balance.balances_of, ())

    @cached_property
    def statement_line(self) -> DataLoader[UUID, CreditTransaction | None]:
        """Lines of the statement, by id; None if there is none."""
        return _loader(lines.by_ids, None)

    @cached_property
    def event(self) -> DataLoader[UUID, Event | None]:
        """Published events, by id; None if there is none."""
        return _loader(feed.by_ids, None)

    @cached_property
    def reservation(self) -> DataLoader[UUID, Reservation | None]:
        """By id; None if there is none."""
        return _loader(reservation.by_ids, None)

    @cached_property
    def hold_pages(self) -> DataLoader[HoldList, Page[Reservation]]:
        """Pages of what is reserved of accounts' credit."""
        return _page_loader(reservation.pages_of)

    @cached_property
    def invoice_pages(self) -> DataLoader[InvoiceList, Page[Invoice]]:
        """Pages of accounts' invoices."""
        return _page_loader(invoice.pages_of)

    @cached_property
    def statement_pages(self) -> DataLoader[StatementLineList, Page[CreditTransaction]]:
        """Pages of accounts' statements."""
        return _page_loader(lines.pages_of)

    @cached_property
    def grant_pages(self) -> DataLoader[GrantList, Page[Grant]]:
        """Pages of accounts' grants."""
        return _page_loader(grants.pages_of)

    @cached_property
    def grant(self) -> DataLoader[UUID, Grant | None]:
        """By id; None if there is none."""
        return _loader(grants.by_ids, None)

    @cached_property
    def grant_note(self) -> DataLoader[UUID, str]:
        """What the voucher says that gave a grant."""
        return _loader(grants.notes_of, "")

    @cached_property
    def grant_end(self) -> DataLoader[UUID, GrantState]:
        """What has become of a grant that has nothing left."""
        return _loader(grants.ends_of, GrantState.SPENT)

    @cached_property
    def credit_sources(self) -> DataLoader[UUID, Sequence[CreditSource]]:
        """What a statement line came from."""
        return _loader(grants.sources_of, ())

    @cached_property
    def refunds(self) -> DataLoader[UUID, Sequence[Refund]]:
        """A payment's refunds, oldest first."""
        return _loader(refund.of_payments, ())

    @cached_property
    def invoice(self) -> DataLoader[UUID, Invoice | None]:
        """By id; None if there is none."""
        return _loader(invoice.by_ids, None)

    @cached_property
    def invoice_lines(self) -> DataLoader[UUID, Sequence[InvoiceLine]]:
        """An invoice's lines, in order."""
        return _loader(invoice.lines_of, ())

    @cached_property
    def payment(self) -> DataLoader[UUID, Payment | None]:
        """By id; None if there is none."""
        return _loader(payment.by_ids, None)

    @cached_property
    def bank_credit(self) -> DataLoader[UUID, BankCredit | None]:
        """Lines of bank statements, by id; None if there is none."""
        return _loader(bank_line.by_ids, None)

    @cached_property
    def webhook_endpoint(self) -> DataLoader[UUID, WebhookEndpoint | None]:
        """By id; None if there is none."""
        return _loader(endpoint.by_ids, None)

    @cached_property
    def delivery_attempts(self) -> DataLoader[UUID, Sequence[DeliveryAttempt]]:
        """A delivery's attempts, oldest first."""
        return _loader(attempt.of_deliveries, ())

    @cached_property
    def invoice_payments(self) -> DataLoader[UUID, Sequence[Payment]]:
        """An invoice's payments, oldest first."""
        return _loader(payment.of_invoices, ())

    @cached_property
    def credit_applicable(self) -> DataLoader[Invoice, int]:
        """Minor units of credit that could pay each invoice now."""

        async def load(invoices: list[Invoice]) -> list[int]:
            found = await invoice.credit_applicable(invoices)
            return [found.get(record.id, 0) for record in invoices]

        return DataLoader(load_fn=load, cache_key_fn=lambda record: record.id)
