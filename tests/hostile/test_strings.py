"""Every argument of every operation, with what nobody means: an answer each time, and clean rows.

The operations are the schema's own: what is added is tried with the next run.
"""

from __future__ import annotations

import json
import os
import unicodedata
from typing import TYPE_CHECKING, Any, Final

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    is_composite_type,
    is_object_type,
)
from tortoise import Tortoise, fields

from models.db import sql
from models.text import _DIRECTION_CONTROLS, _UNPRINTABLE
from tests.support.access import table
from tests.support.access.callers import CALLERS, PopulatedServer
from tests.support.access.verdicts import SCHEMA
from tests.support.identities import PASSWORD
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

Path = tuple[str | int, ...]

TEXTS: Final = (
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "a\udfff",
        "\x1b[31m",
        "\x7f",
        "\x85",
        "a\r\nb",
        "\u2028",
    ),
    *(
        "\u202eevil",
        "\u2066a\u2069",
        "\u200b",
        "\ufeff",
        "\u0378",
        "\ufdd0",
        "\uffff",
        "\U0010ffff",
    ),
    *("\U0001fae9", "\U0002ebf0", "\U000e0001", "e\u0301" * 300, "a" + "\u0301" * 3000),
    *("\ufdfa" * 60, "İ" * 300, "ß" * 255, "ﬃ" * 254, "x" * 256, "x" * 10_000, "9" * 5000),
    *("%", "\\", "'", '"', "$1", "?1", "{0}", "{{x}}", "%s", "\\u0000", "../../etc/passwd", "a_b"),
    *("en.\x00", "en.<anything>", "en@x", "acc_" + "0" * 32, "acc_" + "g" * 32, "acc_" + "٣" * 32),
    *(
        "bal_" + "0" * 32 + "_USD",
        "bal__",
        "eyJhIjogMX0=",
        "AAAA",
        "=" * 64,
        "null",
        "[]",
        "1",
        "-1",
    ),
)
HOSTILE: Final[dict[str, tuple[object, ...]]] = {
    "String": TEXTS,
    "ID": (*TEXTS, 0, -1, 2**31, 10**30),
    "URL": (*TEXTS, "https://\x00/", "https://[::1", "https://a:99999/", "https://a/\ud800"),
    "CurrencyCode": (*TEXTS, "XXX", "JPY", "KWD", "ＵＳＤ"),
    "Decimal": (
        *(
            "",
            "-1",
            "0",
            "-0",
            "0.000000001",
            "999999999999999.999999999",
            "1e5",
            "NaN",
            "Infinity",
        ),
        *("٣", "1" * 16, "1" * 5000, "-999999999999999", 1, 1.5, 10**30, True),
    ),
    "Int": (-(2**31), -1, 0, 1, 2**31 - 1, 2**31, 10**30, "1", 1.5, True),
    "Boolean": ("true", 1, 0),
    "DateTime": (
        *("", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "\x00"),
        *(
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59-23:59",
            "9999-12-31T00:00:00+23:59",
        ),
        *("2026-02-30T00:00:00Z", "2026-12-31T23:59:60Z", "10000-01-01T00:00:00Z", 0, 10**30),
        *("1970-01-01T00:00:00+23:59", "٢٠٢٦-01-01T00:00:00Z", "2026-01-01T00:00:00+99:99"),
    ),
    "Date": (
        *("", "0000-01-01", "0001-01-01", "1970-01-01", "9998-12-31", "9999-12-31", "2026-02-30"),
        *("-001-01-01", "٢٠٢٦-01-01", 0, 10**30, "\x00"),
    ),
}
#: Of another kind altogether.
ODD: Final[tuple[object, ...]] = (None, [], {}, [[]], {"a": 1}, "\x00")


