"""Credit is read by whoever may see it, whatever calls the domain; others learn nothing."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import pytest

from models.access.identity import SCOPES, Actor, Role
from models.bank import line as bank_line
from models.credit import balance, lines, statement
from models.db import record
from models.db.page import PageRequest
from models.errors import Forbidden, Invalid, NotFound
from models.invoices import invoice
from models.payments import payment, refund
from tests.support.factories import STAFF, Client, a_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.usefixtures("provider")

Read: TypeAlias = "Callable[[UUID | None, Actor], Awaitable[Any]]"
DAY: Final = date(2026, 1, 1)


async def _all_balances(account_id: UUID | None, by: Actor) -> Any:
    assert account_id is not None

    async def find(one: UUID) -> Any:
        return (await balance.balances_of([one])).get(one, [])

    return await balance.all_of(account_id, by, find)


#: Every way to ask for an account's credit.
READS: Final[dict[str, Read]] = {
    "balance": lambda account, by: balance.balance_of(account, "USD", by=by),
    "own currency": lambda account, by: balance.balance_of(account, by=by),
    "whose": lambda account, by: balance.credit_meant(account, "USD", by),
    "lines": lambda account, by: lines.page(account, None, PageRequest(), by=by),
    "statement": lambda account, by: statement.of_days(account, None, DAY, DAY, by=by),
}
#: Those that always name the account.
NAMED: Final[dict[str, Read]] = {
    "lines after": lambda account, by: lines.after(account or UUID(int=0), "USD", 0, by=by),
    "all balances": _all_balances,
}
EVERY: Final = {**READS, **NAMED}


def partner(*scopes: str, accounts: frozenset[UUID] | None = None) -> Actor:
    return Actor(
        role=Role.PARTNER, user_id=record.new_id(), scopes=frozenset(scopes), accounts=accounts
    )


async def ada_with_credit() -> Client:
    ada = await a_client()
    await ada.given(700)
    return ada


@pytest.mark.parametrize("read", EVERY.values(), ids=EVERY)
async def test_credit_is_read_by_its_client_by_staff_and_by_partners_with_the_scope(
    read: Read,
) -> None:
    ada = await ada_with_credit()
    for by in (ada.actor, STAFF, partner("credit:read"), partner(*SCOPES)):
        await read(ada.id, by)


@pytest.mark.parametrize("read", EVERY.values(), ids=EVERY)
async def test_somebody_elses_credit_is_answered_like_that_of_nobody(read: Read) -> None:
    ada, bob = await ada_with_credit(), await a_client()
    stranger = partner(*SCOPES, accounts=frozenset({bob.id}))
    for by in (bob.actor, stranger):
        told = []
        for account_id in (ada.id, record.new_id()):
            with pytest.raises(NotFound) as refusal:
                await read(account_id, by)
            told.append((refusal.value.field, str(refusal.value)))
        assert told[0] == told[1]
        assert told[0][0] == ("account_id",)
    assert await ada.amounts() == (700, 0, 0, 0)


@pytest.mark.parametrize("read", EVERY.values(), ids=EVERY)
async def test_without_the_scope_nothing_is_told_of_what_there_is(read: Read) -> None:
    ada = await ada_with_credit()
    others = [scope for scope in SCOPES if scope != "credit:read"]
    for account_id in (ada.id, record.new_id()):
        for by in (partner(), partner(*others)):
            with pytest.raises(Forbidden):
                await read(account_id, by)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_a_client_means_their_own_credit_and_others_must_name_one(read: Read) -> None:
    ada = await ada_with_credit()
    await read(None, ada.actor)
    for by in (STAFF, partner(*SCOPES)):
        with pytest.raises(Invalid) as refusal:
            await read(None, by)
        assert refusal.value.field == ("account_id",)


async def test_a_clients_own_is_what_is_read_where_none_is_named() -> None:
    ada, _ = await ada_with_credit(), await ada_with_credit()
    assert (await balance.balance_of(None, by=ada.actor)).account_id == ada.id
    page = await lines.page(None, None, PageRequest(), by=ada.actor)
    assert {line.account_id for line in page.rows} == {ada.id}


async def test_one_record_is_seen_by_its_client_and_not_by_others() -> None:
    ada, bob = await ada_with_credit(), await a_client()
    paid = await ada.deposit(2500)
    bill = await ada.order()
    line = (await ada.lines())[0]
    seen: list[tuple[Callable[..., Awaitable[Any]], UUID, str]] = [
        (lines.visible, line.id, "credit:read"),
        (invoice.visible, bill.id, "invoices:read"),
        (payment.visible, paid.id, "invoices:read"),
    ]
    for visible, id_, scope in seen:
        for by in (ada.actor, STAFF, partner(scope)):
            assert (await visible(id_, by)).id == id_
        assert await visible(id_, bob.actor) is None
        assert await visible(None, STAFF) is None
        for missing in (id_, record.new_id(), None):
            with pytest.raises(Forbidden):
                await visible(missing, partner("accounts:read"))


@pytest.mark.parametrize(
    "visible", [lines.visible, invoice.visible, payment.visible, refund.visible, bank_line.visible]
)
async def test_what_may_not_be_seen_is_not_even_looked_for(
    visible: Callable[..., Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[UUID] = []

    async def find(id_: UUID) -> None:
        looked.append(id_)

    monkeypatch.setattr(refund, "read", find)
    args = () if visible is refund.visible else (find,)
    with pytest.raises(Forbidden):
        await visible(record.new_id(), partner("accounts:read"), *args)
    assert looked == []


async def test_lines_of_bank_statements_are_for_staff_alone() -> None:
    ada = await a_client()
    for by in (ada.actor, partner(*SCOPES)):
        with pytest.raises(Forbidden):
            await bank_line.visible(record.new_id(), by)
    assert await bank_line.visible(record.new_id(), STAFF) is None
