"""Idempotency keys, used again: by those who have lost their rights since, and long after.

Whoever repeats a key is asked for their rights like whoever comes for the first time. A key that
was forgotten after its sixty days makes nothing twice.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from models.access.api_key import create_key
from models.access.identity import SCOPES
from models.access.user import User
from models.clock import now
from models.db import sql
from models.journal import idempotency
from models.provider import retention
from tests.support.access import table
from tests.support.access.callers import REASON, PopulatedServer, bearer
from tests.support.access.verdicts import SCHEMA, a_target, verdict
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.access.callers import Headers

pytestmark = pytest.mark.once

STAFF: Final = {"demoted": "F"}
ON_PAYMENT: Final = {"client moved": "N", "other account": "N", "no scope": "F", "demoted": "N"}
ON_ORDER: Final = {"other account": "N", "no scope": "F", "demoted": "F"}

ON_ACCOUNT: Final = {"other account": "N", "no scope": "F"}

#: What each way to lose one's rights (LOSSES) makes of a repeated mutation, in the letters of the
#: access table. "-": it has no key, or nobody can lose anything by it.
REPLAYS: Final[dict[str, dict[str, str]]] = {
    "addFunds": ON_PAYMENT,
    "payInvoice": ON_PAYMENT,
    "payInvoices": ON_PAYMENT,
    "recheckPayment": ON_PAYMENT,
    "cancelPayment": ON_PAYMENT,
    "createInvoice": ON_ORDER,
    "voidInvoice": ON_ORDER,
    "reserveCredit": ON_ORDER,
    "extendHold": ON_ORDER,
    "captureHold": ON_ORDER,
    "releaseHold": ON_ORDER,
    "updateAccount": {"client moved": "N", "demoted": "N"} | ON_ACCOUNT,
    "createAccount": {"other account": "N", "no scope": "F", "demoted": "F"},
    "createClientSession": ON_ORDER,
    "createWebhookEndpoint": ON_ACCOUNT,
    "updateWebhookEndpoint": {},
    "deleteWebhookEndpoint": {},
    "rotateWebhookSecret": ON_ORDER,
    "resendWebhooks": ON_ORDER,
    "sendTestEvent": ON_ORDER,
    "createApiKey": STAFF,
    "rotateApiKey": STAFF,
    "revokeApiKey": {},
    "adjustCredit": STAFF,
    "refundPayment": STAFF,
    "recordPaymentOutcome": STAFF,
    "recordBankTransfer": STAFF,
    "assignBankCredit": STAFF,
    "dismissBankCredit": STAFF,
    "redeemVoucher": ON_PAYMENT,
    "issueVouchers": STAFF,
    "inviteMember": {"client moved": "N", "demoted": "N"},
    "changeMember": {},
    "removeMember": {},
    "switchAccount": {},
    "endSession": {},
    "signUp": {},
    "requestPasswordReset": {},
    "setPassword": {},
    "changePassword": {},
    "changeEmail": {},
    "confirmEmail": {},
    "signIn": {},
    "completeSignIn": {},
    "beginConfirmIdentity": {},
    "confirmIdentity": {},
    "beginTotp": {},
    "confirmTotp": {},
    "beginPasskey": {},
    "confirmPasskey": {},
    "renewRecoveryCodes": {},
    "removeSecondFactor": {},
    "signOut": {},
}


@asynccontextmanager
async def client_moved(populated: PopulatedServer) -> AsyncIterator[tuple[str, Headers]]:
    """Ada's own session, after her user was given another account."""
    ada = populated.users["client"]
    try:
        yield "client", populated.callers["client"]
    finally:
        await User.filter(id=ada.id).update(account_id=ada.account_id)


@asynccontextmanager
async def other_account(populated: PopulatedServer) -> AsyncIterator[tuple[str, Headers]]:
    """A second key of the same partner, for another client's account."""
    bo = populated.users["other"].account_id
    assert bo is not None
    _, token = await create_key("partner", SCOPES, [bo])
    yield "partner", bearer(token)


@asynccontextmanager
async def no_scope(populated: PopulatedServer) -> AsyncIterator[tuple[str, Headers]]:
    """A second key of the same partner, for the same account, that may only look at it."""
    _, token = await create_key("partner", ["accounts:read"], [populated.account_id])
    yield "partner", bearer(token)


@asynccontextmanager
async def demoted(populated: PopulatedServer) -> AsyncIterator[tuple[str, Headers]]:
    """Somebody who was staff, and is a client now."""
    try:
        yield "staff", populated.callers["staff"]
    finally:
        await User.filter(id=populated.users["staff"].id).update(role="STAFF", account_id=None)


