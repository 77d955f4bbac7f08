"""A small Stripe in place of the network.

It speaks with the SDK as Stripe does: forms in, JSON out, one answer per idempotency key, compared
by its parameters. Its objects are those that the SDK's classes describe (`objects.py`), and
`contracts.py` referees what it is asked.
"""

from __future__ import annotations

import json
import time
from copy import deepcopy
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import stripe

from tests.support.stripe import objects
from tests.support.stripe.objects import Object

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer = tuple[int, Object]


class RefusedError(Exception):
    """An error as Stripe answers it."""

    def __init__(self, status: int, **error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = {"type": "invalid_request_error", "message": "No.", **error}


class FakeStripe(stripe.HTTPClient):
    """Give it to the gateway as `http`."""

    name = "fake"

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, Object] = {}
        self.intents: dict[str, Object] = {}
        self.refunds: dict[str, Object] = {}
        self.disputes: dict[str, Object] = {}
        self.asked: list[tuple[str, str]] = []
        self.keys: list[str] = []
        self.refuse: RefusedError | None = None
        self.deaf = False
        self.loses_answers = False
        self.faults: list[str] = []
        self._answers: dict[str, tuple[str, Answer]] = {}
        self._ids = count(1)

    # ------------------------------------------------------------------------- the network

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if self.deaf:
            raise stripe.APIConnectionError("no answer")  # type: ignore[no-untyped-call]
        parts = urlsplit(url)
        form = _nested(post_data if method == "post" else parts.query)
        self.asked.append((method, parts.path))
        status, answer = self._answered(method, parts.path, form, headers)
        if status == 200:
            self._judge(answer)
        if self.loses_answers:
            raise stripe.APIConnectionError("the answer was lost")  # type: ignore[no-untyped-call]
        return json.dumps(answer).encode(), status, {"request-id": "req_1"}

    async def close_async(self) -> None:
        pass

    def _judge(self, answer: Object) -> None:
        """What the SDK's classes have against an answer."""
        for one in answer["data"] if answer["object"] == "list" else [answer]:
            self.faults += objects.faults(one["object"], one)

    def _answered(self, method: str, path: str, form: Object, headers: Mapping[str, str]) -> Answer:
        key = headers.get("Idempotency-Key", "")
        said = f"{path} {json.dumps(form, sort_keys=True)}"
        before = self._answers.get(key)
        if before is not None and self.refuse is None:
            return (
                before[1] if before[0] == said else _no(RefusedError(400, type="idempotency_error"))
            )
        try:
            answer = 200, deepcopy(self._handled(method, path.split("/")[2:], form))
        except RefusedError as refused:
            return _no(refused)
        # The SDK makes keys of its own where we give none.
        if method == "post" and form.get("metadata"):
            self.keys.append(key)
            self._answers[key] = (said, answer)
        return answer

    def _handled(self, method: str, path: list[str], form: Object) -> Object:  # noqa: PLR0911
        if self.refuse is not None:
            raise self.refuse
        match method, path:
            case "post", ["checkout", "sessions"]:
                return self._open_session(form)
            case "get", ["checkout", "sessions", name]:
                return _found(self.sessions, name)
            case "post", ["checkout", "sessions", name, "expire"]:
                return self._expire(_found(self.sessions, name))
            case "post", ["payment_intents"]:
                return self._open_intent(form)
            case "get", ["payment_intents", name]:
                return _found(self.intents, name)
            case "post", ["payment_intents", name, "cancel"]:
                return self._cancel(_found(self.intents, name), form)
            case "get", ["refunds" | "disputes" as kind]:
                return self._listed(getattr(self, kind), form)
            case "post", ["refunds"]:
                return self._refund(form)
        raise RefusedError(404, code="resource_missing")

    # ------------------------------------------------------------------------- its objects

    def _made(self, kind: str, prefix: str, **facts: Any) -> Object:
        made = objects.example(kind)
        made |= {"id": f"{prefix}{next(self._ids)}", "created": int(time.time()), **facts}
        return made

    def _open_session(self, form: Object) -> Object:
        if not 1800 <= int(form["expires_at"]) - time.time() <= 24 * 3600:
            raise RefusedError(400, param="expires_at")
        price = form["line_items"]["0"]["price_data"]
        session = self._made(
            "checkout.session",
            "cs_test_",
            amount_total=int(price["unit_amount"]),
            currency=price["currency"],
            client_reference_id=form["client_reference_id"],
            metadata=form["metadata"],
            expires_at=int(form["expires_at"]),
            payment_intent=None,
        )
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
        self.sessions[session["id"]] = session
        return session

    def _expire(self, session: Object) -> Object:
        if session["status"] != "open":
            raise RefusedError(400)
        session["status"] = "expired"
        return session

    def _open_intent(self, form: Object) -> Object:
        intent = self._made(
            "payment_intent",
            "pi_",
            amount=int(form["amount"]),
            currency=form["currency"],
            metadata=form["metadata"],
            last_payment_error=None,
            canceled_at=None,
        )
        intent["client_secret"] = f"{intent['id']}_secret_1"
        self.intents[intent["id"]] = intent
        return intent

    def _cancel(self, intent: Object, form: Object) -> Object:
        if not intent["status"].startswith("requires_"):
            raise RefusedError(400, code="payment_intent_unexpected_state")
        intent |= {"status": "canceled", "cancellation_reason": form["cancellation_reason"]}
        return intent

    def _refund(self, form: Object) -> Object:
        intent = _found(self.intents, form["payment_intent"])
        amount = int(form["amount"])
        charge = intent["latest_charge"]
        if amount > charge["amount"] - charge["amount_refunded"]:
            raise RefusedError(400, code="charge_already_refunded")
        return self.give_back(intent, amount, metadata=form["metadata"])

    def _listed(self, objects: dict[str, Object], form: Object) -> Object:
        found = [one for one in objects.values() if one["payment_intent"] == form["payment_intent"]]
        return {"object": "list", "data": found, "has_more": False, "url": "/v1"}

    # ------------------------------------------------------------------------- what people do

    def intent_of(self, ref: str) -> Object:
        """The PaymentIntent of a payment: its own, or the one that its page has made."""
        if ref in self.intents:
            return self.intents[ref]
        session = self.sessions[ref]
        if session["payment_intent"] is None:
            form = {
                "amount": session["amount_total"],
                "currency": session["currency"],
                "metadata": session["metadata"],
            }
            session["payment_intent"] = self._open_intent(form)["id"]
        return self.intents[session["payment_intent"]]

    def pay(self, ref: str, received: int | None = None) -> Object:
        """The payer pays; the bank lets `received` through, or all."""
        intent = self.intent_of(ref)
        amount = intent["amount"] if received is None else received
        charge = self._made(
            "charge", "ch_", amount=amount, payment_intent=intent["id"], amount_refunded=0
        )
        charge["refunds"]["data"] = []
        intent |= {"status": "succeeded", "amount_received": amount, "latest_charge": charge}
        if ref in self.sessions:
            self.sessions[ref] |= {"status": "complete", "payment_status": "paid"}
        return intent

    def decline(self, ref: str, **error: str) -> Object:
        intent = self.intent_of(ref)
        intent["last_payment_error"] = {"type": "card_error", "code": "card_declined", **error}
        return intent

    def give_back(self, intent: Object, amount: int, **facts: Any) -> Object:
        refund = self._made(
            "refund",
            "re_",
            amount=amount,
            currency=intent["currency"],
            payment_intent=intent["id"],
            **facts,
        )
        self.refunds[refund["id"]] = refund
        charge = intent["latest_charge"]
        charge["amount_refunded"] += amount
        charge["refunds"]["data"].append(refund)
        return refund

    def dispute(self, intent: Object, status: str, amount: int | None = None) -> Object:
        dispute = self._made(
            "dispute",
            "dp_",
            amount=amount or intent["amount"],
            currency=intent["currency"],
            payment_intent=intent["id"],
            status=status,
        )
        self.disputes[dispute["id"]] = dispute
        intent["latest_charge"]["disputed"] = True
        return dispute


def _no(refused: RefusedError) -> Answer:
    return refused.status, {"error": refused.error}


def _found(objects: dict[str, Object], name: str) -> Object:
    if name not in objects:
        raise RefusedError(404, code="resource_missing")
    return objects[name]


def _nested(text: str | None) -> Object:
    """`a[b][0]=c` as `{"a": {"b": {"0": "c"}}}`."""
    form: Object = {}
    for name, value in parse_qsl(text or ""):
        *path, last = name.replace("]", "").split("[")
        inner = form
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return form
