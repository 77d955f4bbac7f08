"""The audit finds what must not be: every check of it, by books that were spoiled."""

from __future__ import annotations

from typing import Final

import pytest

from models import audit, base, sql
from models.base import transaction
from models.ledger import LedgerKind, client, house_account
from tests.factories import Client, a_client
from tests.models.ledgers import busy_books

pytestmark = pytest.mark.usefixtures("provider")

_LAST_LINE: Final = (
    "id = (SELECT id FROM credit_transaction WHERE account_id = $1 ORDER BY version DESC LIMIT 1)"
)
_OF_A_LINE: Final = (
    "id = (SELECT id FROM transfer WHERE account_id = $1 AND credit_transaction_id IS NOT NULL"
    " ORDER BY id LIMIT 1)"
)
_OPEN_HOLD: Final = "account_id = $1 AND state = 'OPEN'"
_PAID_WITH_CREDIT: Final = (
    "account_id = $1 AND status = 'PAID' AND kind = 'ORDER' AND credit_applied = total"
)

#: What the audit says, by what was done to one account's rows ($1) behind the code's back.
SPOILED: Final = {
    "a transfer in another currency": (
        f"UPDATE transfer SET currency = 'JPY' WHERE {_OF_A_LINE}",
        "not between two ledger accounts of its currency",
    ),
    "a transfer to nowhere": (
        f"UPDATE transfer SET to_id = account_id WHERE {_OF_A_LINE}",
        "not between two ledger accounts of its currency",
    ),
    "a transfer of another amount": (
        f"UPDATE transfer SET amount = amount + 1 WHERE {_OF_A_LINE}",
        "its transfers move",
    ),
    "a transfer that is gone": (f"DELETE FROM transfer WHERE {_OF_A_LINE}", "its transfers move"),
    "more available": (
        "UPDATE balance SET available = available + 1 WHERE account_id = $1",
        "its row and its transfers differ",
    ),
    "deposits made of promotions": (
        "UPDATE balance SET promotional = promotional - 1 WHERE account_id = $1",
        "its row and its transfers differ",
    ),
    "less debt and less credit": (
        "UPDATE balance SET available = available - 1, debt = debt + 1 WHERE account_id = $1",
        "not what its last credit transaction left",
    ),
    "a grant with less left": (
        (
            "UPDATE credit_grant SET remaining = remaining - 1 WHERE account_id = $1"
            " AND remaining > 0"
        ),
        "its transfers leave",
    ),
    "a gap in the versions": (
        f"UPDATE credit_transaction SET version = version + 1 WHERE {_LAST_LINE}",
        "versions with a gap",
    ),
    "a line that is gone": (
        f"DELETE FROM credit_transaction WHERE {_LAST_LINE}",
        "versions with a gap",
    ),
    "another balance on a line": (
        (
            "UPDATE credit_transaction SET balance_after = balance_after + 1,"
            f" available_after = available_after + 1 WHERE {_LAST_LINE}"
        ),
        "balance after it is not that before it and its amount",
    ),
    "a capture of another amount": (
        (
            "UPDATE settlement SET amount = amount + 1 WHERE payment_id IN"
            " (SELECT id FROM payment WHERE account_id = $1)"
        ),
        "its captures are",
    ),
    "a capture that is gone": (
        (
            "DELETE FROM settlement WHERE payment_id IN"
            " (SELECT id FROM payment WHERE account_id = $1)"
        ),
        "its captures are 0",
    ),
    "more taken back than was booked": (
        (
            "UPDATE payment SET taken_back = 1, applied = applied - 1 WHERE account_id = $1"
            " AND applied > 0"
        ),
        "what came in is not what was booked",
    ),
    "an invoice that says less is paid": (
        (
            "UPDATE invoice SET amount_paid = amount_paid - 1 WHERE account_id = $1"
            " AND status = 'UNPAID' AND amount_paid > 0"
        ),
        "credit and payments make",
    ),
    "an invoice that says credit paid": (
        (
            "UPDATE invoice SET credit_applied = 1 WHERE account_id = $1 AND status = 'UNPAID'"
            " AND amount_paid > 0"
        ),
        "credit applied, the statement says 0",
    ),
    "a void invoice whose credit was kept": (
        (
            "UPDATE invoice SET status = 'VOID', amount_paid = 0, credit_applied = 0"
            f" WHERE {_PAID_WITH_CREDIT}"
        ),
        "credit was applied and 0 returned",
    ),
    "a hold of a payment that is over": (
        (
            "UPDATE payment SET status = 'FAILED' WHERE id ="
            f" (SELECT payment_id FROM credit_hold WHERE {_OPEN_HOLD})"
        ),
        "what it is for is FAILED",
    ),
    "a hold that was let go on paper": (
        f"UPDATE credit_hold SET state = 'RELEASED' WHERE {_OPEN_HOLD}",
        "its open holds are 0",
    ),
    "a voucher that forgot who redeemed it": (
        (
            "UPDATE voucher SET redeemed = 0 WHERE id ="
            " (SELECT voucher_id FROM redemption WHERE account_id = $1 LIMIT 1)"
        ),
        "redeemed 0 times",
    ),
    "a number without an invoice": (
        (
            "UPDATE number_series SET last_number = last_number + 1 WHERE name LIKE 'INV-%'"
            " AND EXISTS (SELECT 1 FROM account WHERE id = $1)"
        ),
        "numbers given out",
    ),
    "an invoice that is gone": (
        "DELETE FROM invoice WHERE account_id = $1 AND amount_paid = 0",
        "numbers given out",
    ),
}


