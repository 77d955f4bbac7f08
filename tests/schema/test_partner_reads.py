"""A partner's page in one query: accounts with their invoices, statement and grants, in as many
statements for one as for many; notes on invoices; and the audit log.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models import clock
from models.access.api_key import actor_of_key, create_key
from models.access.user import create_staff
from models.accounts.settings import UpdateAccount
from models.credit import expiry
from models.db import sql
from models.journal.command import run
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, Client, a_client, a_voucher
from tests.support.providers import key
from tests.support.query_counter import asked
from tests.support.staffed_provider import ask, client, code, data, partner, wire_provider

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.provider.provider import Provider
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("db", "wired")

READER = ("accounts:read", "credit:read", "invoices:read", "audit:read")
PAGE = """query ($first: Int!) { accounts(first: 5) { edges { node { id
    invoices(first: $first) { totalCount pageInfo { hasNextPage endCursor }
      edges { cursor node {
        number total { amount } metadata { key value } lines { description } } } }
    paid: invoices(filter: {status: [PAID, UNPAID], kind: ORDER}, last: 2) { edges { node { id } } }
    creditTransactions(first: $first) { totalCount
      edges { cursor node {
        kind amount { amount } sources { amount { amount } grant { id name } } } } }
    grants(first: 5) { totalCount edges { cursor node {
        id name state remaining { amount } source expiresAt } } }
} } } }"""


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


async def a_busy_client(currency: str = "USD") -> Client:
    """With two grants, a deposit, and what was paid from all three."""
    ada = await a_client(currency)
    await ada.granted(300)
    await ada.granted(500)
    await ada.given(1000)
    await ada.spend(await ada.order(1000))
    await ada.order(200)
    return ada


async def statements(document: str, by: Actor, **variables: Any) -> int:
    async with asked() as seen:
        await data(document, by, **variables)
    return len(seen.statements)


async def test_a_page_of_accounts_takes_as_many_statements_for_one_as_for_five() -> None:
    one = await a_busy_client()
    others = [await a_busy_client("JPY" if n % 2 else "USD") for n in range(4)]
    alone = partner(*READER, accounts=[one.account])
    together = partner(*READER, accounts=[one.account, *(other.account for other in others)])
    of_one = await statements(PAGE, alone, first=5)
    assert await statements(PAGE, together, first=5) == of_one
    # Accounts, 2 x invoices with a count, lines, statement and its count, sources, grants and
    # their count, the grants of sources, ends, and notes twice.
    assert of_one <= 13


async def test_pages_of_accounts_are_what_each_account_would_be_told_alone() -> None:
    some = [await a_busy_client("JPY" if n == 1 else "USD") for n in range(3)]
    by = partner(*READER, accounts=[one.account for one in some])
    for first in (1, 5):
        page = await data(PAGE, by, first=first)
        together = {edge["node"]["id"]: edge["node"] for edge in page["accounts"]["edges"]}
        for one in some:
            alone = partner(*READER, accounts=[one.account])
            (edge,) = (await data(PAGE, alone, first=first))["accounts"]["edges"]
            assert together[one.account.public_id] == edge["node"]
            assert len(edge["node"]["invoices"]["edges"]) == min(first, 2)
            assert edge["node"]["invoices"]["totalCount"] == 2


async def test_cursors_of_an_account_lead_through_all_of_its_lists() -> None:
    ada, bo = await a_busy_client(), await a_busy_client()
    document = """query ($a: ID!, $b: ID!, $after: String, $line: String) { nodes(ids: [$a, $b]) {
        ... on Account { invoices(first: 1, after: $after) { edges { cursor } }
          creditTransactions(first: 3, after: $line) { edges { cursor node { version } } } } } }"""
    both = {"a": ada.account.public_id, "b": bo.account.public_id}
    first = (await data(document, STAFF, **both))["nodes"]
    cursors = [one["invoices"]["edges"][0]["cursor"] for one in first]
    line = first[0]["creditTransactions"]["edges"][-1]["cursor"]
    second = (await data(document, STAFF, **both, after=cursors[0], line=line))["nodes"]
    assert second[0]["invoices"]["edges"][0]["cursor"] < cursors[0]
    versions = [edge["node"]["version"] for edge in second[0]["creditTransactions"]["edges"]]
    assert versions == [1]
    alone = document.replace("[$a, $b]", "[$a]").replace(", $b: ID!", "")
    wrong = {"a": both["a"], "after": "nothing"}
    assert await code(alone, STAFF, **wrong) == "BAD_USER_INPUT"


async def test_a_spend_says_which_grants_and_deposits_it_came_from() -> None:
    ada = await a_client()
    soon = clock.now() + timedelta(days=3)
    await ada.granted(300)
    await ada.granted(500, expires_at=soon)
    await ada.given(1000)
    bill = await ada.spend(await ada.order(1000))
    await run(VoidInvoice(bill.id, "a mistake"), STAFF, key())
    answer = await data(
        "{ creditTransactions { edges { node { kind sources { amount { amount }"
        " grant { amount { amount } expiresAt } } } } } }",
        ada.actor,
    )
    lines = {
        edge["node"]["kind"]: edge["node"]["sources"]
        for edge in answer["creditTransactions"]["edges"]
    }
    spent = [
        (one["amount"]["amount"], one["grant"] and one["grant"]["amount"]["amount"])
        for one in lines["INVOICE_PAYMENT"]
    ]
    assert spent == [("5.00", "5.00"), ("3.00", "3.00"), ("2.00", None)]
    assert lines["INVOICE_PAYMENT_RETURNED"] == lines["VOUCHER"] == lines["ADJUSTMENT"] == []


async def test_a_grant_is_active_then_spent_or_expired(at: At) -> None:
    ada = await a_client()
    await ada.granted(300, expires_at=clock.now() + timedelta(days=1))
    await ada.granted(500, expires_at=clock.now() + timedelta(days=2))
    document = "{ grants: node(id: $id) { ... on Account { grants { edges { node { state"
    document = "query ($id: ID!) " + document + " remaining { amount } } } } } } }"

    async def states() -> list[tuple[str, str]]:
        found = (await data(document, ada.actor, id=ada.account.public_id))["grants"]
        nodes = [edge["node"] for edge in found["grants"]["edges"]]
        return [(one["state"], one["remaining"]["amount"]) for one in nodes]

    assert await states() == [("ACTIVE", "5.00"), ("ACTIVE", "3.00")]
    await ada.spend(await ada.order(300))
    assert await states() == [("ACTIVE", "5.00"), ("SPENT", "0.00")]
    begun = await ada.begin(await ada.order(1500), credit_limit=500)
    assert await states() == [("ACTIVE", "0.00"), ("SPENT", "0.00")], "reserved is not spent"
    await ada.frozen()
    assert begun.credit_part == 500
    at(clock.now() + timedelta(days=1, hours=1))
    assert await states() == [("ACTIVE", "0.00"), ("SPENT", "0.00")]


async def test_a_grant_whose_time_is_over_is_expired_booked_or_not(at: At) -> None:
    ada = await a_client()
    await ada.granted(500, expires_at=clock.now() + timedelta(days=2))
    document = """query ($id: ID!) { node(id: $id) { ... on Account { grants { edges { node {
        id state remaining { amount } } } } } } }"""

    async def grant() -> dict[str, Any]:
        found = (await data(document, ada.actor, id=ada.account.public_id))["node"]["grants"]
        (edge,) = found["edges"]
        node: dict[str, Any] = edge["node"]
        return node

    at(clock.now() + timedelta(days=3))
    before = await grant()
    assert (before["state"], before["remaining"]["amount"]) == ("EXPIRED", "0.00")
    assert await expiry.expire_grants() == 1
    assert await grant() == before


# ------------------------------------------------------------------------------- metadata

CREATE = """mutation ($input: CreateInvoiceInput!) { createInvoice(input: $input) {
    invoice { id metadata { key value } } userErrors { code field } } }"""


def an_invoice(ada: Client, metadata: object) -> dict[str, Any]:
    line = {"description": "Hosting", "unitPrice": "1.00"}
    return {
        "accountId": ada.account.public_id,
        "currency": "USD",
        "lines": [line],
        "metadata": metadata,
        "idempotencyKey": key(),
    }


async def test_an_invoice_keeps_a_partners_notes_and_shows_them_everywhere() -> None:
    ada = await a_client()
    shop = partner("invoices:write", accounts=[ada.account])
    notes = [{"key": "order", "value": "4711"}, {"key": "Host", "value": "a\nb"}]
    asked_for = an_invoice(ada, notes)
    made = (await data(CREATE, shop, input=asked_for))["createInvoice"]
    assert made["userErrors"] == []
    kept = sorted(notes, key=lambda one: one["key"])
    assert made["invoice"]["metadata"] == kept
    assert (await data(CREATE, shop, input=asked_for))["createInvoice"] == made
    found = await data("{ invoices { edges { node { metadata { key value } } } } }", ada.actor)
    assert found["invoices"]["edges"] == [{"node": {"metadata": kept}}]
    other = {**asked_for, "metadata": notes[:1]}
    (reused,) = (await data(CREATE, shop, input=other))["createInvoice"]["userErrors"]
    assert reused["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ([{"key": str(n), "value": ""} for n in range(21)], ["metadata"]),
        ([{"key": "k" * 41, "value": ""}], ["metadata", "0", "key"]),
        ([{"key": "", "value": ""}], ["metadata", "0", "key"]),
        ([{"key": "a", "value": "v" * 501}], ["metadata", "0", "value"]),
        ([{"key": "a", "value": ""}, {"key": "a", "value": ""}], ["metadata", "1", "key"]),
        ([{"key": "a", "value": "\x00"}], ["metadata", "0", "value"]),
    ],
)
async def test_notes_beyond_their_limits_are_refused_at_their_field_and_nothing_is_kept(
    metadata: object, field: list[str]
) -> None:
    ada = await a_client()
    made = (await data(CREATE, STAFF, input=an_invoice(ada, metadata)))["createInvoice"]
    assert made["invoice"] is None
    assert [error["field"] for error in made["userErrors"]] == [field]
    assert await sql.fetch("SELECT 1 FROM invoice UNION ALL SELECT 1 FROM idempotency_key") == []


async def test_the_most_that_notes_may_be_is_kept() -> None:
    ada = await a_client()
    metadata = [{"key": f"{n:040}", "value": "v" * 500} for n in range(20)]
    made = (await data(CREATE, STAFF, input=an_invoice(ada, metadata)))["createInvoice"]
    assert made["invoice"]["metadata"] == metadata


# ------------------------------------------------------------------------------- audit log

LOG = """query ($account: ID, $who: String, $action: String, $first: Int, $after: String) {
    auditLog(accountId: $account, actor: $who, action: $action, first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        edges { cursor node {
            id action actor address subject { id } details { key value } } } } }"""


async def entries(by: Actor, **wish: Any) -> list[tuple[str, str]]:
    found = (await data(LOG, by, **wish))["auditLog"]
    assert found["totalCount"] == len(found["edges"])
    return [(edge["node"]["action"], edge["node"]["actor"]) for edge in found["edges"]]


async def test_partners_read_the_log_of_their_clients_and_of_others_only_the_role() -> None:
    ada, bo = await a_client(), await a_client()
    shop = partner("invoices:write", "audit:read", accounts=[ada.account])
    made = (await data(CREATE, shop, input=an_invoice(ada, None)))["createInvoice"]["invoice"]
    await ada.given(100)
    await bo.given(100)
    await run(UpdateAccount(ada.id, {"name": "Ada L."}), STAFF, key())
    await a_voucher(100)
    assert await entries(shop) == [
        ("account.update", "staff"),
        ("credit.adjust", "staff"),
        ("invoice.create", "partner"),
    ]
    assert await entries(shop, account=ada.account.public_id, action="credit.adjust") == [
        ("credit.adjust", "staff")
    ]
    assert await entries(shop, who="staff", action="invoice.create") == []
    assert len(await entries(STAFF)) == 5
    assert await entries(STAFF, account=bo.account.public_id) == [("credit.adjust", "staff")]
    found = (await data(LOG, shop, first=1, action="invoice.create"))["auditLog"]["edges"]
    assert found[0]["node"]["subject"] == {"id": made["id"]}
    assert await code(LOG, shop, account=bo.account.public_id) == "NOT_FOUND"
    for by in (ada.actor, client(bo.account), partner("accounts:write", accounts=[ada.account])):
        assert await code(LOG, by) == "FORBIDDEN"
    assert await entries(partner("audit:read", accounts=[])) == []


async def test_a_key_that_may_not_is_told_which_scope_it_lacks() -> None:
    [refused] = (await ask(LOG, partner("accounts:write"))).errors or []
    assert "“audit:read”" in refused.message


async def test_who_did_it_is_found_by_what_they_are_called() -> None:
    ada = await a_client()
    boss = (await create_staff("Boss@kaze.example", None)).actor("192.0.2.1")
    _, token = await create_key("Order desk", ["invoices:write", "audit:read"], [ada.id])
    shop = await actor_of_key(token, "192.0.2.9")
    assert shop is not None
    await run(UpdateAccount(ada.id, {"name": "Ada L."}), boss, key())
    await data(CREATE, shop, input=an_invoice(ada, None))
    own, staffs = ("invoice.create", "Order desk"), ("account.update", "Boss@kaze.example")
    assert await entries(STAFF) == [own, staffs]
    assert await entries(STAFF, who="boss@KAZE.example") == [staffs]
    assert await entries(STAFF, who="Order desk") == [own]
    assert await entries(STAFF, who="nobody") == []
    assert await entries(shop) == [own, ("account.update", "staff")]
    assert await entries(shop, who="Order desk") == [own]
    assert await entries(shop, who="boss@kaze.example") == []
    shown = (await data(LOG, shop))["auditLog"]["edges"]
    assert [edge["node"]["address"] for edge in shown] == ["192.0.2.9", None]


async def test_the_log_takes_as_many_statements_for_one_entry_as_for_many() -> None:
    ada, bo = await a_client(), await a_client()
    document = """query ($account: ID!) { auditLog(accountId: $account) { edges { node {
        actor subject { id } account { name } details { key value } } } } }"""
    await bo.order()
    for _ in range(5):
        await ada.order()
    of_one = await statements(document, STAFF, account=bo.account.public_id)
    assert await statements(document, STAFF, account=ada.account.public_id) == of_one <= 4


async def test_pages_of_the_log_meet() -> None:
    ada = await a_client()
    for n in range(5):
        await ada.given(100 + n)
    seen, after = [], None
    while True:
        found = (await data(LOG, STAFF, first=2, after=after))["auditLog"]
        seen += [edge["node"]["id"] for edge in found["edges"]]
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            break
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)


async def test_what_a_command_says_of_money_is_on_the_account_that_it_is_of() -> None:
    """Whatever commands log of an invoice, a payment or credit: a partner finds it."""
    ada = await a_client()
    await ada.given(5000)
    shop = partner("invoices:write", "funds:write", "vouchers:redeem", accounts=[ada.account])
    bill = await ada.order(1000)
    await ada.pay(bill, use_credit=True, by=shop)
    await run(VoidInvoice(bill.id, "a mistake"), shop, key())
    rows = await sql.fetch(
        "SELECT action FROM audit_entry WHERE account_id IS NULL OR account_id <> $1", ada.id
    )
    assert rows == []
