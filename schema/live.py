"""Subscriptions: the present state at once, then every change.

What is sent is read from the database, from where the last message left off: `schema.core.watch`
says when to look, and that a message is the same for all who would get it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry

from models.credit import balance
from models.credit.balance import BalanceState
from models.credit.updates import updates
from models.errors import NotFound
from models.invoices import invoice
from models.journal.topics import topic_of_credit, topic_of_invoice
from models.ledger.credit_transaction import CreditTransaction as CreditTransactionRecord
from models.payments.updates import InvoiceState, states_of
from schema.balance import AccountId, Balance, OwnCurrency
from schema.core.context import Info
from schema.core.errors import REFUSED_AT_TOP, refused_at_top, top_level_error
from schema.core.ids import account_named, id_of
from schema.core.watch import Source, State
from schema.invoice import Invoice
from schema.statement import CreditTransaction


@strawberry.type
class CreditUpdate:
    """A change to a balance, or its current state."""

    balance: Balance
    "The balance as of this change."
    transaction: CreditTransaction | None
    "The transaction that caused it; null for the current state, and if no credit moved."


@strawberry.type
class Subscription:
    """Live updates. A subscription ends with an error when its session ends."""

    @strawberry.subscription
    @refused_at_top
    async def credit_updated(
        self,
        info: Info,
        currency: OwnCurrency = None,
        account_id: AccountId = None,
        after_version: Annotated[
            int | None,
            strawberry.argument(description="The last version received, to resume from."),
        ] = None,
    ) -> AsyncGenerator[CreditUpdate, None]:
        """The current balance immediately, then every change, in order and without gaps.

        A client that reconnects passes the last `version` it received: it gets each credit
        transaction since then, with the balance as of that version, then one message with the
        current state. Changes to only `pending` or `reserved` have `transaction: null` and the same
        version. An `afterVersion` greater than the current version is an error.
        """
        by = info.context.signed_in()
        meant = await balance.credit_meant(account_named(account_id), currency, by)
        return _events(_Credit(info, *meant, after_version))

    @strawberry.subscription
    @refused_at_top
    async def invoice_updated(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The invoice's ID.")],
    ) -> AsyncGenerator[Invoice, None]:
        """The current invoice immediately, then every change."""
        invoice_id = id_of(invoice.Invoice.PREFIX, id, "id")
        record = await invoice.visible(invoice_id, info.context.signed_in())
        if record is None:
            raise NotFound("id")
        return _events(_Invoice(info, invoice_id))


def _events(source: Source) -> AsyncGenerator[Any, None]:
    """The source as what Strawberry reads the field's type from."""
    return cast("AsyncGenerator[Any, None]", source)


class _Explained(Source):
    """A source whose errors are in the caller's language."""

    __slots__ = ("context",)

    def __init__(self, info: Info, topic: str) -> None:
        super().__init__(info.context.watchers, topic, info.context.signed_in())
        self.context = info.context

    def forget(self) -> None:
        self.context.forget()

    def explained(self, error: Exception) -> Exception:
        if isinstance(error, REFUSED_AT_TOP):
            return top_level_error(error, self.context.locale)
        return error


class _Credit(_Explained):
    """The balances of one account in one currency."""

    __slots__ = ("account_id", "after_version", "currency")

    def __init__(
        self, info: Info, account_id: UUID, currency: str, after_version: int | None
    ) -> None:
        super().__init__(info, topic_of_credit(account_id, currency))
        self.account_id = account_id
        self.currency = currency
        self.after_version = after_version

    @classmethod
    async def read(cls, sources: Sequence[_Credit]) -> Mapping[str, State]:
        states = await balance.states_of({(one.account_id, one.currency) for one in sources})
        return {topic_of_credit(*whose): state for whose, state in states.items()}

    def is_older(self, one: State | None, other: State | None) -> bool:
        if not isinstance(one, BalanceState) or not isinstance(other, BalanceState):
            return False
        return one.version < other.version

    async def events(
        self, told: State | None, present: State | None
    ) -> AsyncIterator[tuple[State, CreditUpdate]]:
        """A message for each line since, then one for the state if no line has shown it."""
        assert isinstance(told, BalanceState | None)
        assert isinstance(present, BalanceState | None)
        owed = updates(told, present, after_version=self.after_version, by=self.actor)
        async for state, line in owed:
            yield state, _update(state, line)


def _update(state: BalanceState, line: CreditTransactionRecord | None) -> CreditUpdate:
    return CreditUpdate(
        balance=Balance.of(state), transaction=CreditTransaction.of(line) if line else None
    )


class _Invoice(_Explained):
    """One invoice with its payments."""

    __slots__ = ("invoice_id",)

    def __init__(self, info: Info, invoice_id: UUID) -> None:
        super().__init__(info, topic_of_invoice(invoice_id))
        self.invoice_id = invoice_id

    @classmethod
    async def read(cls, sources: Sequence[_Invoice]) -> Mapping[str, State]:
        states = await states_of([one.invoice_id for one in sources])
        return {topic_of_invoice(id): state for id, state in states.items()}

    def is_older(self, one: State | None, other: State | None) -> bool:
        if not isinstance(one, InvoiceState) or not isinstance(other, InvoiceState):
            return False
        return bool(one.record.revision < other.record.revision)

    async def events(
        self, told: State | None, present: State | None
    ) -> AsyncIterator[tuple[State, Invoice]]:
        if not isinstance(present, InvoiceState):
            raise NotFound("id")
        if present != told:
            yield present, Invoice.of(present.record)
