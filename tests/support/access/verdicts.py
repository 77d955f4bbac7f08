"""What an answer says of who may what, as a letter of the table."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from models.clock import now
from models.db.record import new_id
from schema import make_schema
from tests.support.access.callers import EMAIL, PopulatedServer
from tests.support.providers import key

Body = dict[str, Any]


SCHEMA: Final[Any] = make_schema()._schema


REFUSED: Final = {
    "UNAUTHENTICATED": "U",
    "FORBIDDEN": "F",
    "NOT_FOUND": "N",
    "CODE_REFUSED": "R",
    "INVALID_CREDENTIALS": "R",
    "NOT_ALLOWED": "R",
    "SIGN_UP_CLOSED": "R",
    "TOKEN_REFUSED": "R",
}


def at(value: Any, path: str) -> Any:
    """What is at that path of the data; a list where there are lists on the way."""
    for name in path.split("."):
        if isinstance(value, list):
            value = [each[name] for each in value]
        elif value is not None:
            value = value[name]
    return value


def verdict(populated: PopulatedServer, body: Body, path: str) -> str:
    """The letter that an answer deserves."""
    if body.get("errors"):
        codes = {error["extensions"]["code"] for error in body["errors"]}
        assert len(codes) == 1, body
        return REFUSED[codes.pop()]
    payload = body["data"].get(path.partition(".")[0])
    if isinstance(payload, dict) and payload.get("userErrors"):
        return REFUSED[payload["userErrors"][0]["code"]]
    value = at(body["data"], path)
    if value is None:
        return "-"
    if value == [] or (isinstance(value, dict) and value.get("totalCount") == 0):
        return "0"
    return "+" if populated.shows_ada(json.dumps(value)) else "~"


async def a_target(populated: PopulatedServer, name: str) -> Body:  # noqa: C901, PLR0912 - a table
    """Variables of a mutation, with something fresh of Ada's to do it to."""
    match name:
        case "payInvoice" | "payInvoices" | "voidInvoice":
            made: Body = {"target": (await populated.an_order()).public_id}
        case "extendHold" | "captureHold" | "releaseHold":
            made = {"target": (await populated.a_hold()).public_id}
        case "recheckPayment" | "cancelPayment":
            made = {"target": (await populated.a_payment()).public_id}
        case "recordPaymentOutcome":
            made = {"target": (await populated.a_processing_payment()).public_id}
        case "refundPayment":
            made = {"target": (await populated.a_deposit()).public_id}
        case "assignBankCredit" | "dismissBankCredit":
            credit = await populated.a_bank_credit()
            made = {
                "target": credit.public_id,
                "text": (await populated.a_payment("bank-transfer")).reference,
            }
        case "recordBankTransfer":
            made = {"text": (await populated.a_payment("bank-transfer")).reference}
        case "revokeApiKey" | "rotateApiKey":
            made = {"target": await populated.a_key()}
        case "deleteWebhookEndpoint":
            made = {"target": (await populated.an_endpoint()).public_id}
        case "resendWebhooks":
            made = {"target": populated.ids["webhook_endpoint"], "text": populated.ids["event"]}
        case "updateWebhookEndpoint" | "rotateWebhookSecret" | "sendTestEvent":
            made = {"target": populated.ids["webhook_endpoint"]}
        case "redeemVoucher":
            made = {"target": populated.ids["account"], "text": await populated.a_voucher()}
        case "changeMember" | "removeMember":
            made = {"target": await populated.a_member()}
        case "endSession":
            made = {"target": await populated.a_session("client")}
        case "signIn":
            made = {"text": EMAIL}
        case _:
            made = {"target": populated.ids["account"], "text": f"{new_id().hex}@client.example"}
    if "target" in made:
        populated.ids["target"] = made["target"]
    until = now() + timedelta(days=2)
    return {"key": key(), "until": until.isoformat(), **made}
