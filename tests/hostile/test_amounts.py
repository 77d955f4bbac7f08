"""Amounts that are none, in every place that takes one: refused with a code, and nothing moved."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.support.access.callers import PopulatedServer
from tests.support.providers import key

ERRORS: Final = "{ userErrors { code field } }"

#: Places for a decimal: who writes there, and the mutation with `%s` where it stands.
PLACES: Final = {
    "addFunds": (
        "client",
        (
            'addFunds(input: {amount: {amount: %s, currency: "USD"}, gateway: "sandbox",'
            ' acceptedPolicyVersion: "2026-01", idempotencyKey: $key})'
        ),
    ),
    "payInvoice.creditLimit": (
        "client",
        (
            "payInvoice(input: {invoiceId: $target, useCredit: true, creditLimit: %s,"
            ' gateway: "sandbox", idempotencyKey: $key})'
        ),
    ),
    "payInvoice.amount": (
        "client",
        (
            "payInvoice(input: {invoiceId: $target, amount: %s,"
            ' gateway: "sandbox", idempotencyKey: $key})'
        ),
    ),
    "createInvoice.unitPrice": (
        "partner",
        (
            'createInvoice(input: {accountId: $account, currency: "USD", idempotencyKey: $key,'
            ' lines: [{description: "x", unitPrice: %s}]})'
        ),
    ),
    "createInvoice.quantity": (
        "partner",
        (
            'createInvoice(input: {accountId: $account, currency: "USD", idempotencyKey: $key,'
            ' lines: [{description: "x", unitPrice: "1.00", quantity: %s}]})'
        ),
    ),
    "createInvoice.taxRate": (
        "partner",
        (
            'createInvoice(input: {accountId: $account, currency: "USD", idempotencyKey: $key,'
            ' lines: [{description: "x", unitPrice: "1.00", taxRate: %s}]})'
        ),
    ),
    "reserveCredit": (
        "partner",
        (
            'reserveCredit(input: {accountId: $account, amount: {amount: %s, currency: "USD"},'
            ' expiresAt: "2099-01-01T00:00:00Z", reference: "x", description: "x",'
            " idempotencyKey: $key})"
        ),
    ),
    "captureHold": (
        "partner",
        "captureHold(input: {holdId: $hold, amount: %s, keepRest: true, idempotencyKey: $key})",
    ),
    "adjustCredit": (
        "staff",
        (
            'adjustCredit(input: {accountId: $account, amount: {amount: %s, currency: "USD"},'
            ' reason: "x", idempotencyKey: $key})'
        ),
    ),
    "issueVouchers": (
        "staff",
        'issueVouchers(input: {amount: {amount: %s, currency: "USD"}, idempotencyKey: $key})',
    ),
    "recordBankTransfer": (
        "staff",
        (
            'recordBankTransfer(input: {reference: $reference, bankAccount: "DE1",'
            " bankTransactionId: $key, idempotencyKey: $key,"
            ' amount: {amount: %s, currency: "USD"}})'
        ),
    ),
}

#: What cannot be read as a decimal, as a variable and written into the document.
UNREADABLE: Final[tuple[Any, ...]] = (
    *("NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "inf", "1e400", "1e3", "1E+1000000"),
    *("", "-", ".", "5.", ".5", "00", "05.00", "--5", "+5", " 5 ", "5\n", "5\x00", "\u00a05"),
    *("1_000", "1,000.00", "5,00", "$5", "0x5", "0b1", "5%", "1/2", "⁵", "٣", "１２.５", "५.००"),
    *("9" * 16, "9" * 5000, "0." + "1" * 10, "0." + "0" * 5000 + "1", "1" + "e9" * 1000),
    *(5, 5.0, 1e308, True, [], ["5.00", "5.00"], {}, {"amount": "5.00"}),
)
LITERALS: Final = (
    "5",
    "5.0",
    "1e400",
    "-1e400",
    "9" * 400,
    "true",
    "NaN",
    "Infinity",
    "{}",
    "$key",
)

#: What is a decimal, and no amount of dollars anywhere: more decimals, or more than fits.
NEVER: Final = ("5.001", "0.001", "0.000000001", "999999999999999", "-999999999999999")
#: And what is nothing, or less.
NOT_POSITIVE: Final = ("0", "-0", "0.00", "-0.00", "-5.00", "-0.01")

#: Which of the readable ones a place takes after all, by rule.
TAKEN: Final = {
    # A limit on credit may be larger than all credit, and zero.
    "payInvoice.creditLimit": {"999999999999999", "0", "-0", "0.00", "-0.00"},
    # Prices have up to six decimals; what they come to is money.
    "createInvoice.unitPrice": {"5.001"},
    # Quantities and rates are no money.
    "createInvoice.quantity": {"5.001", "0.001", "0.000000001"},
    "createInvoice.taxRate": {"0.001", "0.000000001", "0", "-0", "0.00", "-0.00"},
    # Staff take credit away, too.
    "adjustCredit": {"-5.00", "-0.01"},
}

CODES: Final = {
    *("AMOUNT_OUT_OF_RANGE", "AMOUNT_PRECISION", "INVALID", "BALANCE_LIMIT_EXCEEDED"),
    *("INSUFFICIENT_CREDIT",),
}


async def asked(populated: PopulatedServer, place: str, written: str, **variables: object) -> Any:
    """The answer to a mutation with that text where the amount stands."""
    who, mutation = PLACES[place]
    given: dict[str, object] = {
        "key": key(),
        "account": populated.ids["account"],
        "target": populated.ids["order"],
        "reference": populated.ids["reference"],
        "hold": populated.ids["hold"],
        **variables,
    }
    types = {"key": "String!", "account": "ID!", "target": "ID!", "reference": "String!"}
    types |= {"amount": "Decimal!", "hold": "ID!"}
    declared = ", ".join(
        f"${name}: {type_}" for name, type_ in types.items() if f"${name}" in mutation % written
    )
    document = f"mutation ({declared}) {{ {mutation % written} {ERRORS} }}"
    answer = await populated.post(document, who, given)
    assert answer.status_code < 500, answer.text
    return answer.json()


async def furnish(populated: PopulatedServer) -> None:
    populated.ids["order"] = (await populated.an_order()).public_id
    populated.ids["reference"] = (await populated.a_payment("bank-transfer")).reference


@pytest.mark.parametrize("place", PLACES)
async def test_what_is_no_decimal_is_refused_unread(populated: PopulatedServer, place: str) -> None:
    await furnish(populated)
    before = await populated.digest()
    for value in UNREADABLE:
        body = await asked(populated, place, "$amount", amount=value)
        shown = json.dumps(value)[:40]
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", shown
        assert len(json.dumps(body)) < 2000, shown
    for literal in LITERALS:
        body = await asked(populated, place, literal)
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", literal
    assert await populated.digest() == before


@pytest.mark.parametrize("place", PLACES)
async def test_what_is_no_amount_is_refused_at_its_field(
    populated: PopulatedServer, place: str
) -> None:
    await furnish(populated)
    before = await populated.digest()
    for value in (*NEVER, *NOT_POSITIVE):
        if value in TAKEN.get(place, ()):
            continue
        body = await asked(populated, place, "$amount", amount=value)
        [payload] = body["data"].values()
        [error] = payload["userErrors"]
        assert error["code"] in CODES, (value, body)
        assert error["field"] or error["code"] == "INSUFFICIENT_CREDIT", (value, body)
    assert await populated.digest() == before


CURRENCIES: Final = (
    "usd",
    "US",
    "USDT",
    "",
    "$",
    "840",
    "ＵＳＤ",
    "USD ",
    "U5D",
    "XXX",
    "ZZZ",
    "XAU",
)


async def test_what_is_no_currency_is_refused(populated: PopulatedServer) -> None:
    await furnish(populated)
    before = await populated.digest()
    for place in ("addFunds", "adjustCredit", "issueVouchers", "recordBankTransfer"):
        mutation = PLACES[place][1] % '"25.00"'
        for currency in (
            *CURRENCIES,
            "EUR" if place in {"addFunds", "recordBankTransfer"} else "ZZZ",
        ):
            wrong = mutation.replace('"USD"', json.dumps(currency, ensure_ascii=False))
            body = await _as_written(populated, place, wrong)
            if "errors" in body:
                assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", currency
            else:
                [error] = body["data"][place]["userErrors"]
                assert error["code"] == "CURRENCY_NOT_SUPPORTED", (place, currency)
    assert await populated.digest() == before


async def _as_written(populated: PopulatedServer, place: str, mutation: str) -> Any:
    given = {
        "key": key(),
        "account": populated.ids["account"],
        "reference": populated.ids["reference"],
    }
    types = {"key": "String!", "account": "ID!", "reference": "String!"}
    declared = ", ".join(
        f"${name}: {type_}" for name, type_ in types.items() if f"${name}" in mutation
    )
    document = f"mutation ({declared}) {{ {mutation} {ERRORS} }}"
    return (await populated.post(document, PLACES[place][0], given)).json()


KEYS: Final[tuple[Any, ...]] = (
    None,
    "",
    "é",
    "k" * 256,
    "k" * 10_000,
    "a\nb",
    "a\x00b",
    "\u202e",
    5,
    ["k"],
    {},
)


async def test_a_mutation_without_a_good_key_does_nothing(populated: PopulatedServer) -> None:
    await furnish(populated)
    before = await populated.digest()
    for place in ("addFunds", "createInvoice.unitPrice", "adjustCredit", "issueVouchers"):
        for wrong in KEYS:
            body = await asked(populated, place, '"25.00"', key=wrong)
            if "errors" in body:
                assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", wrong
            else:
                [payload] = body["data"].values()
                assert payload["userErrors"] == [{"code": "INVALID", "field": ["idempotencyKey"]}]
        missing = PLACES[place][1].replace("idempotencyKey: $key", "") % '"25.00"'
        body = await _as_written(populated, place, missing)
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await populated.digest() == before


async def test_a_strangers_key_neither_collides_nor_tells(populated: PopulatedServer) -> None:
    """The same key, of two clients: each gets their own, and hears nothing of the other."""
    document = """mutation ($key: String!) { addFunds(input: {
      amount: {amount: "25.00", currency: "USD"}, gateway: "sandbox",
      acceptedPolicyVersion: "2026-01", idempotencyKey: $key
    }) { invoice { id } userErrors { code } } }"""
    shared = key()
    hers = (await populated.data(document, "client", key=shared))["addFunds"]
    his = (await populated.data(document, "other", key=shared))["addFunds"]
    assert hers["userErrors"] == his["userErrors"] == []
    assert hers["invoice"]["id"] != his["invoice"]["id"]
    again = (await populated.data(document, "client", key=shared))["addFunds"]
    assert again == hers


MOMENTS: Final[tuple[Any, ...]] = (
    *("2026-01-31T09:30:00", "2026-01-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"),
    *("2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z", "2026-01-31T09:30:00+99:00", "now", ""),
    *("1969-12-31T23:59:59Z", "２０２６-01-31T09:30:00Z", "1" * 5000, 1_700_000_000, None, {}),
)


async def test_what_is_no_moment_is_refused_and_turned_around_finds_nothing(
    populated: PopulatedServer,
) -> None:
    before = await populated.digest()
    document = """query ($after: DateTime!, $before: DateTime) {
      creditTransactions(filter: {createdAfter: $after, createdBefore: $before}) { totalCount }
    }"""
    for wrong in MOMENTS:
        body = (await populated.post(document, "client", {"after": wrong})).json()
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", wrong
    late, early = "2199-01-01T00:00:00Z", "1970-01-01T00:00:00Z"
    around = await populated.data(document, "client", after=late, before=early)
    assert around == {"creditTransactions": {"totalCount": 0}}
    whole = await populated.data(document, "client", after=early, before=late)
    assert whole["creditTransactions"]["totalCount"] > 1
    assert await populated.digest() == before