LOSSES: Final = {
    "client moved": client_moved,
    "other account": other_account,
    "no scope": no_scope,
    "demoted": demoted,
}


async def lose(populated: PopulatedServer, loss: str) -> None:
    """What happens to a user between the first time and the second; keys lose nothing."""
    bo = populated.users["other"].account_id
    if loss == "client moved":
        await User.filter(id=populated.users["client"].id).update(account_id=bo)
    elif loss == "demoted":
        await User.filter(id=populated.users["staff"].id).update(role="CLIENT", account_id=bo)


async def lasting(populated: PopulatedServer) -> str:
    """Differs whenever anything was stored, but for attempts that are counted (redeemVoucher)."""
    await sql.execute("DELETE FROM attempt")
    return await populated.digest()


def test_every_mutation_is_in_the_table() -> None:
    assert set(REPLAYS) == set(SCHEMA.mutation_type.fields) == set(table.MUTATIONS)


def test_every_mutation_with_a_key_can_be_repeated_without_rights() -> None:
    for name, field in SCHEMA.mutation_type.fields.items():
        inputs = field.args["input"].type.of_type.fields if "input" in field.args else {}
        keyed = "idempotencyKey" in inputs and name != "signUp"  # there is nobody yet
        assert bool(REPLAYS[name]) or not keyed, name


@pytest.mark.parametrize(
    ("name", "loss"), [(name, loss) for name, losses in REPLAYS.items() for loss in losses]
)
async def test_a_repeated_key_shows_nothing_to_who_may_not_see_it_any_more(
    populated: PopulatedServer, name: str, loss: str
) -> None:
    ask, variables = table.MUTATIONS[name], await a_target(populated, name)
    async with LOSSES[loss](populated) as (first, second):
        done = (await populated.post(ask.document, first, variables)).json()
        assert verdict(populated, done, name) in "+~", done
        await lose(populated, loss)
        before = await lasting(populated)
        again = await populated.post(ask.document, "nobody", variables, **second)
        body = again.json()
        assert verdict(populated, body, name) == REPLAYS[name][loss], body
        assert not populated.shows_ada(json.dumps(body)), body
        assert await lasting(populated) == before
    if (payload := body.get("data") and body["data"][name]) is not None:
        assert set(payload) > {"userErrors"}
        assert not any(value for at, value in payload.items() if at != "userErrors"), body


async def test_a_repeated_key_shows_what_it_made_to_who_may_still_see_it(
    populated: PopulatedServer,
) -> None:
    """By another key of the same partner, with the same rights."""
    for name in ("createInvoice", "voidInvoice", "payInvoice", "cancelPayment", "captureHold"):
        ask, variables = table.MUTATIONS[name], await a_target(populated, name)
        first = (await populated.post(ask.document, "partner", variables)).json()
        _, token = await create_key("partner", SCOPES, [populated.account_id])
        before = await populated.digest()
        again = (await populated.post(ask.document, "nobody", variables, **bearer(token))).json()
        assert again == first
        assert await populated.digest() == before


async def test_a_key_that_does_not_read_credit_is_not_told_of_it(
    populated: PopulatedServer,
) -> None:
    """Neither by an invoice, nor by why it could not be paid."""
    bill = await populated.an_order("10000.00")
    look = "query ($id: ID!) { invoice(id: $id) { id creditApplicable { amount } } }"
    pay = """mutation ($id: ID!, $key: String!) {
      payInvoice(input: {invoiceId: $id, useCredit: true, idempotencyKey: $key}) {
        userErrors { __typename code message ... on InsufficientCredit { available { amount } } }
      }
    }"""
    shown = (await populated.post(look, "partner", {"id": bill.public_id})).json()
    assert float(shown["data"]["invoice"]["creditApplicable"]["amount"]) > 0
    hidden = (await populated.post(look, "write", {"id": bill.public_id})).json()
    assert hidden["data"] == {"invoice": None}
    assert [one["extensions"]["code"] for one in hidden["errors"]] == ["FORBIDDEN"]
    given = {"id": bill.public_id, "key": key()}
    [told] = (await populated.data(pay, "partner", **given))["payInvoice"]["userErrors"]
    assert told["__typename"] == "InsufficientCredit"
    assert told["available"]["amount"] in told["message"]
    [told] = (await populated.data(pay, "write", **given))["payInvoice"]["userErrors"]
    assert told == {
        "__typename": "Refusal",
        "code": "INSUFFICIENT_CREDIT",
        "message": "Not enough credit.",
    }


# ------------------------------------------------------------------------------- forgotten


