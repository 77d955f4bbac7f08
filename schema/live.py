"""Subscriptions: the present state at once, then every change.

What is sent is read from the database, from where the last message left off: `schema.core.watch`
says when to look, and that a message is the same for all who would get it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, cast
from uuid import UUID

import strawberry

from models.credit import balance, lines
from models.credit.balance import BalanceState
from models.errors import Invalid, NotFound
from models.invoices import invoice
from models.journal.topics import topic_of_credit, topic_of_invoice
from models.ledger.credit_transaction import CreditTransaction as CreditTransactionRecord
from models.payments import payment
from models.payments.payment import Payment
from schema.balance import AccountId, Balance, OwnCurrency
from schema.core.context import Info
from schema.core.errors import REFUSED_AT_TOP, refused_at_top, top_level_error
from schema.core.ids import account_named, id_of
from schema.core.watch import Source, State
from schema.invoice import Invoice
from schema.statement import CreditTransaction

BATCH: Final = 100


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
    """A source whose subscriber is told of errors in the caller's language."""

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
        """A message for each line since, then one for the state where no line has told of it."""
        if not isinstance(present, BalanceState):
            raise NotFound("account_id")
        assert isinstance(told, BalanceState | None)
        since = self._resume_from(present) if told is None else told.version
        while since < present.version:
            batch = await lines.after(self.account_id, self.currency, since, BATCH, by=self.actor)
            assert batch, "every version has its line"
            for line in batch:
                if line.version > present.version:
                    break
                assert line.version == since + 1, "versions have no gap"
                since = line.version
                told_of = _as_of(line, present)
                yield told_of, _update(told_of, line)
        if told is None or (told.version == present.version and not _same(told, present)):
            yield present, _update(present, None)

    def _resume_from(self, present: BalanceState) -> int:
        if self.after_version is None:
            return present.version
        if not 0 <= self.after_version <= present.version:
            raise Invalid("after_version", problem="version_beyond")
        return self.after_version


def _update(state: BalanceState, line: CreditTransactionRecord | None) -> CreditUpdate:
    return CreditUpdate(
        balance=Balance.of(state), transaction=CreditTransaction.of(line) if line else None
    )


def _as_of(line: CreditTransactionRecord, present: BalanceState) -> BalanceState:
    """The balance after a line. What lines do not record (pending, expiry) is as at present."""
    if line.version == present.version:
        return present
    return replace(
        present,
        available=line.available_after,
        reserved=line.reserved_after,
        promotional=line.promotional_after,
        debt=line.debt_after,
        version=line.version,
        updated_at=line.created_at,
    )


def _same(one: BalanceState, other: BalanceState) -> bool:
    return replace(one, updated_at=other.updated_at) == other


@dataclass(frozen=True, slots=True)
class _InvoiceState:
    """An invoice; equal unless it or one of its payments has changed."""

    record: invoice.Invoice = field(compare=False)
    mark: object

    @classmethod
    def of(cls, record: invoice.Invoice, payments: Sequence[Payment]) -> _InvoiceState:
        paid = tuple(
            (one.id, one.status, one.received, one.taken_back, repr(one.action)) for one in payments
        )
        return cls(record, (record.revision, record.overdue, paid))


class _Invoice(_Explained):
    """One invoice with its payments."""

    __slots__ = ("invoice_id",)

    def __init__(self, info: Info, invoice_id: UUID) -> None:
        super().__init__(info, topic_of_invoice(invoice_id))
        self.invoice_id = invoice_id

    @classmethod
    async def read(cls, sources: Sequence[_Invoice]) -> Mapping[str, State]:
        ids = [one.invoice_id for one in sources]
        records, payments = await invoice.by_ids(ids), await payment.of_invoices(ids)
        return {
            topic_of_invoice(id): _InvoiceState.of(record, payments.get(id, ()))
            for id, record in records.items()
        }

    def is_older(self, one: State | None, other: State | None) -> bool:
        if not isinstance(one, _InvoiceState) or not isinstance(other, _InvoiceState):
            return False
        return bool(one.record.revision < other.record.revision)

    async def events(
        self, told: State | None, present: State | None
    ) -> AsyncIterator[tuple[State, Invoice]]:
        if not isinstance(present, _InvoiceState):
            raise NotFound("id")
        if present != told:
            yield present, Invoice.of(present.record)
