"""Reading: what is answered, to whom, and in how many statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLObjectType, get_named_type

from models.db import sql
from tests.support.factories import STAFF
from tests.support.staffed_provider import (
    SCHEMA,
    an_account,
    an_order,
    ask,
    client,
    code,
    data,
    give,
    partner,
    wire_provider,
)

if TYPE_CHECKING:
    from models.provider.provider import Provider

pytestmark = pytest.mark.usefixtures("db", "wired")

MONEY = "{ amount currency formatted }"
BALANCE = f"""{{
    id currency available {MONEY} reserved {MONEY} pending {MONEY} promotional {MONEY}
    nextExpiry {{ amount {MONEY} expiresAt }} debt {MONEY} version updatedAt
}}"""
PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is read with from now on."""
    seen: list[str] = []
    fetch = sql.fetch

    async def counted(statement: str, *args: object) -> Any:
        seen.append(statement)
        return await fetch(statement, *args)

    monkeypatch.setattr(sql, "fetch", counted)
    return seen


# ------------------------------------------------------------------------------- credit


async def test_a_client_reads_the_available_credit_in_one_statement(statements: list[str]) -> None:
    ada = await an_account()
    await give(ada, "25.00")
    statements.clear()
    read = (await data(f"{{ balance {BALANCE} }}", client(ada)))["balance"]
    assert len(statements) == 1
    assert read["available"] == {"amount": "25.00", "currency": "USD", "formatted": "$25.00"}
    assert read["version"] == 1
    assert read["debt"]["amount"] == read["pending"]["amount"] == "0.00"
    assert read["nextExpiry"] is None


async def test_credit_that_never_was_is_zero_in_any_currency() -> None:
    ada = await an_account()
    read = (await data(f'{{ balance(currency: "KWD") {BALANCE} }}', client(ada)))["balance"]
    assert read["available"]["amount"] == "0.000"
    assert read["version"] == 0


async def test_a_currency_that_is_none_is_bad_input() -> None:
    ada = await an_account()
    assert await code('{ balance(currency: "ZZZ") { id } }', client(ada)) == "BAD_USER_INPUT"
    assert await code('{ balance(currency: "usd") { id } }', client(ada)) == "BAD_USER_INPUT"


async def test_credit_is_for_its_owner_staff_and_partners_with_the_scope() -> None:
    ada, bo = await an_account(), await an_account("Bo")
    asked = "query ($id: ID) { balance(accountId: $id) { currency } }"
    good = {"balance": {"currency": "USD"}}
    for actor in (
        client(ada),
        STAFF,
        partner("credit:read"),
        partner("credit:read", accounts=[ada]),
    ):
        assert await data(asked, actor, id=ada.public_id) == good
    assert await code(asked, None, id=ada.public_id) == "UNAUTHENTICATED"
    assert await code(asked, client(bo), id=ada.public_id) == "NOT_FOUND"
    assert await code(asked, partner("invoices:read"), id=ada.public_id) == "FORBIDDEN"
    assert await code(asked, partner("credit:read", accounts=[bo]), id=ada.public_id) == "NOT_FOUND"
    assert await code(asked, STAFF, id="acc_" + "0" * 32) == "NOT_FOUND"
    assert await code(asked, STAFF, id="no id") == "NOT_FOUND"
    assert await code(asked, STAFF) == "BAD_USER_INPUT"  # whose?