def good(populated: PopulatedServer, type_: Any, name: str) -> Any:
    """A value that is right at an argument or input field of that name."""
    if isinstance(type_, GraphQLNonNull):
        return good(populated, type_.of_type, name)
    if isinstance(type_, GraphQLList):
        return [good(populated, type_.of_type, name)]
    if isinstance(type_, GraphQLInputObjectType):
        return {at: good(populated, one.type, at) for at, one in type_.fields.items()}
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    by_name = {
        "invoiceId": populated.ids["invoice"],
        "paymentId": populated.ids["payment"],
        "accountId": populated.ids["account"],
        "bankCreditId": populated.ids["bank_credit"],
        "id": populated.ids["invoice"],
        "ids": populated.ids["invoice"],
        "endpointId": populated.ids["webhook_endpoint"],
        "deliveryId": populated.ids["webhook_delivery"],
        "events": "*",
        "document": None,
        "despite": populated.ids["bank_credit"],
        "idempotencyKey": key(),
        "email": f"{key()[:20]}@client.example",
        "password": PASSWORD,
        "locale": "en",
        "gateway": "sandbox",
        "acceptedPolicyVersion": "2026-01",
        "taxRate": "0.1",
        "quantity": "1",
        "country": "JP",
        "count": 1,
        "maxRedemptions": 1,
        "first": 1,
        "last": None,
        "before": None,
        "after": None,
        "from": "2026-01-01",
        "to": "2035-12-31",
        "vatId": "",
        "number": None,
        "afterVersion": 0,
    }
    plain = {"Decimal": "5.00", "CurrencyCode": "USD", "Int": 1, "Boolean": False}
    plain |= {"DateTime": "2035-01-01T00:00:00Z", "Date": "2026-06-01"}
    plain |= {"URL": "https://portal.example.com/back"}
    return by_name.get(name, plain.get(type_.name, "a thing"))


