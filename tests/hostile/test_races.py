"""The same money, wanted at once from several servers: two on SQLite, four on PostgreSQL.

The books are audited after each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from models.clock import now
from models.db.record import parse_id
from tests.support.server.actions import HOLD, adding, at_once, order, reserve, reserving
from tests.support.server.api_client import PAYMENT, at_sandbox, new_key
from tests.support.server.live import CREDIT, watching
from tests.support.server.many_servers import (
    SOAK,
    codes,
    everywhere,
    lines,
    open_demo_servers,
    rows,
)
from tests.support.server.people import findings
from tests.support.server.sandbox_messages import captured, message, send, signed
from tests.support.servers import SqliteDatabases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.server.api_client import Answer, Portal
    from tests.support.server.demo_server import DemoServer
    from tests.support.servers import Databases

CROWD = 50
OPEN = {"CREATED", "REQUIRES_ACTION", "PROCESSING"}
again = pytest.mark.usefixtures("again_and_again")


@pytest.fixture(params=range(20 if SOAK else 1), ids=str)
def again_and_again() -> None:
    """Luck has more chances in the long form."""


@pytest.fixture(scope="module")
def open_servers(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[DemoServer]]:
    count = 2 if isinstance(databases, SqliteDatabases) else 4
    # Fifty people have fifty addresses: a proxy says which.
    with open_demo_servers(
        tmp_path_factory.mktemp("servers"), databases, count, TRUSTED_PROXIES="127.0.0.1"
    ) as servers:
        yield servers


@pytest.fixture
def servers(open_servers: list[DemoServer]) -> Iterator[list[DemoServer]]:
    yield open_servers
    assert findings(open_servers[0].database_url) == []


@again
def test_credit_for_one_of_many_invoices_pays_exactly_one(servers: list[DemoServer]) -> None:
    client = servers[0].new_client(credit="20.00")
    places = everywhere(client, servers)
    bills = [order(servers[0].partner, client, "20.00")["invoice"] for _ in range(20)]

    def pay(n: int) -> Answer:
        wish = {"invoiceId": bills[n]["id"], "useCredit": True}
        return places[n % len(places)].attempt("payInvoice", "", **wish)

    refused = codes(at_once(len(bills), pay))
    assert refused == ["INSUFFICIENT_CREDIT"] * 19
    assert sorted(client.invoice(bill)["status"] for bill in bills) == ["PAID"] + ["UNPAID"] * 19
    assert client.available() == "0.00"
    assert lines(client) == [("ADJUSTMENT", "20.00"), ("INVOICE_PAYMENT", "-20.00")]


@again
def test_one_invoice_paid_by_many_clicks_is_paid_once(servers: list[DemoServer]) -> None:
    client = servers[0].new_client(credit="100.00")
    places = everywhere(client, servers)
    bill = order(servers[0].partner, client, "20.00")["invoice"]
    wish = {"invoiceId": bill["id"], "useCredit": True}
    refused = codes(
        at_once(20, lambda n: places[n % len(places)].attempt("payInvoice", "", **wish))
    )
    assert refused == ["INVOICE_NOT_PAYABLE"] * 19
    assert client.available() == "80.00"


@again
def test_one_invoice_paid_by_credit_and_by_its_gateway_at_once_is_paid_once(
    servers: list[DemoServer],
) -> None:
    """The other money becomes credit, whichever comes first."""
    clients = [servers[0].new_client(credit="20.00") for _ in range(8)]
    bills = [order(servers[0].partner, client, "20.00")["invoice"] for client in clients]
    begun = [
        client.begin(bill, gateway="sandbox") for client, bill in zip(clients, bills, strict=True)
    ]

    def pay(n: int) -> int:
        who, server = n // 2, servers[n % len(servers)]
        if n % 2 == 0:
            capture = captured(begun[who], f"cap-{begun[who]['id']}", "20.00")
            return send(server, capture)
        payload = everywhere(clients[who], [server])[0].attempt(
            "payInvoice", "", invoiceId=bills[who]["id"], useCredit=True
        )
        return len(payload["userErrors"])

    outcomes = at_once(2 * len(clients), pay)
    assert outcomes[::2] == [200] * len(clients)
    for client, bill, refused in zip(clients, bills, outcomes[1::2], strict=True):
        paid = client.invoice(bill)
        assert (paid["status"], paid["amountPaid"], paid["amountDue"]) == ("PAID", "20.00", "0.00")
        assert client.available() == "20.00"
        kinds = [("INVOICE_PAYMENT", "-20.00"), ("OVERPAYMENT", "20.00")]
        assert lines(client) == [("ADJUSTMENT", "20.00"), *([] if refused else kinds)]


@again
def test_fifty_accounts_at_once_redeem_a_voucher_once(servers: list[DemoServer]) -> None:
    clients = [servers[0].new_client() for _ in range(CROWD)]
    [code] = servers[0].vouchers("10.00")

    def redeem(n: int) -> Answer:
        server = servers[n % len(servers)]
        there = server.portal({"x-forwarded-for": f"198.51.100.{n}"}, token=clients[n].token)
        return there.attempt("redeemVoucher", "", code=code)

    assert codes(at_once(CROWD, redeem)) == ["VOUCHER_REFUSED"] * (CROWD - 1)
    amounts = sorted(client.available() for client in clients)
    assert amounts == ["0.00"] * (CROWD - 1) + ["10.00"]


# ------------------------------------------------------------------------------- holds


@again
def test_credit_that_is_reserved_and_spent_at_once_is_there_once(servers: list[DemoServer]) -> None:
    client = servers[0].new_client(credit="20.00")
    places = everywhere(client, servers)
    holders = [server.portal(token=servers[0].partner.token) for server in servers]
    bills = [order(servers[0].partner, client, "8.00")["invoice"] for _ in range(10)]

    def want(n: int) -> Answer:
        if n % 2:
            wish = {"invoiceId": bills[n // 2]["id"], "useCredit": True}
            return places[n % len(places)].attempt("payInvoice", "", **wish)
        holder = holders[n % len(holders)]
        return holder.attempt("reserveCredit", HOLD, **reserving(client, "8.00"))

    answers = at_once(20, want)
    assert codes(answers) == ["INSUFFICIENT_CREDIT"] * 18
    held = [answer["hold"] for answer in answers[::2] if answer["hold"]]
    balance = client.balance()
    assert (balance["available"], balance["reserved"]) == ("4.00", f"{8 * len(held)}.00")
    assert len(lines(client)) == 1 + 2 - len(held)


@again
@pytest.mark.parametrize("keep", [True, False], ids=["in parts", "whole"])
def test_a_hold_that_everybody_wants_at_once_is_spent_once(
    servers: list[DemoServer], *, keep: bool
) -> None:
    """Captured, released and extended; and the credit that it leaves is spent at once."""
    client = servers[0].new_client(credit="30.00")
    partner = servers[0].partner
    hold = reserve(partner, client, "20.00")["hold"]["id"]
    bill = order(partner, client, "15.00")["invoice"]
    holders = [server.portal(token=partner.token) for server in servers]
    later = reserving(client, "1.00", 7200)["expiresAt"]
    capture = ("captureHold", {"holdId": hold, "amount": "6.00", "keepRest": keep})
    asks: list[tuple[str, Answer]] = [capture] * 12
    asks += [("extendHold", {"holdId": hold, "expiresAt": later})] * 4
    asks += [] if keep else [("releaseHold", {"holdId": hold})] * 4
    asks += [("payInvoice", {"invoiceId": bill["id"], "useCredit": True})] * 4

    def ask(n: int) -> tuple[str, list[str]]:
        mutation, given = asks[n * 7 % len(asks)]
        there = everywhere(client, [servers[n % len(servers)]])[0]
        who = there if mutation == "payInvoice" else holders[n % len(holders)]
        return mutation, codes([who.attempt(mutation, "", **given)])

    done = at_once(len(asks), ask)
    captures = [refused for mutation, refused in done if mutation == "captureHold"]
    ended = [refused for mutation, refused in done if mutation in {"captureHold", "releaseHold"}]
    billed, released = captures.count([]), (ended.count([]) - captures.count([]))
    if keep:
        assert billed == 3
        assert captures.count(["AMOUNT_OUT_OF_RANGE"]) == 9
    else:
        assert billed + released == 1
        assert ended.count(["HOLD_NOT_OPEN"]) == len(ended) - 1
    paid = client.invoice(bill)["status"] == "PAID"
    balance, left = client.balance(), 20 - 6 * billed if keep else 0
    spent = 6 * billed + 15 * paid
    assert (balance["reserved"], balance["available"]) == (
        f"{left}.00",
        f"{30 - left - spent}.00",
    )
    assert sum(kind == "INVOICE_PAYMENT" for kind, _ in lines(client)) == billed + paid


@again
def test_a_hold_that_expires_while_it_is_captured_ends_once(servers: list[DemoServer]) -> None:
    """Each server's worker looks for what has expired, and nobody waits for it."""
    partner = servers[0].partner
    clients = [servers[0].new_client(credit="20.00") for _ in range(6)]
    holds = [reserve(partner, client, "20.00")["hold"]["id"] for client in clients]
    statement = "UPDATE reservation SET expires_at = $1 WHERE id IN ({}) RETURNING id"
    ids = [parse_id("hld", hold) for hold in holds]
    soon = now() + timedelta(milliseconds=300)
    marks = ", ".join(f"${n}" for n in range(2, len(ids) + 2))
    assert len(rows(servers[0].database_url, statement.format(marks), soon, *ids)) == len(ids)

    def capture(n: int) -> list[str]:
        """Until it is over."""
        holder = servers[n % len(servers)].portal(token=partner.token)
        given = {"holdId": holds[n % len(holds)], "amount": "0.01", "keepRest": True}
        refused: list[str] = []
        while not refused:
            refused = codes([holder.attempt("captureHold", "", **given)])
        return refused

    assert at_once(2 * len(holds), capture) == [["HOLD_NOT_OPEN"]] * 2 * len(holds)
    for client, hold in zip(clients, holds, strict=True):
        with watching(client, CREDIT) as pushed:
            while pushed()["balance"]["reserved"] != "0.00":
                pass
        asked = "query ($id: ID!) { node(id: $id) { ... on Hold { state captured { amount } } } }"
        found = partner.ask(asked, id=hold)["node"]
        assert found["state"] == "EXPIRED"
        billed = [amount for kind, amount in lines(client) if kind == "INVOICE_PAYMENT"]
        assert billed == ["-0.01"] * round(float(found["captured"]) * 100)
        assert float(client.available()) == pytest.approx(20 - float(found["captured"]))