async def test_the_statement_is_paged_without_gap_or_repeat() -> None:
    ada = await an_account()
    for n in range(5):
        await give(ada, "1.00", f"number {n}")
    asked = f"""query ($first: Int, $after: String, $last: Int, $before: String) {{
        creditTransactions(first: $first, after: $after, last: $last, before: $before) {{
            edges {{ node {{ version description amount {MONEY} refundable }} cursor }} {PAGE}
        }} }}"""
    seen: list[int] = []
    page: Any = {}
    after = None
    for _ in range(3):
        page = (await data(asked, client(ada), first=2, after=after))["creditTransactions"]
        seen += [edge["node"]["version"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert page["totalCount"] == 5
    assert seen == [5, 4, 3, 2, 1]
    assert page["pageInfo"]["hasNextPage"] is False
    back = (await data(asked, client(ada), last=2))["creditTransactions"]
    assert [edge["node"]["version"] for edge in back["edges"]] == [2, 1]
    assert back["pageInfo"]["hasPreviousPage"] is True
    assert back["edges"][0]["node"]["description"] == "Adjustment: number 1"


async def test_the_statement_is_filtered() -> None:
    ada = await an_account()
    await give(ada, "1.00")
    asked = """query ($filter: CreditTransactionFilter) {
        creditTransactions(filter: $filter) { totalCount } }"""
    for given, total in (
        ({"kind": ["ADJUSTMENT", "VOUCHER"]}, 1),
        ({"kind": ["VOUCHER"]}, 0),
        ({"kind": []}, 0),
        ({"createdAfter": "2001-01-01T00:00:00Z"}, 1),
        ({"createdBefore": "2001-01-01T00:00:00Z"}, 0),
        (None, 1),
    ):
        read = await data(asked, client(ada), filter=given)
        assert read == {"creditTransactions": {"totalCount": total}}, given


@pytest.mark.parametrize(
    "given",
    [
        *("first: -1", "first: 101", "last: 101", "first: 1, last: 1", "first: 1000000000"),
        *('after: "x"', 'after: ""', 'before: "inv_zz"', f'after: "{"9" * 5_000}"'),
    ],
)
@pytest.mark.parametrize("field", ["creditTransactions", "invoices", "accounts"])
async def test_a_page_that_makes_no_sense_is_bad_input(field: str, given: str) -> None:
    ada = await an_account()
    actor = STAFF if field == "accounts" else client(ada)
    assert await code(f"{{ {field}({given}) {{ totalCount }} }}", actor) == "BAD_USER_INPUT"


# ------------------------------------------------------------------------------- invoices

INVOICE = f"""{{
    id number kind status overdue issuedAt dueAt paidAt
    lines {{ description quantity unitPrice {MONEY} taxRate total {MONEY} }}
    subtotal {MONEY} tax {MONEY} total {MONEY} account {{ id name }} reference
    creditApplied {MONEY} creditApplicable {MONEY} amountPaid {MONEY} amountDue {MONEY}
    voidedAt voidReason creditNoteNumber gateway {{ code }} payments {{ id }} pdfUrl
    diagnosis {{ stage explanation lastHeardAt nextCheckAt supportUrl }}
}}"""


async def test_an_invoice_is_read_whole() -> None:
    ada = await an_account()
    await give(ada, "4.00")
    order = await an_order(ada, "10.00", reference="PO-7")
    asked = f"query ($id: ID, $number: String) {{ invoice(id: $id, number: $number) {INVOICE} }}"
    read = (await data(asked, client(ada), id=order.public_id))["invoice"]
    assert read == (await data(asked, client(ada), number=order.number))["invoice"]
    assert read["number"] == order.number
    assert read["lines"][0] == {
        "description": "Hosting",
        "quantity": "1",
        "unitPrice": {"amount": "10.00", "currency": "USD", "formatted": "$10.00"},
        "taxRate": "0",
        "total": {"amount": "10.00", "currency": "USD", "formatted": "$10.00"},
    }
    assert (read["kind"], read["status"], read["overdue"]) == ("ORDER", "UNPAID", False)
    assert read["creditApplicable"]["amount"] == "4.00"
    assert read["amountDue"]["amount"] == "10.00"
    assert read["account"] == {"id": ada.public_id, "name": "Ada"}
    assert read["pdfUrl"] == f"https://example.com/{order.public_id}.pdf?locale=en"
    assert read["diagnosis"]["stage"] == "NOT_STARTED"
    assert order.number in read["diagnosis"]["explanation"]
    assert read["diagnosis"]["supportUrl"] == f"https://example.com/help?about={order.number}"


@pytest.mark.parametrize("size", [1, 20])
async def test_a_page_of_invoices_with_lines_takes_three_statements(
    statements: list[str], size: int
) -> None:
    ada = await an_account()
    for _ in range(size):
        await an_order(ada)
    statements.clear()
    asked = f"{{ invoices {{ edges {{ node {{ number lines {{ total {MONEY} }} }} }} {PAGE} }} }}"
    page = (await data(asked, client(ada)))["invoices"]
    assert len(page["edges"]) == page["totalCount"] == size
    assert len(statements) == 3
    statements.clear()
    await data("{ invoices { edges { node { number } } } }", client(ada))
    assert len(statements) == 1


_INVOICE: GraphQLObjectType = SCHEMA.core.type_map["Invoice"]  # type: ignore[assignment]


@pytest.mark.parametrize("field", _INVOICE.fields)
async def test_each_field_of_an_invoice_alone_says_in_a_page_what_it_says_elsewhere(
    field: str,
) -> None:
    """Of a page's invoices only what is asked for is read."""
    ada = await an_account()
    order = await an_order(ada)
    type_ = get_named_type(_INVOICE.fields[field].type)
    below = f"{{ {next(iter(type_.fields))} }}" if isinstance(type_, GraphQLObjectType) else ""
    alone = f'{{ invoice(id: "{order.public_id}") {{ {field} {below} }} }}'
    paged = f"{{ invoices {{ edges {{ node {{ {field} {below} }} }} }} }}"
    expected = (await data(alone, client(ada)))["invoice"]
    page = (await data(paged, client(ada)))["invoices"]
    assert page["edges"] == [{"node": expected}]


async def test_a_page_of_invoices_reads_the_columns_that_it_shows(statements: list[str]) -> None:
    ada = await an_account()
    await an_order(ada)
    statements.clear()
    await data("{ invoices { edges { node { number total { amount } } } } }", client(ada))
    await data("{ invoices { edges { node { ... on Node { id } } } } }", client(ada))
    assert [one.partition(" FROM ")[0] for one in statements] == [
        'SELECT "currency", "id", "number", "total"',
        'SELECT "id"',
    ]


async def test_a_total_in_a_fragment_is_counted() -> None:
    ada = await an_account()
    await an_order(ada)
    asked = """{ invoices { ...Total ... on InvoiceConnection { edges { cursor } } } }
        fragment Total on InvoiceConnection { count: totalCount }"""
    assert (await data(asked, client(ada)))["invoices"]["count"] == 1


async def test_everything_about_many_invoices_takes_no_statement_a_row(
    statements: list[str],
) -> None:
    ada = await an_account()
    counts = []
    for _ in range(2):
        for _ in range(5):
            await an_order(ada)
        statements.clear()
        await data(f"{{ invoices {{ edges {{ node {INVOICE} }} {PAGE} }} }}", client(ada))
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_invoices_are_filtered() -> None:
    ada = await an_account()
    await an_order(ada, reference="PO-7")
    asked = "query ($filter: InvoiceFilter) { invoices(filter: $filter) { totalCount } }"
    for given, total in (
        ({"status": ["UNPAID"]}, 1),
        ({"status": ["PAID"]}, 0),
        ({"kind": "FUNDS"}, 0),
        ({"reference": "PO-7"}, 1),
        ({"reference": "PO-8"}, 0),
        ({"reference": "' OR 1=1"}, 0),
        ({"overdue": True}, 0),
        ({"overdue": False}, 1),
        ({"issuedAfter": "2001-01-01T00:00:00Z", "issuedBefore": "2001-01-02T00:00:00Z"}, 0),
    ):
        read = await data(asked, client(ada), filter=given)
        assert read == {"invoices": {"totalCount": total}}, given


async def test_what_is_not_yours_is_like_what_does_not_exist() -> None:
    ada, bo = await an_account(), await an_account("Bo")
    order = await an_order(ada)
    line = await give(ada, "1.00")
    balance = f"bal_{ada.id.hex}_USD"
    asked = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
    ids = [ada.public_id, order.public_id, line.public_id, balance, "gtw_card"]
    mine = (await data(asked, client(ada), ids=ids))["nodes"]
    assert [node["id"] for node in mine] == ids
    assert [node["__typename"] for node in mine] == [
        *("Account", "Invoice", "CreditTransaction", "Balance", "Gateway")
    ]
    theirs = (await data(asked, client(bo), ids=ids))["nodes"]
    assert theirs[:4] == [None] * 4
    none = [
        "",
        "x",
        "inv_",
        "inv_" + "0" * 32,
        "bal_x_USD",
        f"bal_{ada.id.hex}_ZZZ",
        "gtw_x",
        "usr_1",
    ]
    assert (await data(asked, STAFF, ids=none))["nodes"] == [None] * len(none)
    assert await code(asked, None, ids=ids) == "UNAUTHENTICATED"
    assert await code(asked, STAFF, ids=["x"] * 101) == "BAD_USER_INPUT"


async def test_a_scope_is_asked_for_behind_every_edge() -> None:
    ada = await an_account()
    order = await an_order(ada)
    asked = "query ($id: ID!) { invoice(id: $id) { number account { balance { id } } } }"
    reader = partner("invoices:read")
    assert await code(asked, reader, id=order.public_id) == "FORBIDDEN"
    reader = partner("invoices:read", "accounts:read")
    assert await code(asked, reader, id=order.public_id) == "FORBIDDEN"
    reader = partner("invoices:read", "accounts:read", "credit:read")
    assert (await data(asked, reader, id=order.public_id))["invoice"]["number"] == order.number


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "a\u202eb", "x" * 1_000_000])
@pytest.mark.parametrize(
    "asked",
    [
        "query ($text: String) { accounts(search: $text) { totalCount } }",
        "query ($text: String) { invoices(filter: {reference: $text}) { totalCount } }",
        "query ($text: String) { invoice(number: $text) { id } }",
        "query ($text: String) { invoices(after: $text) { totalCount } }",
    ],
)
async def test_text_that_cannot_be_looked_for_is_bad_input(asked: str, text: str) -> None:
    assert await code(asked, STAFF, text=text) == "BAD_USER_INPUT"


