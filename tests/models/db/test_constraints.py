"""What the database refuses, whatever the code does."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import pytest
from tortoise.exceptions import BaseORMException, IntegrityError

from models.access.api_key import create_key
from models.access.user import create_staff
from models.db import record, sql
from models.db.transactions import transaction
from tests.support.books.busy import busy_books
from tests.support.books.copies import copying
from tests.support.providers import wire_provider

in_books = pytest.mark.usefixtures("provider", "busy")

RULES: Final = import_module("models.migrations.0002_constraints")

#: For each check: what a copy of a row (that the condition picks) says instead.
VIOLATIONS: Final[dict[str, tuple[dict[str, str], str]]] = {
    "account_open_disputes": ({"open_disputes": "-1"}, ""),
    "balance_credit": ({"promotional": "available + 1"}, ""),
    "balance_reserved": ({"reserved": "-1"}, ""),
    "balance_debt": ({"debt": "-1"}, ""),
    "balance_version": ({"version": "-1"}, ""),
    "transfer_amount": ({"amount": "0"}, ""),
    "transfer_sides": ({"to_id": "from_id"}, ""),
    "transfer_leg": ({"leg": "-1"}, ""),
    "credit_transaction_version": ({"version": "0"}, ""),
    "credit_transaction_credit": ({"promotional_after": "available_after + 1"}, ""),
    "credit_transaction_reserved": (
        {"reserved_after": "-1", "balance_after": "available_after - 1 - debt_after"},
        "",
    ),
    "credit_transaction_debt": (
        {"debt_after": "-1", "balance_after": "available_after + reserved_after + 1"},
        "",
    ),
    "credit_transaction_balance": ({"balance_after": "balance_after + 1"}, ""),
    "credit_grant_remaining": ({"remaining": "amount + 1"}, ""),
    "credit_hold_amount": ({"amount": "0"}, ""),
    "credit_hold_state": ({"state": "'LOST'"}, ""),
    "invoice_kind": ({"kind": "'GIFT'"}, ""),
    "invoice_status": ({"status": "'LOST'"}, ""),
    "invoice_total": ({"total": "total + 1"}, "status = 'UNPAID'"),
    "invoice_paid": ({"amount_paid": "total + 1"}, "status = 'UNPAID'"),
    "invoice_credit": ({"credit_applied": "amount_paid + 1"}, "kind = 'ORDER'"),
    "invoice_funds": (
        {"kind": "'FUNDS'", "credit_applied": "1", "amount_paid": "1"},
        "status = 'UNPAID'",
    ),
    "invoice_covered": ({"status": "'PAID'"}, "amount_paid < total"),
    "payment_status": ({"status": "'LOST'"}, ""),
    "payment_amount": ({"amount": "0"}, ""),
    "payment_parts": ({"excess": "-1", "applied": "1"}, "received = 0"),
    "payment_received": ({"received": "received + 1"}, ""),
    "settlement_amount": ({"amount": "0"}, ""),
    "voucher_amount": ({"amount": "0"}, ""),
    "voucher_redeemed": ({"redeemed": "max_redemptions + 1"}, ""),
    "number_series_number": ({"last_number": "0"}, ""),
    "users_role": ({"role": "'LOST'"}, ""),
    "users_account": ({"account_id": "id"}, "role = 'STAFF'"),
    "users_partner": ({"role": "'PARTNER'"}, "email IS NOT NULL"),
    "api_key_scopes": ({"scopes": "''"}, ""),
}

#: For each unique key: what a copy of a row says instead, so that it breaks that key alone.
TWICE: Final[dict[str, dict[str, str]]] = {
    "balance_1": {},
    "credit_transaction_1": {"version": "version + 1000"},
    "credit_transaction_2": {"source": "'another'"},
    "transfer_1": {"credit_transaction_id": "NULL"},
    "transfer_2": {"source": "'another'"},
    "credit_hold_1": {},
    "invoice_1": {"credit_note_number": "NULL"},
    "invoice_2": {"number": "'another'"},
    "invoice_line_1": {},
    "payment_1": {},
    "settlement_1": {},
    "receipt_1": {},
    "idempotency_key_1": {},
    "voucher_1": {},
    "redemption_1": {},
}


@pytest.fixture(scope="module")
async def busy(books: str) -> str:
    """Books that have a row in every table."""
    with pytest.MonkeyPatch.context() as patch:
        wire_provider(patch)
        await busy_books()
    await create_staff("ada@example.com", None)
    await create_key("Order desk", ["credit:read"])
    return books


async def _copy(table: str, instead: dict[str, str], where: str) -> None:
    """Add a copy of a row of the table that says something else `instead`."""
    statement = await copying(table, instead, where or "1 = 1")
    await transaction(lambda: sql.execute(statement))


@in_books
@pytest.mark.parametrize("check", VIOLATIONS)
async def test_a_row_that_breaks_a_check_is_refused(check: str) -> None:
    instead, where = VIOLATIONS[check]
    table = max((t for t in RULES.TABLES.values() if check.startswith(t)), key=len)
    with pytest.raises(IntegrityError, match=f"ck_{check}"):
        await _copy(table, instead, where)


def test_every_check_has_a_row_that_breaks_it() -> None:
    checks = {
        f"{RULES.TABLES[model]}_{name}" for model, named in RULES.CHECKS.items() for name in named
    }
    assert checks == set(VIOLATIONS)


@in_books
@pytest.mark.parametrize("unique", TWICE)
async def test_what_happens_once_cannot_be_written_twice(unique: str) -> None:
    table, _, number = unique.rpartition("_")
    columns = RULES.UNIQUE[table][int(number) - 1].split(", ")
    instead = {"id": f"'{record.new_id()}'", **TWICE[unique]}
    where = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    # PostgreSQL names the index, SQLite its columns.
    told = f"uq_{unique}|" + ", ".join(f"{table}.{column}" for column in columns)
    with pytest.raises(IntegrityError, match=told):
        await _copy(table, instead, where)


@in_books
async def test_an_idempotency_key_issues_one_invoice_ever() -> None:
    instead = {"invoice_id": f"'{record.new_id()}'"}
    with pytest.raises(IntegrityError, match=r"invoice_source_pkey|invoice_source\.source"):
        await _copy("invoice_source", instead, "")


def test_every_unique_key_is_tried() -> None:
    keys = {f"{table}_{n}" for table, keys in RULES.UNIQUE.items() for n, _ in enumerate(keys, 1)}
    assert keys == set(TWICE)


@in_books
@pytest.mark.parametrize("table", RULES.APPEND_ONLY)
@pytest.mark.parametrize("change", ["UPDATE {} SET created_at = created_at", "DELETE FROM {}"])
async def test_what_has_been_written_is_never_changed(table: str, change: str) -> None:
    before = await sql.fetch(f"SELECT * FROM {table} ORDER BY id")
    assert before
    with pytest.raises(BaseORMException, match=f"{table} is append-only"):
        await transaction(lambda: sql.execute(change.format(table)))
    assert await sql.fetch(f"SELECT * FROM {table} ORDER BY id") == before


@pytest.mark.postgres_only
@in_books
@pytest.mark.parametrize("table", RULES.APPEND_ONLY)
async def test_what_has_been_written_is_never_emptied(table: str) -> None:
    with pytest.raises(BaseORMException, match="append-only"):
        await transaction(lambda: sql.execute(f"TRUNCATE {table}"))
