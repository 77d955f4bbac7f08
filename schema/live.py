"""Subscriptions: the present state at once, then every change.

A ring of the feed is only a hint to look; what is sent is read from the database, from where the
last message left off. So a ring that is lost delays a message, and none is missed or repeated.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Annotated, Final
from uuid import UUID

import strawberry

from models.access.credential import still_holds
from models.access.identity import Actor
from models.clock import now
from models.credit import balance
from models.credit.balance import BalanceState
from models.errors import Invalid, NotFound
from models.invoices import invoice
from models.ledger.chart import CreditTransaction as Line
from models.payments import payment
from schema.balance import AccountId, Balance, OwnCurrency
from schema.core.context import Info
from schema.core.errors import SessionEnded, refused_at_top
from schema.core.permissions import account_meant, currency_meant, id_of
from schema.invoice import Invoice
from schema.statement import CreditTransaction

#: How often the database is looked at although nothing rang.
POLL_SECONDS: Final = 10.0
#: How long a session that was revoked may go unnoticed.
RECHECK_SECONDS: Final = 60.0
BATCH: Final = 100


@strawberry.type
class CreditUpdate:
    """One change of a balance, or its present state."""

    balance: Balance
    "As of that change."
    transaction: CreditTransaction | None
    "What caused it; null for the present state and where no credit moved."


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
        """The balance as it stands, at once, and then every change, in order and without gaps.

        A client that comes back gives the last `version` it saw: it gets each credit transaction
        since, with the balance as of that version, then one message with the present state. Changes
        of `pending` or `reserved` alone come with `transaction: null` and the same version. An
        `afterVersion` beyond the present is an error. Currency omitted: the account's.
        """
        actor = info.context.signed_in()
        actor.require_scope("credit:read")
        meant = account_meant(actor, account_id)
        code = await currency_meant(info, meant, currency)
        async with aclosing(_credit_changes(info, meant, code, after_version)) as changes:
            async for state, line in changes:
                info.context.forget()
                yield CreditUpdate(
                    balance=Balance.of(state),
                    transaction=CreditTransaction.of(line) if line else None,
                )

    @strawberry.subscription
    @refused_at_top
    async def invoice_updated(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The invoice's ID.")],
    ) -> AsyncGenerator[Invoice, None]:
        """The current invoice immediately, then every change."""
        actor = info.context.signed_in()
        invoice_id = id_of(invoice.Invoice.PREFIX, id, "id")
        seen = None
        async with aclosing(_looks(info, {f"invoice:{invoice_id.hex}"})) as looks:
            async for _ in looks:
                record = await invoice.visible(invoice_id, actor)
                if record is None:
                    raise NotFound("id")
                present = await _mark(record)
                if present != seen:
                    seen = present
                    info.context.forget()
                    yield Invoice.of(record)


async def _credit_changes(
    info: Info, account_id: UUID, currency: str, after_version: int | None
) -> AsyncGenerator[tuple[BalanceState, Line | None], None]:
    """Each state to tell of, with the statement line that made it."""
    told: BalanceState | None = None
    async with aclosing(_looks(info, {f"credit:{account_id.hex}:{currency}"})) as looks:
        async for _ in looks:
            state = await balance.balance_of(account_id, currency)
            since = _resume_from(state, after_version) if told is None else told.version
            async for line in _lines(account_id, currency, since, state.version):
                yield _as_of(line, state), line
            if told is None or (told.version == state.version and not _same(told, state)):
                yield state, None
            told = state


def _resume_from(state: BalanceState, after_version: int | None) -> int:
    if after_version is None:
        return state.version
    if not 0 <= after_version <= state.version:
        raise Invalid("after_version", problem="version_beyond")
    return after_version


async def _lines(account_id: UUID, currency: str, after: int, until: int) -> AsyncIterator[Line]:
    """The lines of the versions `after` + 1 to `until`, in order."""
    while after < until:
        lines = await balance.lines_after(account_id, currency, after, BATCH)
        assert lines, "every version has its line"
        for line in lines:
            if line.version > until:
                return
            assert line.version == after + 1, "versions have no gap"
            after = line.version
            yield line


def _as_of(line: Line, present: BalanceState) -> BalanceState:
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


async def _mark(record: invoice.Invoice) -> object:
    """Differs whenever the invoice or one of its payments has changed."""
    attempts = (await payment.of_invoices([record.id])).get(record.id, [])
    return (
        record.revision,
        record.overdue,
        [(one.id, one.status, one.received, one.taken_back, one.action) for one in attempts],
    )


# ------------------------------------------------------------------------------- when to look


async def _looks(info: Info, topics: Collection[str]) -> AsyncGenerator[None, None]:
    """Now, whenever one of the topics rings, and from time to time; as long as the caller may."""
    leave = _Leave(info.context.signed_in(), monotonic())
    async with info.context.feed.listen(topics) as bell:
        while True:
            yield
            rung = await bell.wait(leave.seconds_at_most(POLL_SECONDS))
            await leave.check(rung=rung)


@dataclass(slots=True)
class _Leave:
    """The caller's leave to listen: until the session or key expires or is revoked."""

    actor: Actor
    checked: float

    def seconds_at_most(self, seconds: float) -> float:
        """`seconds`, or less where the session expires sooner."""
        if self.actor.expires_at is None:
            return seconds
        return max(0.0, min(seconds, (self.actor.expires_at - now()).total_seconds()))

    async def check(self, *, rung: bool) -> None:
        """Raises SessionEnded when it is over. Revocation is looked for when something rang."""
        if self.actor.expires_at is not None and self.actor.expires_at <= now():
            raise SessionEnded
        if rung or monotonic() - self.checked >= RECHECK_SECONDS:
            self.checked = monotonic()
            if not await still_holds(self.actor):
                raise SessionEnded
