"""What is not a good request: 4xx or a user error with a code, never a 5xx, and nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.server.api_client import ERRORS, Answer, Portal

if TYPE_CHECKING:
    from tests.support.server.demo_server import DemoServer

pytestmark = pytest.mark.once

KEY = {"idempotencyKey": "bad-input"}
FUNDS = {"gateway": "sandbox", "acceptedPolicyVersion": "2026-01", **KEY}
NONE = "_" + "0" * 32


def funds(amount: object, currency: object = "USD", **more: object) -> dict[str, object]:
    return {"amount": {"amount": amount, "currency": currency}, **FUNDS, **more}


def books(client: Portal) -> Answer:
    """All that must not change."""
    return client.ask(
        """{ balance { version available { amount } reserved { amount } pending { amount } }
             invoices { totalCount } creditTransactions { totalCount } }"""
    )


#: Who asks, the mutation, its input, the code of the user error and its field.
REFUSED: list[tuple[str, str, dict[str, Any], str, list[str] | None]] = [
    ("client", "addFunds", funds("0"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
    ("client", "addFunds", funds("-25.00"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
    ("client", "addFunds", funds("4.99"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
    ("client", "addFunds", funds("999999999"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
    ("client", "addFunds", funds("25.001"), "AMOUNT_PRECISION", ["amount", "amount"]),
    ("client", "addFunds", funds("25", "EUR"), "CURRENCY_NOT_SUPPORTED", ["amount", "currency"]),
    ("client", "addFunds", funds("25", "ZZZ"), "CURRENCY_NOT_SUPPORTED", ["amount", "currency"]),
    ("client", "addFunds", funds("25", gateway="cash"), "GATEWAY_NOT_AVAILABLE", ["gateway"]),
    ("client", "addFunds", funds("25", gateway=""), "GATEWAY_NOT_AVAILABLE", ["gateway"]),
    (
        "client",
        "addFunds",
        funds("25", acceptedPolicyVersion="1999-01"),
        "POLICY_NOT_ACCEPTED",
        ["acceptedPolicyVersion"],
    ),
    ("client", "addFunds", funds("25", idempotencyKey=""), "INVALID", ["idempotencyKey"]),
    ("client", "addFunds", funds("25", idempotencyKey="k" * 256), "INVALID", ["idempotencyKey"]),
    ("client", "addFunds", funds("25", idempotencyKey="ключ"), "INVALID", ["idempotencyKey"]),
    ("client", "payInvoice", {"invoiceId": "inv" + NONE, **KEY}, "NOT_FOUND", ["invoiceId"]),
    ("client", "payInvoice", {"invoiceId": "", **KEY}, "NOT_FOUND", ["invoiceId"]),
    ("client", "payInvoice", {"invoiceId": "'; --", **KEY}, "NOT_FOUND", ["invoiceId"]),
    ("client", "recheckPayment", {"paymentId": "pay" + NONE}, "NOT_FOUND", ["paymentId"]),
    ("client", "cancelPayment", {"paymentId": "\x00", **KEY}, "NOT_FOUND", ["paymentId"]),
    ("client", "redeemVoucher", {"code": "😀", **KEY}, "VOUCHER_REFUSED", ["code"]),
    ("client", "updateAccount", {"locale": "nonsense!", **KEY}, "INVALID", ["locale"]),
    ("client", "updateAccount", {"name": " ", **KEY}, "INVALID", ["name"]),
    (
        "staff",
        "adjustCredit",
        {
            "accountId": "acc" + NONE,
            "amount": {"amount": "1", "currency": "USD"},
            "reason": "r",
            **KEY,
        },
        "NOT_FOUND",
        ["accountId"],
    ),
    (
        "staff",
        "issueVouchers",
        {"count": 0, "amount": {"amount": "1", "currency": "USD"}, **KEY},
        "INVALID",
        ["count"],
    ),
    (
        "staff",
        "createAccount",
        {"name": "A", "email": "none", "currency": "USD", **KEY},
        "INVALID",
        ["email"],
    ),
]


@pytest.mark.parametrize(
    ("who", "mutation", "given", "code", "field"),
    REFUSED,
    ids=[f"{mutation}-{code}-{n}" for n, (_, mutation, _, code, _) in enumerate(REFUSED)],
)
def test_what_a_rule_refuses_is_told_at_its_field(
    *,
    server: DemoServer,
    client: Portal,
    who: str,
    mutation: str,
    given: dict[str, Any],
    code: str,
    field: list[str] | None,
) -> None:
    before = books(client)
    asking = {"client": client, "staff": server.staff}[who]
    refused = asking.refusal(mutation, **given)
    assert (refused["code"], refused["field"]) == (code, field)
    assert books(client) == before


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1e3", "USD"),
        ("NaN", "USD"),
        ("Infinity", "USD"),
        ("25,00", "USD"),
        ("+25", "USD"),
        (" 25", "USD"),
        ("", "USD"),
        ("٢٥", "USD"),
        ("0x19", "USD"),
        ("9" * 16, "USD"),
        ("0." + "1" * 10, "USD"),
        ("9" * 100_000, "USD"),
        (25, "USD"),
        (25.0, "USD"),
        (None, "USD"),
        ([], "USD"),
        ({}, "USD"),
        ("25", "usd"),
        ("25", "US"),
        ("25", "USDT"),
        ("25", "$"),
        ("25", 840),
        ("25", None),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_cannot_be_read_is_bad_input(client: Portal, amount: object, currency: object) -> None:
    before = books(client)
    document = f"mutation ($i: AddFundsInput!) {{ addFunds(input: $i) {{ {ERRORS} }} }}"
    assert client.error(document, i=funds(amount, currency)) == "BAD_USER_INPUT"
    assert books(client) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'[{"query": "{viewer{role}}"}]',
        b'{"query": 5}',
        b'{"query": ""}',
        b'{"query": "{"}',
        b'{"query": "{ nothing }"}',
        b'{"query": "{ viewer { role } }", "variables": "x"}',
        b'{"query": "{ viewer { role } }", "operationName": "Nobody"}',
        b'{"query": "subscription { creditUpdated { balance { version } } }"}',
        b'{"query": "\xff"}',
        b'{"query": "{ viewer { role } }", "variables": ' + b"[" * 50_000 + b"}",
        b'{"query": "' + b"{a" * 20_000 + b'"}',
    ],
    ids=lambda body: body[:40].decode(errors="replace") or "empty",
)
def test_a_body_that_is_no_request_is_4xx(client: Portal, body: bytes) -> None:
    headers = {"content-type": "application/json", **client.headers}
    response = client.http.post(f"{client.url}/graphql", content=body, headers=headers)
    assert 400 <= response.status_code < 500
    assert response.json()["errors"][0]["extensions"]["code"]


def test_other_ways_to_ask_are_4xx(client: Portal) -> None:
    url, good = f"{client.url}/graphql", '{"query": "{ viewer { role } }"}'
    ask = client.http.request
    assert ask("GET", url, params={"query": "{ viewer { role } }"}).status_code == 405
    assert ask("DELETE", url).status_code == 405
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = ask("POST", url, content=good, headers={"content-type": content_type})
        assert response.status_code == 415
    huge = {"query": "{ viewer { role } }", "variables": {"x": "y" * 1_100_000}}
    assert ask("POST", url, json=huge).status_code == 413


ROWS = "(first: 100) { edges { node { id lines { description quantity total { amount } } } } }"


@pytest.mark.parametrize(
    "document",
    [
        "{ " + " ".join(f"a{n}: viewer {{ role }}" for n in range(100)) + " }",
        "{ viewer { role } }" + " " * 70_000,
        "{ invoices { edges { node "
        + "{ payments { invoice " * 8
        + "{ id }"
        + " } }" * 8
        + " } } }",
        "mutation { "
        + " ".join(f"a{n}: signOut {{ userErrors {{ code }} }}" for n in range(50))
        + "}",
        "{ " + " ".join(f"a{n}: invoices{ROWS}" for n in range(20)) + " }",
    ],
    ids=["aliases", "long", "deep", "mutations", "dear"],
)
def test_no_document_costs_more_than_its_limit(client: Portal, document: str) -> None:
    assert client.error(document) == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("first: -1", None),
        ("first: 101", None),
        ("first: 1, last: 1", None),
        ('after: "nonsense"', None),
        ('after: "AAAA"', None),
        ("first: 99999999999", "BAD_USER_INPUT"),
        ('filter: { issuedAfter: "yesterday" }', "BAD_USER_INPUT"),
        ("filter: { status: [LOST] }", "BAD_USER_INPUT"),
    ],
)
def test_a_page_that_there_cannot_be_is_an_error(
    client: Portal, arguments: str, code: str | None
) -> None:
    given = client.error(f"{{ invoices({arguments}) {{ totalCount }} }}")
    assert given != "INTERNAL"
    assert code is None or given == code


@pytest.mark.parametrize("path", ["/nothing", "/documents/x", "/sandbox/pay/x", "/%00"])
def test_what_is_not_there_is_not_there(client: Portal, path: str) -> None:
    assert client.http.get(f"{client.url}{path}").status_code in {404, 405}