async def test_many_nodes_of_a_kind_are_read_in_one_statement(statements: list[str]) -> None:
    ada = await an_account()
    ids = [(await an_order(ada)).public_id for _ in range(10)]
    statements.clear()
    read = await data("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", client(ada), ids=ids)
    assert [node["id"] for node in read["nodes"]] == ids
    assert len(statements) == 1


# ------------------------------------------------------------------------------- the rest


async def test_accounts_are_searched_by_staff_and_partners() -> None:
    ada, bo = await an_account(), await an_account("Bo", auto_apply_credit=True)
    asked = """query ($search: String) { accounts(search: $search) {
        edges { node { id name email autoApplyCredit spendingFrozen balances { currency } } }
        totalCount } }"""
    everybody = (await data(asked, STAFF))["accounts"]
    assert everybody["totalCount"] == 2
    found = (await data(asked, STAFF, search="BO@"))["accounts"]
    assert [edge["node"]["id"] for edge in found["edges"]] == [bo.public_id]
    assert found["edges"][0]["node"]["balances"] == [{"currency": "USD"}]
    assert (await data(asked, STAFF, search="%"))["accounts"]["totalCount"] == 0
    some = (await data(asked, partner("accounts:read", "credit:read", accounts=[ada])))["accounts"]
    assert some["totalCount"] == 1
    assert await code(asked, client(ada)) == "FORBIDDEN"


