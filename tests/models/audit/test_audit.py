"""The audit finds what must not be: every check of it, by books that were spoiled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from models import audit
from models.audit import watermark
from models.clock import now
from models.db import connection, sql
from models.db.record import new_id
from models.db.transactions import transaction
from tests.support.books.copies import copying
from tests.support.books.corruptions import LOADED_GIFT, PLANTS, Plant
from tests.support.books.full import Everything, everything
from tests.support.factories import a_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.audit.check import Finding, Sweep

pytestmark = pytest.mark.usefixtures("provider")

_WARNINGS = {check.name for sweep in audit.SWEEPS for check in sweep.checks if check.warning}
_GUARDED = ("transfer", "credit_transaction", "settlement", "audit_entry")


class _Undo(Exception):
    """What was found; the transaction that spoiled the books rolls back."""


async def _found(
    statements: list[str], sweeps: Sequence[Sweep] = audit.SWEEPS
) -> tuple[list[Finding], list[Finding]]:
    """What the audit of everything says after these statements, on books without their guards; and
    the audit of the accounts that were touched.
    """

    async def work() -> None:
        for guard in _guards():
            await sql.execute(guard)
        for statement in statements:
            spoiled = await sql.fetch(f"{statement} RETURNING 1 AS done")
            assert spoiled, f"it changes nothing: {statement}"
        moment, since = now(), UUID(int=0)
        touched = await watermark.touched(since, moment)
        found = [
            [one for sweep in sweeps for one in await audit._swept(sweep, sweeping)]
            for sweeping in (audit.Sweeping(moment), audit.Sweeping(moment, touched, since))
        ]
        raise _Undo(*found)

    with pytest.raises(_Undo) as undone:
        await transaction(work)
    whole, narrow = undone.value.args
    return whole, narrow


def _guards() -> list[str]:
    """Statements that take the append-only triggers down."""
    if connection.dialect() == "postgres":
        return [f"DROP TRIGGER {table}_append_only ON {table}" for table in _GUARDED]
    return [
        f"DROP TRIGGER {table}_no_{verb}" for table in _GUARDED for verb in ("update", "delete")
    ]


def _named(plant: Plant) -> str:
    return f"{plant.check}: {plant.what}"


@pytest.fixture(scope="module")
def kept() -> list[Everything]:
    """The same books for all the tests here: they are spoiled in transactions that roll back."""
    return []


@pytest.fixture
async def there(kept: list[Everything], provider: object) -> Everything:  # noqa: ARG001 - open
    if not kept:
        kept.append(await everything())
    return kept[0]


async def test_books_with_everything_in_them_are_right_and_give_no_warning(
    there: Everything,
) -> None:
    assert len(there) > 60
    report = await audit.audit()
    assert report.found == []
    assert {table: n for table, n in report.counts.items() if not n} == {}


async def test_everything_in_the_books_has_each_state_that_there_is(there: Everything) -> None:
    """Else a check might be right because there is nothing to be wrong about."""
    assert there
    for table, column, states in (
        ("invoice", "status", 5),
        ("payment", "status", 6),
        ("refund", "status", 3),
        ("credit_hold", "state", 3),
        ("reservation", "state", 4),
        ("bank_credit", "state", 4),
        ("settlement", "kind", 7),
        ("credit_transaction", "kind", 10),
        ("transfer", "kind", 15),
    ):
        rows = await sql.fetch(f"SELECT DISTINCT {column} AS state FROM {table}")
        assert len(rows) >= states, (table, sorted(row["state"] for row in rows))


async def test_what_was_loaded_from_elsewhere_is_right(there: Everything) -> None:
    """Invoices with another system's numbers, and adjustments that are older than the log."""
    unpaid = f"= '{there['unpaid_invoice']}'"
    id = f"'{new_id()}'"
    bill = {"id": id, "number": "'OLD-17'", "transfer_reference": "NULL"}
    loaded = [await copying("invoice", bill, f"id {unpaid}")]
    for line in await sql.fetch(f"SELECT id FROM invoice_line WHERE invoice_id {unpaid}"):
        instead = {"id": f"'{new_id()}'", "invoice_id": id}
        loaded.append(await copying("invoice_line", instead, f"id = '{line['id']}'"))
    loaded += Plant("", "", "", LOADED_GIFT).sql(there)
    assert await _found(loaded) == ([], [])


@pytest.mark.parametrize("plant", PLANTS, ids=_named)
async def test_the_audit_finds(plant: Plant, there: Everything) -> None:
    (sweep,) = [one for one in audit.SWEEPS if plant.check in {check.name for check in one.checks}]
    for found in (await _found(plant.sql(there), [sweep]))[: 2 if sweep.scope else 1]:
        assert plant.told(there) in "\n".join(one.text for one in found if one.check == plant.check)


async def test_few_checks_are_of_no_account() -> None:
    """Of the sums, the series of numbers, and what was issued to nobody in particular."""
    whole = {check.name for sweep in audit.SWEEPS if not sweep.scope for check in sweep.checks}
    assert whole == {"totals", "series", "vouchers-issued"}


@pytest.mark.parametrize("plant", [one for one in PLANTS if one.check in _WARNINGS], ids=_named)
async def test_what_may_heal_by_itself_is_a_warning_and_the_books_are_right(
    plant: Plant, there: Everything
) -> None:
    found, _ = await _found(plant.sql(there))
    assert {(one.check, one.warning) for one in found} == {(plant.check, True)}


async def test_every_check_has_a_plant() -> None:
    checks = [check.name for sweep in audit.SWEEPS for check in sweep.checks]
    assert max(Counter(checks).values()) == 1
    assert set(checks) - {plant.check for plant in PLANTS} == set()
    assert {plant.check for plant in PLANTS} - set(checks) == set()


async def test_a_spoiled_table_is_told_of_in_some_sentences_and_not_in_all(
    there: Everything,
) -> None:
    assert there
    found, _ = await _found(["UPDATE transfer SET source = 'x' || CAST(id AS TEXT)"])
    told = Counter(one.check for one in found)
    assert 10 < told["transfer-line"] <= 100


async def test_a_clean_audit_counts_and_sums_what_it_has_seen() -> None:
    before = await audit.audit()
    ada = await a_client()
    await ada.given(250)
    await ada.granted(100)
    after = await audit.audit()
    assert after.findings == []
    assert after.counts["credit_transaction"] == before.counts["credit_transaction"] + 2
    change = {
        kind: net - before.totals.get("USD", {}).get(kind, 0)
        for kind, net in after.totals["USD"].items()
    }
    assert {kind: net for kind, net in change.items() if net} == {
        "ADJUSTMENTS": -250,
        "DEPOSITED": 250,
        "PROMOTIONS": -100,
        "GRANT": 100,
    }
    assert sum(after.totals["USD"].values()) == 0