def leaves(type_: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where in a value of that type there is a scalar or enum, and which."""
    if isinstance(type_, GraphQLNonNull):
        yield from leaves(type_.of_type, path)
    elif isinstance(type_, GraphQLList):
        yield from leaves(type_.of_type, (*path, 0))
    elif isinstance(type_, GraphQLInputObjectType):
        for name, one in type_.fields.items():
            yield from leaves(one.type, (*path, name))
    else:
        yield path, type_.name


def put(value: Any, path: Path, hostile: object) -> Any:
    """The value with something else at that path."""
    if not path:
        return hostile
    head, *rest = path
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[head] = put(value[head], tuple(rest), hostile)
    return copy


def document_of(kind: str, name: str, field: Any) -> str:
    declared = ", ".join(f"${at}: {one.type}" for at, one in field.args.items())
    given = ", ".join(f"{at}: ${at}" for at in field.args)
    arguments = f"({given})" if given else ""
    return f"{kind} {f'({declared}) ' if declared else ''}{{ {name}{arguments} {selected(field)} }}"


def selected(field: Any) -> str:
    type_ = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    if name := getattr(type_, "name", ""):
        if name.endswith("Payload"):
            return table.ERRORS.join(["{ ", " }"])
        return "{ __typename }" if is_composite_type(type_) else ""
    return "{ __typename }"


def some(scalar: str, turn: int) -> list[object]:
    """What is tried at one place: every sixth, others at the next; all in a soak."""
    values = [*HOSTILE.get(scalar, ()), *ODD]
    return values if os.environ.get("SOAK") == "1" else values[turn % 6 :: 6]


async def sent(
    populated: PopulatedServer, document: str, caller: str, variables: object
) -> httpx.Response:
    """The answer to variables that need not be Unicode."""
    return await populated.http.post(
        "/graphql",
        content=json.dumps({"query": document, "variables": variables}),
        headers={"content-type": "application/json", **populated.callers[caller]},
    )


def assert_answered(response: httpx.Response, what: object) -> None:
    assert response.status_code < 500, (what, response.text)
    assert "INTERNAL" not in response.text, (what, response.text)


def who_may(name: str) -> str:
    ask = table.MUTATIONS.get(name)
    letters = next(iter(ask.verdicts.values()))[1] if ask else "+" * len(CALLERS)
    client, staff = CALLERS.index("client"), CALLERS.index("staff")
    if letters[client] in "+~" and letters[staff] not in "+~":
        return "client"
    return "partner" if ask and letters[staff] == "F" else "staff"


OPERATIONS: Final = [
    *(("mutation", name) for name in SCHEMA.mutation_type.fields),
    *(("query", name) for name in SCHEMA.query_type.fields),
]


@pytest.mark.parametrize(("kind", "name"), OPERATIONS)
async def test_whatever_is_given_is_answered_and_nothing_unclean_is_kept(
    populated: PopulatedServer, kind: str, name: str
) -> None:
    root = SCHEMA.mutation_type if kind == "mutation" else SCHEMA.query_type
    field, caller = root.fields[name], who_may(name)
    document = document_of(kind, name, field)
    for at, argument in field.args.items():
        for turn, (path, scalar) in enumerate(leaves(argument.type, (at,))):
            for value in some(scalar, turn):
                usual = {one: good(populated, its.type, one) for one, its in field.args.items()}
                await sql.execute("DELETE FROM attempt")
                response = await sent(populated, document, caller, put(usual, path, value))
                assert_answered(response, (path, value))
                populated.http.cookies.clear()
    if kind == "mutation":
        await assert_clean()


#: Fields of objects that have arguments, how to come to one, and with which ids.
_INSIDE: Final = {
    "BankTransferAction": (
        "node(id: $id) { ... on Payment { nextAction { ... on BankTransferAction { %s } } } }"
    ),
    "Money": "node(id: $id) { ... on Invoice { total { %s } } }",
    "Invoice": "node(id: $id) { ... on Invoice { %s } }",
    "Payment": "node(id: $id) { ... on Payment { %s } }",
    "Refund": "node(id: $id) { ... on Refund { %s } }",
    "Account": "node(id: $id) { ... on Account { %s } }",
    "ApiKey": "node(id: $id) { ... on ApiKey { %s } }",
    "WebhookEndpoint": "node(id: $id) { ... on WebhookEndpoint { %s } }",
    "Gateway": "gateways { %s }",
    "CreditPolicy": "creditPolicy { %s }",
    "CreditStatement": (
        'creditStatement(from: "2026-01-01", to: "2035-12-31", accountId: $id) { %s }'
    ),
    "CreditTransaction": "node(id: $id) { ... on CreditTransaction { %s } }",
    "PaymentDiagnosis": "node(id: $id) { ... on Invoice { diagnosis { %s } } }",
}
_IDS: Final = {
    "ApiKey": "api_key",
    "WebhookEndpoint": "webhook_endpoint",
    "BankTransferAction": "transfer",
    "Money": "invoice",
    "PaymentDiagnosis": "invoice",
    "CreditStatement": "account",
    "CreditTransaction": "line",
}
_ROOTS: Final = {"Query", "Mutation", "Subscription"}


def inside_fields() -> list[tuple[str, str]]:
    return [
        (type_.name, name)
        for type_ in SCHEMA.type_map.values()
        if is_object_type(type_) and type_.name not in _ROOTS and not type_.name.startswith("__")
        for name, field in type_.fields.items()
        if field.args
    ]


@pytest.mark.parametrize(("type_", "name"), inside_fields())
async def test_arguments_inside_are_answered_as_well(
    populated: PopulatedServer, type_: str, name: str
) -> None:
    field = SCHEMA.type_map[type_].fields[name]
    inner = document_of("", name, field)
    declared = ", ".join(f"${at}: {one.type}" for at, one in field.args.items())
    body = inner.partition("{ ")[2].removesuffix(" }")
    around = _INSIDE[type_]
    own = "$id: ID!, " if "$id" in around else ""
    document = f"query ({own}{declared}) {{ {around.replace('%s', body)} }}"
    ids = populated.ids | {"transfer": (await populated.a_payment("bank-transfer")).public_id}
    id_ = ids[_IDS.get(type_, type_.lower())] if own else None
    for at, argument in field.args.items():
        for turn, (path, scalar) in enumerate(leaves(argument.type, (at,))):
            for value in some(scalar, turn):
                usual = {one: good(populated, its.type, one) for one, its in field.args.items()}
                given = put(usual, path, value) | ({"id": id_} if own else {})
                assert_answered(await sent(populated, document, "staff", given), (path, value))


async def test_more_than_a_request_may_have_is_refused_whatever_it_is_in(
    populated: PopulatedServer,
) -> None:
    for kind, name in OPERATIONS:
        root = SCHEMA.mutation_type if kind == "mutation" else SCHEMA.query_type
        field = root.fields[name]
        for path, _ in (one for at, its in field.args.items() for one in leaves(its.type, (at,))):
            usual = {one: good(populated, its.type, one) for one, its in field.args.items()}
            document = document_of(kind, name, field)
            response = await sent(populated, document, who_may(name), put(usual, path, "x" * 10**6))
            assert_answered(response, path)
            populated.http.cookies.clear()
            break


async def assert_clean() -> None:
    """No row has text that cannot be printed, or that turns what is printed after it."""
    bad = set(_DIRECTION_CONTROLS)
    for model in Tortoise.apps["models"].values():
        names = [
            name
            for name, field in model._meta.fields_map.items()
            if isinstance(field, fields.CharField | fields.TextField)
        ]
        if not names:
            continue
        wanted = ", ".join(f'"{name}"' for name in names)
        for row in await sql.fetch(f'SELECT {wanted} FROM "{model._meta.db_table}"'):
            for name, value in row.items():
                text = value if isinstance(value, str) else ""
                assert not bad.intersection(text), (model, name, value)
                assert not _odd(text), (model, name, value)


def _odd(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in _UNPRINTABLE and c != "\n"]
