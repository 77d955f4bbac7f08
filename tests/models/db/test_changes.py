"""What a transaction writes: each verb as it says, all together or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from models.db import sql
from models.db.changes import Changes
from models.db.record import new_id
from models.db.transactions import Conflict, transaction
from models.edge.sandbox_charge import SandboxCharge
from models.errors import TryAgain
from models.invoices.invoice import Invoice
from models.payments.transmission import Transmission
from tests.support.factories import a_client
from tests.support.query_counter import asked

pytestmark = pytest.mark.usefixtures("books")

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)


def a_row(reference: str, digest: str = "first") -> sql.Row:
    return {
        "id": new_id(),
        "created_at": MOMENT,
        "gateway": "card",
        "reference": reference,
        "digest": digest,
    }


async def written(changes: Changes) -> None:
    await transaction(changes.write)


async def digests(*references: str) -> list[str | None]:
    rows = await sql.fetch("SELECT reference, digest FROM transmission")
    found = {row["reference"]: row["digest"] for row in rows}
    return [found.get(reference) for reference in references]


async def refused(changes: Changes) -> None:
    """Whoever writes this meets a conflict, and is rolled back."""

    async def work() -> None:
        with pytest.raises(Conflict):
            await changes.write()
        raise LookupError  # a Conflict would have it run again

    with pytest.raises(LookupError):
        await transaction(work)


# ------------------------------------------------------------------------------- together


async def test_rows_of_one_kind_are_one_statement_and_on_postgresql_all_kinds_are() -> None:
    there = a_row("there")
    changes = Changes()
    changes.insert(Transmission, [there])
    await written(changes)
    changes = Changes()
    changes.insert(Transmission, [a_row(f"many {n}") for n in range(3)])
    changes.insert(Transmission, [a_row("one more")])
    changes.claim(Transmission, [a_row("claimed")])
    changes.update(Transmission, there["id"], {"digest": "second"})
    async with asked() as seen:
        await written(changes)
    on_postgres = seen.inside[0].startswith("WITH")
    assert len(seen.inside) == (1 if on_postgres else 6)  # on SQLite each runs once a row
    assert await digests("there", "many 2", "one more", "claimed") == [
        "second",
        *("first",) * 3,
    ]


async def test_nothing_asks_nothing() -> None:
    changes = Changes()
    async with asked() as seen:
        await written(changes)
    assert seen.inside == []


async def test_it_tells_what_it_will_write() -> None:
    one, two, three = a_row("one"), a_row("two"), a_row("three")
    changes = Changes()
    changes.ensure(Transmission, [one])
    changes.increase("account", new_id(), open_disputes=1)
    changes.insert(Transmission, [two, three])
    assert changes.tables == ["transmission", "account"]
    assert changes.rows(Transmission) == [one, two, three]
    assert changes.rows(Invoice) == []


async def test_a_conflict_in_one_statement_is_one_of_all() -> None:
    changes = Changes()
    changes.insert(Transmission, [a_row("taken")])
    await written(changes)
    changes = Changes()
    changes.insert(Transmission, [a_row("beside it")])
    changes.claim(Transmission, [a_row("free"), a_row("taken", "second")])
    await refused(changes)
    assert await digests("beside it", "free", "taken") == [None, None, "first"]


async def test_a_conflict_that_stays_is_to_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.db.transactions._ATTEMPTS_MAX", 2)
    changes = Changes()
    changes.claim(Transmission, [a_row("twice"), a_row("twice")])
    with pytest.raises(TryAgain):
        await written(changes)
    assert await digests("twice") == [None]


# ------------------------------------------------------------------------------- verb by verb


async def test_what_is_ensured_leaves_what_is_there() -> None:
    changes = Changes()
    changes.ensure(Transmission, [a_row("ensured")])
    await written(changes)
    changes = Changes()
    changes.ensure(Transmission, [a_row("ensured", "second"), a_row("new")])
    await written(changes)
    assert await digests("ensured", "new") == ["first", "first"]


async def test_an_update_changes_its_columns_of_its_row() -> None:
    one, other = a_row("one of two"), a_row("other of two")
    changes = Changes()
    changes.insert(Transmission, [one, other])
    await written(changes)
    changes = Changes()
    changes.update(Transmission, one["id"], {"digest": "second"})
    await written(changes)
    assert await digests("one of two", "other of two") == ["second", "first"]


async def test_an_update_of_a_row_that_is_not_there_is_a_conflict() -> None:
    changes = Changes()
    changes.update(Transmission, new_id(), {"digest": "second"})
    await refused(changes)


@pytest.mark.usefixtures("provider")
async def test_a_revised_update_is_a_conflict_where_another_was_first() -> None:
    ada = await a_client()
    bill = await ada.order(2500)

    def chosen(gateway: str) -> Changes:
        changes = Changes()
        changes.update(Invoice, bill.id, {"gateway": gateway}, bill.revision)
        return changes

    await written(chosen("card"))
    await refused(chosen("paypal"))
    now = await Invoice.get(id=bill.id)
    assert (now.gateway, now.revision) == ("card", bill.revision + 1)


@pytest.mark.usefixtures("provider")
async def test_an_increase_adds_to_what_is_there() -> None:
    ada, bo = await a_client(), await a_client()
    for more, disputes in ((2, [2, 0]), (1, [3, 0]), (-3, [0, 0])):
        changes = Changes()
        changes.increase("account", ada.account.id, open_disputes=more)
        await written(changes)
        rows = await sql.fetch("SELECT id, open_disputes FROM account")
        found = {row["id"]: row["open_disputes"] for row in rows}
        assert [found[ada.account.id], found[bo.account.id]] == disputes


# ------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    "text", ["", "plain", 'it\'s "quoted" \\ back', "zeile\n\ttab", "名前 🎫 ﷺ", "$1 ?1 %s {}"]
)
async def test_values_are_read_as_they_were_written(text: str) -> None:
    charge = SandboxCharge(
        token=new_id().hex,
        payment=new_id().hex,
        amount=2**62,
        currency="USD",
        invoice_number="INV-1",
        return_url=text,
        messages=[{"text": text, "n": 1.5, "none": None, "yes": True}],
        expires_at=MOMENT,
        created_at=MOMENT,
    )
    changes = Changes()
    changes.insert(SandboxCharge, [sql.row_of(charge)])
    await written(changes)
    kept = await SandboxCharge.get(id=charge.id)
    names = sql.row_of(charge).keys()
    assert {name: getattr(kept, name) for name in names} == {
        name: getattr(charge, name) for name in names
    }
    changed: dict[str, Any] = {"messages": [text], "due_at": MOMENT, "canceled_at": None}
    changes = Changes()
    changes.update(SandboxCharge, charge.id, sql.encoded(SandboxCharge, changed))
    await written(changes)
    kept = await SandboxCharge.get(id=charge.id)
    assert {name: getattr(kept, name) for name in changed} == changed
