"""No statement a row: an answer takes as many for one row as for many; counted at the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from models.db import connection
from tests.support.factories import STAFF, Client
from tests.support.providers import key
from tests.support.query_counter import asked
from tests.support.staffed_provider import an_account, an_order, client, data, give, wire_provider

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.accounts.account import Account
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("db", "wired")

LINES = "lines { description quantity unitPrice { amount formatted } taxRate total { amount } }"
PAY = """mutation ($input: PayInvoiceInput!) {
    payInvoice(input: $input) { %s userErrors { code field } }
}"""


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


async def statements(document: str, actor: Actor, **variables: Any) -> int:
    async with asked() as seen:
        await data(document, actor, **variables)
    return len(seen.statements)


async def orders(account: Account, count: int) -> None:
    """Orders, each with a payment that was begun."""
    for _ in range(count):
        bill = await an_order(account)
        wish = {"invoiceId": bill.public_id, "gateway": "card", "idempotencyKey": key()}
        paid = await data(PAY % "payment { id }", client(account), input=wish)
        assert paid["payInvoice"]["payment"]


async def test_the_balance_takes_one() -> None:
    ada = await an_account()
    await give(ada, "25.00")
    asked_for = "{ balance { available { amount formatted } nextExpiry { expiresAt } version } }"
    assert await statements(asked_for, client(ada)) == 1


@pytest.mark.parametrize("count", [1, 20])
async def test_a_page_of_invoices_with_lines_and_their_number_takes_three(count: int) -> None:
    ada = await an_account()
    for _ in range(count):
        await an_order(ada)
    page = f"edges {{ cursor node {{ id number total {{ amount }} {LINES} }} }}"
    assert await statements(f"{{ invoices(first: 20) {{ {page} }} }}", client(ada)) == 2
    both = f"{{ invoices(first: 20) {{ totalCount {page} }} }}"
    assert await statements(both, client(ada)) == 3


async def test_lines_are_found_in_fragments_too() -> None:
    ada = await an_account()
    for _ in range(3):
        await an_order(ada)
    document = f"""
        {{ invoices {{ ...Page }} }}
        fragment Page on InvoiceConnection {{ edges {{ node {{ ... on Invoice {{ {LINES} }} }} }} }}
    """
    assert await statements(document, client(ada)) == 2


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("payments { id status invoice { number } nextAction { __typename } }", 2),
        ("account { name email spendingFrozen }", 2),
        ("diagnosis { stage explanation }", 1),
        ("payments { id } diagnosis { stage }", 1),
        ("creditApplicable { amount }", 1),
        ("pdfUrl", 0),
        ("gateway { name }", 0),
    ],
)
async def test_what_invoices_nest_takes_as_many_for_one_as_for_five(field: str, more: int) -> None:
    ada, bob = await an_account("Ada"), await an_account("Bob")
    await give(ada, "25.00")
    await orders(ada, 5)
    await orders(bob, 1)
    document = f"{{ invoices {{ edges {{ node {{ id {field} }} }} }} }}"
    of_one = await statements(document, client(bob))
    of_five = await statements(document, client(ada))
    assert (of_one, of_five) == (1 + more, 1 + more)


@pytest.mark.parametrize("count", [2, 6])
async def test_what_a_payment_is_for_takes_as_many_for_two_invoices_as_for_six(count: int) -> None:
    ada = await an_account()
    ids = [(await an_order(ada)).public_id for _ in range(count)]
    wish = {"invoiceIds": ids, "gateway": "card", "idempotencyKey": key()}
    pay = """mutation ($input: PayInvoicesInput!) {
        payInvoices(input: $input) { payment { id } userErrors { code } }
    }"""
    paid = (await data(pay, client(ada), input=wish))["payInvoices"]
    assert paid["userErrors"] == []
    document = """query ($id: ID!) { node(id: $id) { ... on Payment {
        invoice { number } allocations { amount { amount } invoice { id number } }
    } } }"""
    found = await data(document, client(ada), id=paid["payment"]["id"])
    parts = [one["invoice"]["id"] for one in found["node"]["allocations"]]
    assert parts == ids
    assert found["node"]["invoice"]["number"] == min(
        one["invoice"]["number"] for one in found["node"]["allocations"]
    )
    assert await statements(document, client(ada), id=paid["payment"]["id"]) == 3
    both = (
        "{ invoices { edges { node { id payments { id allocations { amount { amount } } } } } } }"
    )
    assert await statements(both, client(ada)) == 3


@pytest.mark.parametrize("count", [1, 3])
async def test_the_statement_takes_one_for_each_kind_of_what_it_names(count: int) -> None:
    ada = await an_account()
    for _ in range(count):
        await Client(ada, client(ada)).deposit(2500)
        wish = {"invoiceId": (await an_order(ada)).public_id, "useCredit": True}
        paid = await data(
            PAY % "invoice { status }", client(ada), input={**wish, "idempotencyKey": key()}
        )
        assert paid["payInvoice"]["userErrors"] == []
    document = """query ($currency: CurrencyCode) {
        creditTransactions(currency: $currency) {
            edges { node { kind amount { formatted } invoice { number } payment { id } } }
        }
    }"""
    assert await statements(document, client(ada), currency="USD") == 3
    assert await statements(document, client(ada)) == 4  # the account's own currency is looked up


async def test_accounts_with_their_credit_take_one_for_each_kind() -> None:
    for name in ("Ada", "Bob", "Cyd"):
        await give(await an_account(name), "5.00")
    document = """{ accounts { edges { node {
        name spendingFrozen balance { available { amount } } balances { currency version }
        yen: balance(currency: "JPY") { available { amount } version }
    } } } }"""
    assert await statements(document, STAFF) == 3


async def test_paying_with_credit_takes_four_in_the_transaction_and_three_around_it() -> None:
    """On SQLite each table that is written takes a statement of its own, and a second event is one
    more row.
    """
    ada = await an_account()
    await give(ada, "25.00")
    bill = await an_order(ada)
    document = PAY % "invoice { status } balance { available { amount } version }"
    wish = {"invoiceId": bill.public_id, "useCredit": True, "idempotencyKey": key()}
    async with asked() as seen:
        paid = await data(document, client(ada), input=wish)
    assert paid["payInvoice"]["invoice"]["status"] == "PAID"
    assert seen.transactions == 1
    assert len(seen.inside) <= (10 if connection.dialect() == "sqlite" else 4)
    assert len(seen.statements) <= len(seen.inside) + 3


@pytest.mark.parametrize("count", [1, 5])
async def test_a_page_of_accounts_with_what_is_reserved_of_each_takes_three(count: int) -> None:
    for number in range(count):
        ada = await an_account(f"Ada{number}")
        await give(ada, "25.00")
        for _ in range(2):
            await Client(ada, client(ada)).reserve(500)
    holds = "holds(state: [OPEN]) { totalCount edges { node { id amount { amount } } } }"
    document = f"{{ accounts(first: 20) {{ edges {{ node {{ id {holds} }} }} }} }}"
    shown = (await data(document, STAFF))["accounts"]["edges"][:count]
    assert [one["node"]["holds"]["totalCount"] for one in shown] == [2] * count
    assert await statements(document, STAFF) == 3