async def forget_all() -> None:
    """Sixty days go by."""
    long_ago = now() - (retention.KEYS + timedelta(days=1))
    await sql.execute("UPDATE idempotency_key SET created_at = $1", long_ago)
    assert await idempotency.forget() > 0
    await sql.execute("DELETE FROM attempt")


#: What a forgotten key is told, used again as it was and for something else of its kind.
FORGOTTEN: Final[dict[str, tuple[str, str]]] = {
    "addFunds": ("client", "IDEMPOTENCY_KEY_REUSED"),
    "createInvoice": ("partner", "IDEMPOTENCY_KEY_REUSED"),
    "adjustCredit": ("staff", "IDEMPOTENCY_KEY_REUSED"),
    "issueVouchers": ("staff", "IDEMPOTENCY_KEY_REUSED"),
    "refundPayment": ("staff", "IDEMPOTENCY_KEY_REUSED"),
    "payInvoice": ("client", ""),
    "payInvoices": ("client", ""),
    "cancelPayment": ("client", "PAYMENT_NOT_CANCELABLE"),
    "recordPaymentOutcome": ("staff", "PAYMENT_NOT_CANCELABLE"),
    "voidInvoice": ("staff", "INVOICE_NOT_VOIDABLE"),
    "reserveCredit": ("partner", "IDEMPOTENCY_KEY_REUSED"),
    "extendHold": ("partner", ""),
    "captureHold": ("partner", "HOLD_NOT_OPEN"),
    "releaseHold": ("partner", "HOLD_NOT_OPEN"),
    "createAccount": ("staff", "INVALID"),
    "recordBankTransfer": ("staff", ""),
    "assignBankCredit": ("staff", "NOT_ALLOWED"),
    "dismissBankCredit": ("staff", "NOT_ALLOWED"),
    "redeemVoucher": ("client", "VOUCHER_REFUSED"),
    "updateAccount": ("client", ""),
    "createClientSession": ("partner", ""),
    "inviteMember": ("client", ""),
    "createApiKey": ("staff", ""),
    "createWebhookEndpoint": ("partner", ""),
    "rotateWebhookSecret": ("partner", ""),
    "resendWebhooks": ("partner", ""),
    "sendTestEvent": ("partner", ""),
    "rotateApiKey": ("staff", "NOT_ALLOWED"),
}


def test_every_mutation_with_a_key_says_what_a_forgotten_one_does() -> None:
    keyed = {name for name, losses in REPLAYS.items() if losses} - {"recheckPayment"}
    assert set(FORGOTTEN) == keyed


async def money(populated: PopulatedServer) -> list[sql.Row]:
    """All that was ever moved, and what could be."""
    rows = await sql.fetch(
        "SELECT (SELECT COUNT(*) FROM credit_transaction) AS lines,"
        " (SELECT COUNT(*) FROM transfer) AS transfers, (SELECT COUNT(*) FROM invoice) AS invoices,"
        " (SELECT COUNT(*) FROM refund) AS refunds, (SELECT COUNT(*) FROM voucher) AS vouchers,"
        " (SELECT COUNT(*) FROM payment WHERE account_id <> $1) AS payments",
        populated.account_id,
    )
    assert rows
    return rows


@pytest.mark.parametrize("name", FORGOTTEN)
async def test_a_forgotten_key_makes_nothing_twice(populated: PopulatedServer, name: str) -> None:
    who, code = FORGOTTEN[name]
    ask, variables = table.MUTATIONS[name], await a_target(populated, name)
    document = ask.document.replace(f'reason: "{REASON}"', f'reason: "{REASON}", amount: $part')
    if name == "refundPayment":  # in parts: else there is nothing left of it to give back
        document = document.replace("mutation (", "mutation ($part: MoneyInput, ")
        variables |= {"part": {"amount": "1.00", "currency": "USD"}}
    else:
        document = ask.document
    done = await populated.data(document, who, **variables)
    assert done[name]["userErrors"] == []
    before = await money(populated)
    await forget_all()
    again = await populated.data(document, who, **variables)
    assert [error["code"] for error in again[name]["userErrors"]] == [code] * bool(code), again
    assert await money(populated) == before
    if code == "IDEMPOTENCY_KEY_REUSED":
        assert again[name]["userErrors"][0]["field"] == ["idempotencyKey"]
        # And with the other input that the same key would have been refused for while it was known.
        other = document.replace('"5.00"', '"6.00"').replace('"1.00"', '"2.00"')
        other = other.replace(f"{REASON}", "another reason").replace("HIDDEN-1", "HIDDEN-2")
        refused = await populated.data(other, who, **variables)
        assert [error["code"] for error in refused[name]["userErrors"]] == [code]
        assert await money(populated) == before
