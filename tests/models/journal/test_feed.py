"""Events are published in one order, and read from where one was: complete, and no more than one
may see.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tortoise.connection import get_connection

from models.access.identity import Actor, Role
from models.accounts import account
from models.clock import now
from models.db import record, sql
from models.db.page import PageRequest
from models.db.transactions import transaction
from models.errors import Forbidden, Invalid, NotFound
from models.invoices import invoice
from models.journal import audit_log, feed
from models.journal.audit_log import AuditFilter
from models.journal.outbox import Event, FactKind
from models.provider.provider import provider as the_provider
from tests.support.factories import STAFF, Client, a_client, captured, tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("provider")


async def publish_all() -> None:
    while await feed.publish():
        pass


async def read(by: Actor, account: UUID | None = None, **wish: Any) -> list[Event]:
    """All pages, forwards."""
    types, found, more = wish.pop("types", None), [], True
    after = wish.pop("after", None)
    while more:
        request = PageRequest(first=2, after=after)
        page = await feed.page(request, by=by, account_id=account, types=types)
        found += page.rows
        after, more = (page.rows[-1].public_id if page.rows else after), page.has_next
    return found


async def test_a_partner_of_very_many_accounts_reads_all_lists() -> None:
    """More than a statement may have arguments (PostgreSQL: 32,767)."""
    ada = await a_client()
    await ada.order(100)
    await publish_all()
    others = (record.new_id() for _ in range(40_000))
    scopes = ("accounts:read", "invoices:read", "audit:read")
    by = partner(*scopes, accounts=frozenset({ada.id, *others}))
    assert kinds((await feed.page(PageRequest(), by=by)).rows) == ["invoice.issued"]
    assert len((await invoice.page(PageRequest(), by=by)).rows) == 1
    assert len((await account.search(None, PageRequest(), by)).rows) == 1
    changes = await audit_log.page(AuditFilter(), PageRequest(), by)
    assert {entry.account_id for entry in changes.rows} == {ada.id}


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events]


def partner(*scopes: str, accounts: frozenset[UUID] | None) -> Actor:
    by = record.new_id()
    return Actor(role=Role.PARTNER, user_id=by, scopes=frozenset(scopes), accounts=accounts)


async def a_busy_client() -> Client:
    """Given 50.00, who has paid an order with them and another by card."""
    client = await a_client()
    await client.given(5000)
    await client.spend(await client.order())
    begun = await client.begin(await client.order())
    await tell(begun, captured(begun))
    return client


_HAPPENED = [
    "credit.changed",
    "invoice.issued",
    "credit.changed",
    "invoice.paid",
    "invoice.issued",
    "payment.begun",
    "invoice.updated",
    "payment.succeeded",
    "invoice.paid",
]


async def test_what_happened_is_read_in_its_order_without_a_gap() -> None:
    client = await a_busy_client()
    assert await read(client.actor) == [], "what is not published is nobody's yet"
    await publish_all()
    events = await read(client.actor)
    assert kinds(events) == _HAPPENED
    assert [event.sequence for event in events] == list(range(1, 10))
    for n, event in enumerate(events):
        assert (await read(client.actor, after=event.public_id)) == events[n + 1 :]


async def test_what_is_published_is_enqueued_with_it_or_neither_is() -> None:
    client = await a_busy_client()
    told: list[Event] = []

    async def fail(events: Sequence[Event]) -> None:
        raise ValueError(len(events))

    async def enqueue(events: Sequence[Event]) -> None:
        told.extend(events)

    with pytest.raises(ValueError, match="2"):
        await feed.publish(fail, 2)
    assert await read(client.actor) == []
    while await feed.publish(enqueue, 2):
        pass
    own = [event for event in told if event.account_id == client.id]
    assert own == await read(client.actor)
    assert [event.sequence for event in own] == list(range(1, 10))


async def test_pages_are_read_backwards_as_well() -> None:
    client = await a_busy_client()
    await publish_all()
    events = await read(client.actor)
    last = await feed.page(PageRequest(last=3), by=client.actor)
    assert (last.rows, last.has_previous, last.has_next) == (events[-3:], True, False)
    request = PageRequest(last=2, before=events[2].public_id, count=True)
    first = await feed.page(request, by=client.actor)
    assert (first.rows, first.has_previous, first.total) == (events[:2], False, 9)


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ("accounts:read", {"account"}),
        ("invoices:read", {"invoice", "payment"}),
        ("credit:read", {"credit", "grant", "hold", "voucher"}),
        ("credit:hold", {"hold"}),
    ],
)
async def test_a_key_hears_what_its_scopes_let_it_read(scope: str, seen: set[str]) -> None:
    client = await a_busy_client()
    await publish_all()
    by = partner(scope, accounts=frozenset({client.id}))
    assert {kind.partition(".")[0] for kind in feed.kinds_in_sight(by)} <= seen
    allowed = [kind for kind in _HAPPENED if kind.partition(".")[0] in seen]
    assert kinds(await read(by)) == kinds(await read(by, client.id)) == allowed
    for event in await read(STAFF, client.id):

        async def find(_: UUID, event: Event = event) -> Event:
            return event

        is_seen = event.kind.partition(".")[0] in seen
        assert (await feed.visible(event.id, by, find) is event) is is_seen


async def test_nobody_hears_of_others() -> None:
    ada, ben = await a_busy_client(), await a_client()
    await ben.given(100)
    await publish_all()
    assert kinds(await read(ben.actor)) == ["credit.changed"]
    with pytest.raises(NotFound):
        await read(ben.actor, ada.id)
    everything = ("accounts:read", "invoices:read", "credit:read")
    own = partner(*everything, accounts=frozenset({ben.id}))
    assert kinds(await read(own)) == ["credit.changed"]
    with pytest.raises(NotFound):
        await read(own, ada.id)
    both = await read(partner(*everything, accounts=frozenset({ada.id, ben.id})))
    assert kinds(both) == [*_HAPPENED, "credit.changed"]
    assert {event.account_id for event in await read(STAFF)} >= {ada.id, ben.id}
    for nothing in (partner(accounts=None), partner("credit:read", accounts=frozenset())):
        with pytest.raises(Forbidden):
            await read(nothing)


async def test_of_many_accounts_all_is_read_as_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, ben = await a_busy_client(), await a_busy_client()
    await publish_all()
    by = partner("credit:read", accounts=frozenset({ada.id, ben.id}))
    few = await read(by)
    monkeypatch.setattr(feed, "_EACH_MAX", 1)
    assert await read(by) == few
    assert len(few) == 4


async def test_types_are_chosen_by_patterns() -> None:
    client = await a_busy_client()
    await publish_all()
    paid = ["invoice.paid", "invoice.paid"]
    assert kinds(await read(client.actor, types=["invoice.paid"])) == paid
    assert kinds(await read(client.actor, types=["*"])) == _HAPPENED
    assert kinds(await read(client.actor, types=["payment.*", "invoice.paid"])) == [
        kind for kind in _HAPPENED if kind.startswith("payment.") or kind == "invoice.paid"
    ]
    assert await read(client.actor, types=[]) == []
    assert feed.kinds_of(["*"]) == frozenset(FactKind)
    with pytest.raises(Invalid) as many:
        feed.kinds_of(["*"] * (feed.PATTERNS_MAX + 1), "types")
    assert (many.value.field, many.value.problem) == (("types",), "too_many_patterns")


@pytest.mark.parametrize("odd", ["", "invoice", "invoice.", "*.paid", "invoice.pai*", "*.*", "x.*"])
async def test_an_unknown_type_is_refused_at_its_place(odd: str) -> None:
    with pytest.raises(Invalid) as refused:
        await read(STAFF, types=["*", odd])
    assert (refused.value.field, refused.value.problem) == (("types", "1"), "event_type")


async def test_what_is_too_old_is_forgotten_and_its_cursor_refused(at: At) -> None:
    client = await a_busy_client()
    await publish_all()
    events = await read(client.actor)
    with at(the_provider().events_kept - timedelta(days=1)):
        await feed.forget()
        assert await read(client.actor) == events
        await client.given(100)
        await publish_all()
    with at(the_provider().events_kept + timedelta(days=1)):
        assert await feed.forget() >= len(events)
        [left] = await read(client.actor)
        assert left.sequence == 10, "the numbers go on"
        with pytest.raises(Invalid) as refused:
            await read(client.actor, after=events[-1].public_id)
        assert (refused.value.field, refused.value.problem) == (("after",), "cursor_forgotten")
        assert await feed.forget() == 0


async def test_what_is_younger_keeps_what_came_after_it_whatever_clocks_say(at: At) -> None:
    client = await a_client()
    await client.given(100)
    kept = the_provider().events_kept
    with at(now() - kept - timedelta(days=2)):  # another host's
        await client.given(200)
    await publish_all()
    await feed.forget()
    assert len(await read(client.actor)) == 2


class _Undo(Exception):
    pass


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("credit.adjusted", "credit.changed"),
        ("invoice.void", "invoice.voided"),
        ("invoice.refunded", "invoice.updated"),
        ("payment.captured", "payment.succeeded"),
        ("payment.dispute_won", "payment.disputed"),
        ("payment.declined", "invoice.updated"),
        ("payment.begun", "payment.begun"),
        ("voucher.redeemed", "voucher.redeemed"),
    ],
)
async def test_what_was_told_before_there_were_public_types_is_of_one(
    was: str, becomes: str
) -> None:
    client = await a_client()
    gift = await client.granted(100)
    bill = await client.order()
    begun = await client.begin(bill)
    [used] = await sql.fetch("SELECT voucher_id FROM redemption WHERE account_id = $1", client.id)
    subjects = {"credit": gift.id, "invoice": bill.id, "payment": begun.id}
    expected = subjects | {"voucher": gift.id}
    migration = import_module("models.migrations.0028_events")

    async def again() -> None:
        told = Event(
            kind=was,
            account_id=client.id,
            subject_id=(subjects | {"voucher": used["voucher_id"]})[was.partition(".")[0]],
            data={"invoice": bill.public_id},
        )
        await sql.add(told)
        connected = get_connection("default")
        dialect = connected.capabilities.dialect
        await migration._retell(SimpleNamespace(client=connected, DIALECT=dialect))
        found = (await sql.by_ids(Event, [told.id]))[told.id]
        assert (found.kind, found.subject_id) == (becomes, expected[becomes.partition(".")[0]])
        assert found.data["invoice"] == bill.public_id
        assert found.data.get("outcome") == ("WON" if was == "payment.dispute_won" else None)
        raise _Undo

    with pytest.raises(_Undo):
        await transaction(again)


async def test_a_cursor_of_no_event_is_refused() -> None:
    client = await a_client()
    await client.given(100)
    [row] = await sql.fetch("SELECT id FROM event WHERE account_id = $1", client.id)
    unpublished = f"evt_{row['id'].hex}"
    for odd in ("", "1", "evt_1", unpublished, f"evt_{'f' * 32}", f"inv_{row['id'].hex}"):
        with pytest.raises(Invalid) as refused:
            await read(client.actor, after=odd)
        assert refused.value.problem == "cursor"
    await publish_all()
    assert await read(client.actor, after=unpublished) == []