class _Undo(Exception):
    """What was found; the transaction that spoiled the books rolls back."""


async def _found(*statements: tuple[str, *tuple[object, ...]]) -> list[str]:
    """What the audit says after these statements, on books without their guards."""

    async def work() -> None:
        for guard in _guards():
            await sql.execute(guard)
        for statement, *args in statements:
            spoiled = await sql.fetch(f"{statement} RETURNING 1 AS done", *args)
            assert spoiled, "a test that changes nothing proves nothing"
        raise _Undo((await audit._audit()).findings)

    with pytest.raises(_Undo) as undone:
        await transaction(work)
    found: list[str] = undone.value.args[0]
    return found


def _guards() -> list[str]:
    """Statements that take the append-only triggers down."""
    tables = ("transfer", "credit_transaction", "settlement")
    if base.dialect() == "postgres":
        return [f"DROP TRIGGER {table}_append_only ON {table}" for table in tables]
    return [f"DROP TRIGGER {table}_no_{verb}" for table in tables for verb in ("update", "delete")]


@pytest.fixture(scope="module")
def clients() -> list[Client]:
    """One client for all the tests here: the books are spoiled in transactions that roll back."""
    return []


async def _ada(clients: list[Client]) -> Client:
    if not clients:
        clients.append(await busy_books())
    return clients[0]


@pytest.mark.parametrize("what", SPOILED)
async def test_the_audit_finds(what: str, clients: list[Client]) -> None:
    ada = await _ada(clients)
    assert (await audit.audit()).findings == []
    statement, sentence = SPOILED[what]
    found = await _found((statement, ada.id))
    assert [one for one in found if sentence in one], found


async def test_the_audit_finds_credit_made_with_a_transfer_and_no_line(
    clients: list[Client],
) -> None:
    """Balance and transfers agree; only the statement knows nothing of it."""
    ada = await _ada(clients)
    found = await _found(
        _transfer(ada, house_account(LedgerKind.ADJUSTMENTS, "USD").id),
        ("UPDATE balance SET available = available + 1 WHERE account_id = $1", ada.id),
    )
    assert [one for one in found if "not what its last credit transaction left" in one], found


async def test_the_audit_finds_a_refund_whose_credit_is_not_held(clients: list[Client]) -> None:
    ada = await _ada(clients)
    found = await _found(
        (
            (
                "INSERT INTO refund (id, created_at, payment_id, account_id, currency, amount,"
                " held, reason, status, capture, reference, checks)"
                " SELECT $1, $2, id, account_id, currency, 1, 1, 'x', 'PENDING', 'c', '', 0"
                " FROM payment WHERE account_id = $3 LIMIT 1"
            ),
            base.new_id(),
            base.now(),
            ada.id,
        )
    )
    assert [one for one in found if "PENDING, its hold is missing" in one], found


async def test_the_audit_finds_money_of_a_gateway_that_no_payment_brought(
    clients: list[Client],
) -> None:
    ada = await _ada(clients)
    clearing = house_account(LedgerKind.CLEARING, "USD", "card").id
    found = await _found(_transfer(ada, clearing))
    assert [one for one in found if "through a gateway's clearing, for no payment" in one], found


async def test_the_audit_finds_a_line_of_a_bank_statement_whose_money_is_not_booked(
    clients: list[Client],
) -> None:
    ada = await _ada(clients)
    insert = (
        "INSERT INTO bank_credit (id, created_at, kind, state, why, bank_account, line_key,"
        " bank_ref, forms, amount, currency, booked_on, payer_name, payer_account, text, quoted,"
        " note, payment_id) SELECT $2, created_at, 'CREDIT', 'BOOKED', '', 'DE1', 'x', 'x',"
        " 'MT940', 100, 'USD', '2026-11-23', '', '', '', '', '', id FROM payment"
        " WHERE account_id = $1 LIMIT 1"
    )
    found = await _found((insert, ada.id, base.new_id()))
    assert [one for one in found if "its payment has no settlement of 100" in one], found


def _transfer(ada: Client, source: object) -> tuple[str, *tuple[object, ...]]:
    insert = (
        "INSERT INTO transfer (id, created_at, currency, kind, source, leg, from_id, to_id,"
        " amount, account_id) VALUES ($1, $2, 'USD', 'ADJUSTMENT', 'none', 0, $3, $4, 1, $5)"
    )
    deposited = client(LedgerKind.DEPOSITED, ada.id, "USD").id
    return (insert, base.new_id(), base.now(), source, deposited, ada.id)


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


async def test_every_sentence_of_the_audit_is_found_by_a_test() -> None:
    sentences = [sentence for sentence, _ in audit._CHECKS]
    told = [sentence for _, sentence in SPOILED.values()]
    told += ["not what its last credit transaction left", "for no payment", "its hold is"]
    told += ["its payment has no settlement of"]

    def words(text: str) -> set[str]:
        return {word.strip(",:") for word in text.split() if "{" not in word}

    missing = [
        sentence
        for sentence in sentences
        if not any(words(one) - {"0", "FAILED"} <= words(sentence) for one in told)
    ]
    assert missing == []