async def test_gateways_are_those_that_can_pay_best_first() -> None:
    ada = await an_account()
    asked = """query ($amount: MoneyInput) { gateways(amount: $amount) {
        id code kind name(locale: "ja") currencies minimum(currency: "USD") { amount }
        maximum(currency: "KWD") { amount }
        fee(amount: {amount: "5.00", currency: "USD"}) { amount } } }"""
    ten = {"amount": "10.00", "currency": "USD"}
    read = (await data(asked, client(ada), amount=ten))["gateways"]
    assert [gateway["code"] for gateway in read] == ["bank-transfer", "card"]
    assert read[1]["name"] == "card ja"
    assert read[1]["fee"] == {"amount": "0.30"}
    assert read[1]["minimum"] == {"amount": "5.00"}
    assert read[1]["maximum"] == {"amount": "1000.000"}
    assert read[1]["id"] == "gtw_card"
    for amount in ("4.99", "10000.01", "0", "-5"):
        few = await data(asked, client(ada), amount={"amount": amount, "currency": "USD"})
        assert few == {"gateways": []}
    euros = {"amount": "10", "currency": "EUR"}
    assert await data(asked, client(ada), amount=euros) == {"gateways": []}
    assert len((await data(asked, client(ada)))["gateways"]) == 2
    cents = {"amount": "1.001", "currency": "USD"}
    assert await code(asked, client(ada), amount=cents) == "BAD_USER_INPUT"


async def test_limits_are_the_accounts_currencys_or_the_named_ones() -> None:
    ada = await an_account(currency="JPY")
    asked = """query ($currency: CurrencyCode) { fundsLimits(currency: $currency) {
        minimumDeposit { amount currency } maximumDeposit { amount }
        maximumBalance { amount } } }"""
    own = (await data(asked, client(ada)))["fundsLimits"]
    assert own["minimumDeposit"] == {"amount": "500", "currency": "JPY"}
    dinars = (await data(asked, STAFF, currency="KWD"))["fundsLimits"]
    assert dinars["maximumBalance"] == {"amount": "90.000"}
    assert await code(asked, client(ada), currency="SEK") == "BAD_USER_INPUT"
    assert await code(asked, STAFF) == "BAD_USER_INPUT"


async def test_anybody_reads_the_policy() -> None:
    asked = '{ creditPolicy { version url summary(locale: "ja") refundableInCash } }'
    policy = (await data(asked))["creditPolicy"]
    assert policy["url"] == "https://example.com/policy"
    assert "現金" in policy["summary"]
    assert policy["refundableInCash"] is False


@pytest.mark.parametrize(
    "field",
    [
        *("balance { id }", "accounts { totalCount }", "creditTransactions { totalCount }"),
        *(
            "invoices { totalCount }",
            "gateways { id }",
            "fundsLimits { minimumDeposit { amount } }",
        ),
        *('node(id: "x") { id }', "nodes(ids: []) { id }", 'account(id: "x") { id }'),
        *('invoice(id: "x") { id }', 'invoice(number: "x") { id }'),
    ],
)
async def test_a_stranger_reads_nothing(field: str) -> None:
    assert await code(f"{{ {field} }}") == "UNAUTHENTICATED"


async def test_a_client_is_spoken_to_in_their_language() -> None:
    ada = await an_account(currency="JPY", locale="ja")
    await give(ada, "1235")
    asked = "{ creditTransactions { edges { node { description } } } balance { id } }"
    read = await data(asked, client(ada))
    assert read["creditTransactions"]["edges"][0]["node"]["description"] == "調整：a gift"
    refused = await ask("{ invoices(first: 1, last: 1) { totalCount } }", client(ada))
    assert refused.errors[0].message == "first と last は同時に指定できません。"