# ------------------------------------------------------------------------------- budgets


@again
def test_a_keys_budget_is_not_exceeded_by_all_servers_together(servers: list[DemoServer]) -> None:
    """Clients' credit would do for all; ten of $5.00 are within the day's budget. Each is asked for
    twice with one key, at two servers, and counts once.
    """
    clients = [servers[0].new_client(credit="100.00") for _ in range(4)]
    made = servers[0].staff.do(
        "createApiKey",
        "token apiKey { id }",
        partner="Budget shop",
        name="till",
        scopes=["credit:hold", "invoices:write", "funds:write"],
        allAccounts=True,
        dailyBudget=[clients[0].money("50.00")],
        paymentBudget=[clients[0].money("5.00")],
    )
    tills = [server.portal(token=made["token"]) for server in servers]
    partner = servers[0].partner
    asks: list[tuple[str, Answer]] = []
    for n in range(24):
        client = clients[n % len(clients)]
        if n % 3 == 2:
            asks.append(("reserveCredit", reserving(client, "5.00")))
            continue
        bill = order(partner, client, "5.00")["invoice"]["id"]
        asks.append(("payInvoice", {"invoiceId": bill, "useCredit": True}))
    keyed = [(name, given | {"idempotencyKey": new_key()}) for name, given in asks]

    def ask(n: int) -> list[str]:
        """Until it is answered, as whoever is told to try again does."""
        name, given = keyed[n // 2]
        till = tills[(n // 2 + n) % len(tills)]
        refused = ["IDEMPOTENCY_IN_FLIGHT"]
        while refused == ["IDEMPOTENCY_IN_FLIGHT"]:
            refused = codes([till.attempt(name, "", **given)])
        return refused

    answers = at_once(2 * len(keyed), ask)
    assert answers[::2] == answers[1::2]
    assert sorted(answers[::2]) == [[]] * 10 + [["NOT_ALLOWED"]] * 14
    spent = [100 - float(client.balance()["available"]) for client in clients]
    assert sum(spent) == 50
    key_id = parse_id("key", made["apiKey"]["id"])
    statement = "SELECT spent FROM key_spending WHERE line_id = $1"
    counted = rows(servers[0].database_url, statement, key_id)
    assert [row["spent"] for row in counted] == [5000]
    # Others spend as before.
    order(partner, clients[0], "7.00")


# ------------------------------------------------------------------------------- several


@again
def test_credit_for_invoices_that_overlap_pays_each_of_them_once(servers: list[DemoServer]) -> None:
    """Together, in pairs and alone, and one of them is voided meanwhile."""
    client, partner = servers[0].new_client(credit="50.00"), servers[0].partner
    bills = [order(partner, client, "10.00")["invoice"] for _ in range(4)]
    ids = [bill["id"] for bill in bills]
    places = everywhere(client, servers)
    sellers = [server.portal(token=partner.token) for server in servers]
    pairs = [[ids[0], ids[1]], [ids[1], ids[2]], [ids[2], ids[0]], ids]
    asks: list[tuple[str, Answer]] = [
        ("payInvoices", {"invoiceIds": pair, "useCredit": True}) for pair in pairs * 3
    ]
    asks += [("payInvoice", {"invoiceId": id, "useCredit": True}) for id in ids]
    asks += [("voidInvoice", {"invoiceId": ids[3], "reason": "Ordered twice"})] * 4

    def ask(n: int) -> tuple[str, list[str]]:
        mutation, given = asks[n * 7 % len(asks)]
        there = (sellers if mutation == "voidInvoice" else places)[n % len(servers)]
        return mutation, codes([there.attempt(mutation, "", **given)])

    done = at_once(len(asks), ask)
    refused = {code for _, some in done for code in some}
    assert refused <= {"INVOICE_NOT_PAYABLE", "INVOICE_NOT_VOIDABLE"}
    assert [some for name, some in done if name == "voidInvoice"].count([]) == 1
    assert [client.invoice(bill)["status"] for bill in bills] == ["PAID"] * 3 + ["VOID"]
    assert client.available() == "20.00"
    kinds = [kind for kind, _ in lines(client)]
    given_back = kinds.count("INVOICE_PAYMENT_RETURNED")
    assert kinds.count("INVOICE_PAYMENT") == 3 + given_back


@again
def test_payments_for_invoices_that_overlap_leave_one_that_waits_for_each(
    servers: list[DemoServer],
) -> None:
    client, partner = servers[0].new_client(credit="5.00"), servers[0].partner
    ids = [order(partner, client, "10.00")["invoice"]["id"] for _ in range(3)]
    places = everywhere(client, servers)
    asks: list[tuple[str, Answer]] = [
        ("payInvoices", {"invoiceIds": [ids[0], ids[1]], "useCredit": True}),
        ("payInvoices", {"invoiceIds": [ids[1], ids[2]]}),
        ("payInvoices", {"invoiceIds": ids, "useCredit": True}),
        ("payInvoice", {"invoiceId": ids[1], "useCredit": True}),
    ] * 4

    def ask(n: int) -> list[str]:
        mutation, given = asks[n * 3 % len(asks)]
        there = places[n % len(places)]
        return codes([there.attempt(mutation, "", gateway="sandbox", **given)])

    outcomes = at_once(len(asks), ask)
    assert [] in outcomes
    assert {code for some in outcomes for code in some} <= {"PAYMENT_IN_PROGRESS"}
    waits = [
        [one for one in client.invoice({"id": id})["payments"] if one["status"] in OPEN]
        for id in ids
    ]
    assert all(len(its) <= 1 for its in waits)
    balance = client.balance()
    assert (balance["available"], balance["reserved"]) in {("5.00", "0.00"), ("0.00", "5.00")}


@again
@pytest.mark.parametrize("voided", [True, False], ids=["voided", "all"])
def test_one_capture_for_several_is_booked_once_whatever_pays_them_meanwhile(
    servers: list[DemoServer], *, voided: bool
) -> None:
    """It is told everywhere, in two parts; credit pays two of them, and one is voided."""
    client, partner = servers[0].new_client(credit="25.00"), servers[0].partner
    bills = [order(partner, client, "10.00")["invoice"] for _ in range(3)]
    ids = [bill["id"] for bill in bills]
    made = client.do("payInvoices", PAYMENT, invoiceIds=ids, gateway="sandbox")["payment"]
    parts = [captured(made, f"{made['id']}-{n}", "15.00") for n in range(2)]
    by_credit: Answer = {"invoiceIds": ids[1:], "useCredit": True}
    work: list[Callable[[], object]] = []
    for server, place in zip(servers, everywhere(client, servers), strict=True):
        seller = server.portal(token=partner.token)
        work += [partial(send, server, part) for part in parts * 2]
        work += [partial(place.attempt, "payInvoices", "", **by_credit)]
        work += [partial(place.attempt, "payInvoice", "", invoiceId=ids[0], useCredit=True)]
        gone = {"invoiceId": ids[2], "reason": "Ordered twice"}
        work += [partial(seller.attempt, "voidInvoice", "", **gone)] * voided
    at_once(len(work), lambda n: work[n * 5 % len(work)]())
    if voided:
        partner.attempt("voidInvoice", "", invoiceId=ids[2], reason="Ordered twice")
    found = [client.invoice(bill) for bill in bills]
    assert [one["status"] for one in found] == ["PAID"] * 2 + ["VOID" if voided else "PAID"]
    [told] = [one for one in found[0]["payments"] if one["id"] == made["id"]]
    assert (told["status"], told["received"]) == ("SUCCEEDED", "30.00")
    balance = client.balance()
    assert (balance["reserved"], balance["debt"]) == ("0.00", "0.00")
    assert balance["available"] == ("35.00" if voided else "25.00")


# ------------------------------------------------------------------------------- one key


@dataclass(frozen=True)
class Scene:
    """A client with credit, two orders of theirs and a payment that has begun."""

    server: DemoServer
    client: Portal
    bill: Answer
    second: Answer
    begun: Answer
    hold: str


@dataclass(frozen=True)
class Click:
    """A mutation: who sends it, with what, and what it made."""

    mutation: str
    given: Callable[[Scene], Answer]
    made: str
    who: str = "client"
    lines: int = 1
    "Of the statement, at most."


CLICKS = [
    Click("addFunds", lambda scene: adding(scene.client, "") | {}, "invoice { id number }"),
    Click(
        "payInvoice",
        lambda scene: {"invoiceId": scene.bill["id"], "useCredit": True},
        "invoice { id status }",
    ),
    Click(
        "payInvoice",
        lambda scene: {"invoiceId": scene.bill["id"], "gateway": "sandbox"},
        "payment { id status nextAction { ... on RedirectAction { url } } }",
    ),
    Click(
        "payInvoice",
        lambda scene: {
            "invoiceId": scene.bill["id"],
            "useCredit": True,
            "creditLimit": "5.00",
            "gateway": "sandbox",
        },
        "payment { id amount { amount } }",
    ),
    Click(
        "payInvoices",
        lambda scene: {"invoiceIds": [scene.bill["id"], scene.second["id"]], "useCredit": True},
        "invoices { id status }",
        lines=2,
    ),
    Click(
        "payInvoices",
        lambda scene: {
            "invoiceIds": [scene.bill["id"], scene.second["id"]],
            "useCredit": True,
            "creditLimit": "5.00",
            "gateway": "sandbox",
        },
        "payment { id status allocations { invoice { id } amount { amount } } }",
    ),
    Click("cancelPayment", lambda scene: {"paymentId": scene.begun["id"]}, "payment { id status }"),
    Click(
        "redeemVoucher",
        lambda scene: {"code": scene.server.vouchers("10.00")[0]},
        "transaction { id version }",
    ),
    Click(
        "createInvoice",
        lambda scene: {
            "accountId": scene.client.account_id,
            "currency": "USD",
            "lines": [{"description": "Virtual server", "unitPrice": "20.00"}],
            "applyCredit": True,
        },
        "invoice { id number status }",
        who="partner",
    ),
    Click(
        "voidInvoice",
        lambda scene: {"invoiceId": scene.bill["id"], "reason": "Ordered twice"},
        "invoice { id status }",
        who="partner",
    ),
    Click(
        "reserveCredit",
        lambda scene: reserving(scene.client, "20.00"),
        "hold { id state } balance { reserved { amount } }",
        who="partner",
    ),
    Click(
        "extendHold",
        lambda scene: {
            "holdId": scene.hold,
            "expiresAt": reserving(scene.client, "1.00", 7200)["expiresAt"],
        },
        "hold { id expiresAt }",
        who="partner",
    ),
    Click(
        "captureHold",
        lambda scene: {"holdId": scene.hold, "amount": "2.00", "keepRest": True},
        "hold { id captured { amount } } invoice { id number }",
        who="partner",
    ),
    Click(
        "releaseHold",
        lambda scene: {"holdId": scene.hold},
        "hold { id state endedAt }",
        who="partner",
    ),
    Click(
        "adjustCredit",
        lambda scene: {
            "accountId": scene.client.account_id,
            "amount": scene.client.money("7.00"),
            "reason": "Goodwill",
        },
        "transaction { id version }",
        who="staff",
    ),
    Click(
        "issueVouchers",
        lambda scene: {"amount": scene.client.money("1.00"), "count": 2},
        "codes",
        who="staff",
    ),
]


@pytest.mark.parametrize("click", CLICKS, ids=lambda click: f"{click.mutation}-{click.made[:7]}")
def test_one_key_fifty_times_at_once_has_one_effect_and_one_answer(
    servers: list[DemoServer], click: Click
) -> None:
    client = servers[0].new_client(credit="50.00")
    bill, second = (order(servers[0].partner, client, "20.00")["invoice"] for _ in range(2))
    begun = client.begin(client.add_funds("25.00"))
    hold = reserve(servers[0].partner, client, "5.00")["hold"]["id"]
    before = _seen(client)
    people = {
        "client": everywhere(client, servers),
        "staff": [server.portal(token=servers[0].staff.token) for server in servers],
        "partner": [server.portal(token=servers[0].partner.token) for server in servers],
    }[click.who]
    given = click.given(Scene(servers[0], client, bill, second, begun, hold))
    given["idempotencyKey"] = f"fifty-{client.account_id}"

    def press(n: int) -> Answer:
        return people[n % len(people)].do(click.mutation, click.made, **given)

    first, *others = at_once(CROWD, press)
    assert all(answer == first for answer in others)
    after = _seen(client)
    if click.mutation not in {"cancelPayment", "issueVouchers", "extendHold"}:
        assert after != before
    # One change, however often it was asked for.
    assert after["lines"] - before["lines"] in {0, click.lines}
    assert after["invoices"] - before["invoices"] in {0, 1}
    assert after["payments"] - before["payments"] in {0, 1}
    assert press(1) == first
    assert _seen(client) == after


def _seen(client: Portal) -> dict[str, Any]:
    invoices = client.ask("{ invoices { edges { node { id status payments { id } } } } }")
    found = [edge["node"] for edge in invoices["invoices"]["edges"]]
    return {
        "lines": len(lines(client)),
        "invoices": len(found),
        "payments": len({one["id"] for invoice in found for one in invoice["payments"]}),
        "statuses": sorted(invoice["status"] for invoice in found),
        "balance": client.balance(),
    }


# ------------------------------------------------------------------------------- one webhook


@again
@pytest.mark.parametrize("one_id", [True, False], ids=["one id", "fifty ids"])
def test_one_capture_told_fifty_times_at_once_is_one_deposit(
    servers: list[DemoServer], *, one_id: bool
) -> None:
    client = servers[0].new_client()
    payment = client.begin(client.add_funds("25.00"))
    body = captured(payment, f"cap-{payment['id']}")
    same = signed(body)

    def tell(n: int) -> int:
        return send(servers[n % len(servers)], body, same if one_id else None)

    assert at_once(CROWD, tell) == [200] * CROWD
    assert lines(client) == [("DEPOSIT", "25.00")]


def test_a_refund_told_fifty_times_at_once_is_taken_once_and_never_beyond_what_was_captured(
    servers: list[DemoServer],
) -> None:
    client = servers[0].new_client()
    payment = client.deposit("25.00")
    bill = order(servers[0].partner, client, "20.00", applyCredit=True)["invoice"]
    assert bill["status"] == "PAID"
    capture = f"cap-of-{payment['id']}"

    def refund(reference: str, amount: str) -> bytes:
        money = {"amount": amount, "currency": "USD"}
        return message("payment.refunded", payment, capture=capture, refund=reference, **money)

    body = refund(f"ref-{payment['id']}", "15.00")
    assert at_once(CROWD, lambda n: send(servers[n % len(servers)], body)) == [200] * CROWD
    balance = client.balance()
    assert (balance["available"], balance["debt"]) == ("0.00", "10.00")
    # More than is left: no more than was captured ever goes back.
    assert send(servers[-1], refund(f"more-{payment['id']}", "25.00")) == 200
    balance = client.balance()
    assert (balance["available"], balance["debt"]) == ("0.00", "20.00")
    reversed_lines = [line for line in client.statement() if line["kind"] == "DEPOSIT_REVERSED"]
    assert len(reversed_lines) == 2


def test_everything_at_once_adds_up(servers: list[DemoServer]) -> None:
    clients = [servers[0].new_client(credit="30.00") for _ in range(4)]
    work: list[Callable[[], object]] = []
    for client in clients:
        there = everywhere(client, servers)
        deposit = client.begin(client.add_funds("25.00"))
        split = order(servers[0].partner, client, "20.00")["invoice"]
        how = {"useCredit": True, "creditLimit": "5.00", "gateway": "sandbox"}
        part = client.begin(split, **how)
        plain = order(servers[0].partner, client, "10.00")["invoice"]
        [code] = servers[0].vouchers("10.00")
        wish = {"invoiceId": plain["id"], "useCredit": True}
        gone = {"invoiceId": plain["id"], "reason": "Ordered twice"}
        for place, server in zip(there, servers, strict=True):
            seller = server.portal(token=servers[0].partner.token)
            work += [
                partial(send, server, captured(deposit, f"cap-{deposit['id']}")),
                partial(send, server, captured(part, f"cap-{part['id']}", "15.00")),
                partial(place.attempt, "redeemVoucher", "", code=code),
                partial(place.attempt, "payInvoice", "", **wish),
                partial(seller.attempt, "voidInvoice", "", **gone),
                partial(at_sandbox, deposit, "approve"),
            ]
    at_once(len(work), lambda n: _tried(work[n]))
    for client in clients:
        lines(client)
        balance = client.balance()
        assert balance["reserved"] == "0.00"
        assert balance["debt"] == "0.00"
        # Given, deposited once or twice (the sandbox captures under an id of its own), redeemed;
        # less what the split used, and the order that was paid and given back, or never paid.
        assert balance["available"] in {"60.00", "85.00"}


def _tried(work: Callable[[], object]) -> None:
    try:
        work()
    except AssertionError as error:
        # The sandbox says 409 where its payment has ended meanwhile.
        assert "isn't possible" in str(error)  # noqa: PT017 - another thread's
