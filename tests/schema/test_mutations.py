"""Doing: what a mutation answers, and how it says no."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLNonNull,
    get_nullable_type,
    is_scalar_type,
)

from models.audit import audit
from models.db import sql
from models.provider import provider
from tests.support.factories import STAFF
from tests.support.providers import VERSION, key
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
    from collections.abc import Iterator

    from models.provider.provider import Provider

# What mutations do to either database is for tests/models and tests/journeys.
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db", "wired")]

ERRORS: Final = """userErrors { __typename code message field
    ... on AmountOutOfRange { minimum { amount } maximum { amount } }
    ... on InsufficientCredit { available { amount } required { amount } }
    ... on RateLimited { retryAfterSeconds } }"""
INVOICE: Final = "invoice { id status amountDue { amount } creditApplied { amount } }"
PAYMENT: Final = """payment { id status amount { amount } fee { amount } charged { amount }
    invoice { id } gateway { code } failureMessage nextAction { __typename
    ... on RedirectAction { url expiresAt }
    ... on BankTransferAction { amount { amount } reference iban: accountNumber bic qrCode
        instructions(locale: "ja") } } }"""
BALANCE: Final = "balance { id available { amount } version }"

ADD: Final = f"""mutation ($input: AddFundsInput!) {{
    addFunds(input: $input) {{ {INVOICE} {ERRORS} }} }}"""
PAY: Final = f"""mutation ($input: PayInvoiceInput!) {{
    payInvoice(input: $input) {{ {INVOICE} {PAYMENT} {BALANCE} {ERRORS} }} }}"""
CREATE: Final = f"""mutation ($input: CreateInvoiceInput!) {{
    createInvoice(input: $input) {{ {INVOICE} {BALANCE} {ERRORS} }} }}"""
VOID: Final = f"""mutation ($input: VoidInvoiceInput!) {{
    voidInvoice(input: $input) {{ {INVOICE} {BALANCE} {ERRORS} }} }}"""
ADJUST: Final = f"""mutation ($input: AdjustCreditInput!) {{ adjustCredit(input: $input) {{
    {BALANCE} transaction {{ version amount {{ amount }} }} {ERRORS} }} }}"""
UPDATE: Final = f"""mutation ($input: UpdateAccountInput!) {{ updateAccount(input: $input) {{
    account {{ name locale autoApplyCredit spendingFrozen }} {ERRORS} }} }}"""


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return wire_provider(monkeypatch)


async def do(document: str, actor: Any, **given: Any) -> Any:
    """The payload of a mutation, with a key of its own."""
    answer = await data(document, actor, input={"idempotencyKey": key(), **given})
    (payload,) = answer.values()
    return payload


async def refused(document: str, actor: Any, **given: Any) -> Any:
    """The one user error of a mutation that answers nothing else."""
    payload = await do(document, actor, **given)
    (error,) = payload.pop("userErrors")
    assert set(payload.values()) == {None}
    return error


def a_deposit(amount: str = "25.00", currency: str = "USD", **given: Any) -> dict[str, Any]:
    wish = {"gateway": "card", "acceptedPolicyVersion": VERSION}
    return {"amount": {"amount": amount, "currency": currency}, **wish, **given}


# ------------------------------------------------------------------------------- what is done


async def test_funds_are_added_paid_for_and_seen() -> None:
    ada = await an_account()
    added = await do(ADD, client(ada), **a_deposit())
    assert added["userErrors"] == []
    paid = await do(
        PAY,
        client(ada),
        invoiceId=added["invoice"]["id"],
        returnUrl="https://portal.example.com/back",
    )
    assert paid["userErrors"] == []
    assert paid["payment"]["nextAction"] == {
        "__typename": "RedirectAction",
        "url": "https://pay.example.com/",
        "expiresAt": None,
    }
    assert paid["payment"]["charged"]["amount"] == "25.30"
    assert paid["payment"]["gateway"] == {"code": "card"}
    assert paid["payment"]["invoice"]["id"] == added["invoice"]["id"]
    assert paid["balance"]["available"]["amount"] == "0.00"


async def test_a_bank_transfer_says_where_to_and_is_recorded_by_staff() -> None:
    ada = await an_account()
    added = await do(ADD, client(ada), **a_deposit(gateway="bank-transfer"))
    paid = await do(PAY, client(ada), invoiceId=added["invoice"]["id"])
    action = paid["payment"]["nextAction"]
    assert action["__typename"] == "BankTransferAction"
    assert action["amount"] == {"amount": "25.00"}
    assert action["reference"] in action["instructions"]
    assert "$25.00" in action["instructions"]
    record = f"""mutation ($input: RecordBankTransferInput!) {{ recordBankTransfer(input: $input) {{
        payment {{ status received {{ amount }} }} {INVOICE} {BALANCE} {ERRORS} }} }}"""
    recorded = await do(
        record,
        STAFF,
        reference=action["reference"],
        amount={"amount": "25.00", "currency": "USD"},
        bankAccount="DE89 3704 0044 0532 0130 00",
        bankTransactionId="bank-1",
    )
    assert recorded["payment"] == {"status": "SUCCEEDED", "received": {"amount": "25.00"}}
    assert recorded["invoice"]["status"] == "PAID"
    assert recorded["balance"]["available"]["amount"] == "25.00"


async def test_an_order_is_issued_paid_with_credit_and_voided() -> None:
    ada = await an_account()
    await give(ada, "25.00")
    shop = partner("invoices:write", "credit:read", accounts=[ada])
    line = {"description": "Hosting", "unitPrice": "10.00", "taxRate": "0.1"}
    order = await do(CREATE, shop, accountId=ada.public_id, currency="USD", lines=[line])
    assert order["userErrors"] == []
    assert order["invoice"]["amountDue"]["amount"] == "11.00"
    paid = await do(PAY, client(ada), invoiceId=order["invoice"]["id"], useCredit=True)
    assert paid["invoice"]["status"] == "PAID"
    assert paid["invoice"]["creditApplied"]["amount"] == "11.00"
    assert paid["payment"] is None
    assert paid["balance"]["available"]["amount"] == "14.00"
    void = await do(VOID, shop, invoiceId=order["invoice"]["id"], reason="a mistake")
    assert void["invoice"]["status"] == "VOID"
    assert void["balance"]["available"]["amount"] == "25.00"
    assert (await audit()).findings == []


async def test_a_partner_without_the_scope_issues_and_sees_no_balance() -> None:
    ada = await an_account()
    line = {"description": "Hosting", "unitPrice": "10.00"}
    shop = partner("invoices:write")
    order = await do(CREATE, shop, accountId=ada.public_id, currency="USD", lines=[line])
    assert order["invoice"]["status"] == "UNPAID"
    assert order["balance"] is None


async def test_the_same_key_gives_the_same_answer_in_any_selection() -> None:
    ada = await an_account()
    given = {"accountId": ada.public_id, "reason": "a gift", "idempotencyKey": "one click"}
    amount = {"amount": "5.00", "currency": "USD"}
    first = await do(ADJUST, STAFF, amount=amount, **given)
    again = await do(ADJUST, STAFF, amount=amount, **given)
    assert first == again
    other = await refused(ADJUST, STAFF, amount={**amount, "amount": "6.00"}, **given)
    assert other["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert other["field"] == ["idempotencyKey"]


async def test_vouchers_are_issued_and_redeemed() -> None:
    ada = await an_account()
    issue = f"""mutation ($input: IssueVouchersInput!) {{
        issueVouchers(input: $input) {{ codes {ERRORS} }} }}"""
    issued = await do(issue, STAFF, amount={"amount": "5.00", "currency": "USD"}, note="Welcome")
    (voucher,) = issued["codes"]
    redeem = f"""mutation ($input: RedeemVoucherInput!) {{ redeemVoucher(input: $input) {{
        {BALANCE} transaction {{ kind description refundable }} {ERRORS} }} }}"""
    redeemed = await do(redeem, client(ada), code=voucher)
    assert redeemed["balance"]["available"]["amount"] == "5.00"
    assert redeemed["transaction"] == {
        "kind": "VOUCHER",
        "description": "Voucher redeemed (Welcome)",
        "refundable": False,
    }
    again = await refused(redeem, client(ada), code=voucher)
    unknown = await refused(redeem, client(ada), code="no such code")
    assert again == unknown
    assert again["code"] == "VOUCHER_REFUSED"


async def test_settings_that_are_left_out_stay() -> None:
    ada = await an_account()
    changed = await do(UPDATE, client(ada), autoApplyCredit=True, locale="ja")
    assert changed["account"] == {
        "name": "Ada",
        "locale": "ja",
        "autoApplyCredit": True,
        "spendingFrozen": False,
    }
    frozen = await do(UPDATE, STAFF, accountId=ada.public_id, spendingFrozen=True)
    assert frozen["account"]["spendingFrozen"] is True
    assert frozen["account"]["locale"] == "ja"


async def test_a_payment_is_rechecked_and_canceled() -> None:
    ada = await an_account()
    order = await an_order(ada)
    back = "https://portal.example.com/"
    paid = await do(PAY, client(ada), invoiceId=order.public_id, gateway="card", returnUrl=back)
    payment = paid["payment"]["id"]
    recheck = f"""mutation ($id: ID!) {{ recheckPayment(input: {{paymentId: $id}}) {{
        {PAYMENT} {INVOICE} {ERRORS} }} }}"""
    checked = (await data(recheck, client(ada), id=payment))["recheckPayment"]
    assert checked["payment"]["status"] == "REQUIRES_ACTION"
    assert checked["invoice"]["id"] == order.public_id
    cancel = f"""mutation ($input: CancelPaymentInput!) {{ cancelPayment(input: $input) {{
        {PAYMENT} {INVOICE} {ERRORS} }} }}"""
    answer = await do(cancel, client(ada), paymentId=payment)
    assert answer["userErrors"] or answer["payment"]["status"] == "CANCELED"


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("given", "code_", "field"),
    [
        (a_deposit("4.99"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
        (a_deposit("0"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
        (a_deposit("-25.00"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
        (a_deposit("999999999999999"), "AMOUNT_OUT_OF_RANGE", ["amount", "amount"]),
        (a_deposit("25.001"), "AMOUNT_PRECISION", ["amount", "amount"]),
        (a_deposit("25", "EUR"), "CURRENCY_NOT_SUPPORTED", ["amount", "currency"]),
        (a_deposit("25", "ZZZ"), "CURRENCY_NOT_SUPPORTED", ["amount", "currency"]),
        (a_deposit(gateway="x"), "GATEWAY_NOT_AVAILABLE", ["gateway"]),
        (a_deposit(acceptedPolicyVersion="1"), "POLICY_NOT_ACCEPTED", ["acceptedPolicyVersion"]),
        (a_deposit(idempotencyKey=""), "INVALID", ["idempotencyKey"]),
        (a_deposit(idempotencyKey="é"), "INVALID", ["idempotencyKey"]),
        (a_deposit(idempotencyKey="k" * 256), "INVALID", ["idempotencyKey"]),
    ],
)
async def test_a_refusal_stands_at_its_field_and_nothing_changes(
    given: dict[str, Any], code_: str, field: list[str]
) -> None:
    ada = await an_account()
    error = await refused(ADD, client(ada), **given)
    assert (error["code"], error["field"]) == (code_, field)
    assert error["message"]
    assert await sql.fetch("SELECT id FROM invoice") == []
    assert await sql.fetch("SELECT key FROM idempotency_key") == []


async def test_a_refusal_carries_its_facts_in_the_callers_language() -> None:
    ada = await an_account(locale="ja")
    error = await refused(ADD, client(ada), **a_deposit("4.99"))
    assert error == {
        "__typename": "AmountOutOfRange",
        "code": "AMOUNT_OUT_OF_RANGE",
        "field": ["amount", "amount"],
        "message": "金額は$5.00から$500.00までの範囲で指定してください。",
        "minimum": {"amount": "5.00"},
        "maximum": {"amount": "500.00"},
    }
    order = await an_order(ada)
    error = await refused(PAY, client(ada), invoiceId=order.public_id, useCredit=True)
    assert error["__typename"] == "InsufficientCredit"
    assert (error["available"], error["required"]) == ({"amount": "0.00"}, {"amount": "10.00"})


async def test_a_line_is_refused_at_its_place() -> None:
    ada = await an_account()
    lines = [
        {"description": "Hosting", "unitPrice": "10.00"},
        {"description": "Hosting", "unitPrice": "10.0000001"},
    ]
    error = await refused(CREATE, STAFF, accountId=ada.public_id, currency="USD", lines=lines)
    assert error["code"] == "AMOUNT_PRECISION"
    assert error["field"] == ["lines", "1", "unitPrice"]


async def test_what_is_not_yours_is_not_found() -> None:
    ada, bo = await an_account(), await an_account("Bo")
    order = await an_order(ada)
    for id in (order.public_id, "inv_" + "0" * 32, ada.public_id, "x"):
        error = await refused(PAY, client(bo), invoiceId=id, useCredit=True)
        assert (error["code"], error["field"]) == ("NOT_FOUND", ["invoiceId"])
    shop = partner("invoices:write", accounts=[bo])
    error = await refused(VOID, shop, invoiceId=order.public_id, reason="spite")
    assert error["code"] == "NOT_FOUND"


async def test_roles_and_scopes_are_told_at_the_top() -> None:
    ada = await an_account()
    adjust = {
        "accountId": ada.public_id,
        "amount": {"amount": "5.00", "currency": "USD"},
        "reason": "greed",
        "idempotencyKey": key(),
    }
    assert await code(ADJUST, None, input=adjust) == "UNAUTHENTICATED"
    for actor in (client(ada), partner("invoices:write", "credit:read")):
        assert await code(ADJUST, actor, input=adjust) == "FORBIDDEN"
    thaw = {"spendingFrozen": False, "idempotencyKey": key()}
    assert await code(UPDATE, client(ada), input=thaw) == "FORBIDDEN"
    funds = {**a_deposit(), "accountId": ada.public_id, "idempotencyKey": key()}
    assert await code(ADD, partner("invoices:write"), input=funds) == "FORBIDDEN"
    line = {"description": "Free", "unitPrice": "0.01"}
    order = {"accountId": ada.public_id, "currency": "USD", "lines": [line]}
    asked = {**order, "idempotencyKey": key()}
    assert await code(CREATE, client(ada), input=asked) == "FORBIDDEN"
    assert await code(CREATE, partner("invoices:read"), input=asked) == "FORBIDDEN"
    assert await sql.fetch("SELECT id FROM invoice") == []


async def test_a_second_mutation_sees_what_the_first_has_done() -> None:
    ada = await an_account()
    order = await an_order(ada)
    await give(ada, "25.00")
    asked = f"""mutation ($id: ID!) {{
        a: payInvoice(input: {{invoiceId: $id, useCredit: true, idempotencyKey: "a"}}) {{
            {BALANCE} invoice {{ account {{ balance {{ version }} }} }} }}
        b: voidInvoice(input: {{invoiceId: $id, reason: "x", idempotencyKey: "b"}}) {{
            {BALANCE} {INVOICE} invoice {{ account {{ balance {{ version }} }} }} }} }}"""
    done = await data(asked, STAFF, id=order.public_id)
    assert done["a"]["balance"]["version"] == done["a"]["invoice"]["account"]["balance"]["version"]
    assert done["b"]["balance"]["version"] == done["a"]["balance"]["version"] + 1
    assert done["b"]["invoice"]["status"] == "VOID"


# ------------------------------------------------------------------------------- bad text

BAD_TEXTS: Final = {
    "nul": "a\x00b",
    "escape": "a\x1b[31mb",
    "surrogate": "a\ud800b",
    "direction": "a\u202eb",
    "long": "x" * 1_000_000,
    "empty": "",
}


def a_value(type_: Any) -> Any:
    """Something that an input of this type can be."""
    named = get_nullable_type(type_)
    if isinstance(named, GraphQLInputObjectType):
        return {
            name: a_value(field.type)
            for name, field in named.fields.items()
            if isinstance(field.type, GraphQLNonNull)
        }
    if hasattr(named, "of_type"):
        return [a_value(named.of_type)]
    values = {"Decimal": "10.00", "CurrencyCode": "USD", "Boolean": False, "Int": 1}
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    return values.get(named.name, "x" * 12)


def texts_in(type_: GraphQLInputObjectType) -> Iterator[str]:
    for name, field in type_.fields.items():
        named = get_nullable_type(field.type)
        if is_scalar_type(named) and named.name in ("String", "ID"):
            yield name


MUTATION: Final[Any] = SCHEMA._schema.mutation_type
TEXTS: Final = [
    (name, text)
    for name, field in MUTATION.fields.items()
    if "input" in field.args and name != "signIn"
    for text in texts_in(get_nullable_type(field.args["input"].type))
]


@pytest.mark.parametrize("kind", BAD_TEXTS)
@pytest.mark.parametrize(("mutation", "field"), TEXTS)
async def test_no_text_breaks_a_mutation(mutation: str, field: str, kind: str) -> None:
    ada = await an_account()
    order = await an_order(ada)
    input_type = MUTATION.fields[mutation].args["input"].type
    given = a_value(input_type)
    given |= {"idempotencyKey": key()} if "idempotencyKey" in given else {}
    given |= {"accountId": ada.public_id} if "accountId" in given else {}
    given |= {"invoiceId": order.public_id} if "invoiceId" in given else {}
    given |= {"email": "x@example.com"} if "email" in given else {}
    given[field] = BAD_TEXTS[kind]
    document = f"""mutation ($input: {input_type}) {{ {mutation}(input: $input) {{
        userErrors {{ code message field }} }} }}"""
    for actor in (STAFF, client(ada)):
        result = await ask(document, actor, input=given)
        for error in result.errors or ():
            assert (error.extensions or {}).get("code"), error.original_error


# ------------------------------------------------------------------------------- gateways that go

OUTCOME = f"""mutation ($input: RecordPaymentOutcomeInput!) {{
    recordPaymentOutcome(input: $input) {{ payment {{ id status gateway {{ code }} receiptUrl }}
    invoice {{ status }} {ERRORS} }} }}"""
GONE = """query ($id: ID!) { node(id: $id) { ... on Invoice {
    gateway { code name } diagnosis { stage explanation nextCheckAt }
    payments { status gateway { code name } nextAction { __typename } } } } }"""


async def test_an_invoice_whose_gateway_is_gone_is_shown_explained_and_ended_by_staff(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await an_account()
    order = await an_order(ada)
    payment = (await do(PAY, client(ada), invoiceId=order.public_id, gateway="card"))["payment"]
    wired = provider.provider()
    left = {code: one for code, one in wired.gateways.items() if code != "card"}
    monkeypatch.setattr(provider, "_provider", replace(wired, gateways=left))
    shown = (await data(GONE, client(ada), id=order.public_id))["node"]
    assert shown["gateway"] is shown["payments"][0]["gateway"] is None
    assert shown["diagnosis"]["stage"] == "AWAITING_GATEWAY"
    assert "contact support" in shown["diagnosis"]["explanation"]
    assert shown["diagnosis"]["nextCheckAt"] is None
    recheck = f"mutation ($id: ID!) {{ recheckPayment(input: {{paymentId: $id}}) {{ {ERRORS} }} }}"
    [error] = (await data(recheck, client(ada), id=payment["id"]))["recheckPayment"]["userErrors"]
    assert (error["code"], error["field"]) == ("GATEWAY_NOT_AVAILABLE", ["paymentId"])
    wish = {"paymentId": payment["id"], "captured": True, "reason": "Seen on the statement"}
    ended = await do(OUTCOME, STAFF, **wish)
    assert ended["userErrors"] == []
    assert (ended["payment"]["status"], ended["invoice"]["status"]) == ("SUCCEEDED", "PAID")
    error = await refused(OUTCOME, STAFF, **wish)
    assert (error["code"], error["field"]) == ("PAYMENT_NOT_CANCELABLE", ["paymentId"])


# ------------------------------------------------------------------------------- previews

PREVIEW: Final = """query (
    $ids: [ID!]!, $gateway: String, $credit: Boolean = true, $amount: Decimal
) {
    previewPayment(invoiceIds: $ids, useCredit: $credit, gateway: $gateway, amount: $amount) {
        due { amount } credit { amount } promotional { amount } throughGateway { amount }
        fee { amount } charged { amount } remainingDue { amount } availableAfter { amount } quote
        userErrors { code field message } } }"""
PAY_QUOTED: Final = """mutation ($input: PayInvoiceInput!) { payInvoice(input: $input) {
    invoice { status } payment { charged { amount } } userErrors { code field } } }"""


async def test_what_is_previewed_is_paid_or_refused() -> None:
    ada = await an_account()
    order = await an_order(ada)
    await give(ada, "2.00")
    asked = {"ids": [order.public_id], "gateway": "card"}
    told = (await data(PREVIEW, client(ada), **asked))["previewPayment"]
    quote = told.pop("quote")
    assert told.pop("userErrors") == []
    amounts = {name: money["amount"] for name, money in told.items()}
    assert (amounts["credit"], amounts["promotional"]) == ("2.00", "0.00")
    assert (amounts["remainingDue"], amounts["availableAfter"]) == ("0.00", "0.00")
    await give(ada, "1.00")
    given = {"invoiceId": order.public_id, "useCredit": True, "gateway": "card", "quote": quote}
    refused = await data(PAY_QUOTED, client(ada), input={**given, "idempotencyKey": key()})
    assert refused["payInvoice"]["userErrors"] == [{"code": "PRICE_CHANGED", "field": ["quote"]}]
    given["quote"] = (await data(PREVIEW, client(ada), **asked))["previewPayment"]["quote"]
    paid = await data(PAY_QUOTED, client(ada), input={**given, "idempotencyKey": key()})
    assert paid["payInvoice"]["userErrors"] == []


async def test_a_part_is_previewed_and_quoted_of_one_invoice_alone() -> None:
    ada = await an_account()
    order, other = await an_order(ada, "30.00"), await an_order(ada)
    asked = {"ids": [order.public_id], "gateway": "card", "credit": False, "amount": "10.00"}
    told = (await data(PREVIEW, client(ada), **asked))["previewPayment"]
    assert told["throughGateway"] == {"amount": "10.00"}
    given = {"invoiceId": order.public_id, "gateway": "card", "quote": told["quote"]}
    for amount, codes in (("11.00", ["PRICE_CHANGED"]), ("10.00", [])):
        asked_for = {**given, "amount": amount, "idempotencyKey": key()}
        paid = (await data(PAY_QUOTED, client(ada), input=asked_for))["payInvoice"]
        assert [error["code"] for error in paid["userErrors"]] == codes
    both = {**asked, "ids": [order.public_id, other.public_id]}
    [error] = (await data(PREVIEW, client(ada), **both))["previewPayment"]["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", ["amount"])


async def test_a_preview_that_is_refused_says_so_at_its_argument() -> None:
    ada = await an_account()
    order = await an_order(ada)
    unknown = f"inv_{'0' * 32}"
    for ids, code_, field in (
        ([unknown], "NOT_FOUND", ["invoiceIds", "0"]),
        (["nonsense"], "NOT_FOUND", ["invoiceIds", "0"]),
        ([], "INVALID", ["invoiceIds"]),
        ([order.public_id], "GATEWAY_NOT_AVAILABLE", ["gateway"]),
    ):
        told = await data(PREVIEW, client(ada), ids=ids, gateway="unknown", credit=False)
        [error] = told["previewPayment"]["userErrors"]
        assert (error["code"], error["field"]) == (code_, field)
        assert told["previewPayment"]["due"] is None


async def test_a_deposit_is_previewed_with_its_fee() -> None:
    ada = await an_account()
    asked = """{ previewAddFunds(amount: {amount: "25.00", currency: "USD"}) {
        credited { amount } fee { amount } charged { amount } bonus { amount }
        debtRepaid { amount } availableAfter { amount } userErrors { code } } }"""
    told = (await data(asked, client(ada)))["previewAddFunds"]
    assert told["userErrors"] == []
    assert told["bonus"] is None, "there are no bonus rules"
    assert told["credited"] == told["availableAfter"] == {"amount": "25.00"}
