"""A PayPal of our own: remembers orders, captures, refunds and disputes, and answers like PayPal.

`BackOffice` has what payers, banks and PayPal's staff do. Every exchange is judged by PayPal's
contract; `faults` must stay empty.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.support.paypal import published
from tests.support.paypal import signer as signing
from tests.support.paypal.back_office import BackOffice, found_in
from tests.support.paypal.referee import Answered, Asked, faults, wording
from tests.support.paypal.signer import CERT_PATH, Signer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

CLIENT_ID: Final = "AClientId"
CLIENT_SECRET: Final = "a-client-secret-that-nobody-may-see"
WEBHOOK_ID: Final = "4JH86294D6297924G"

_OPERATIONS: Final = {
    name: (method, re.compile(path))
    for name, method, path in (
        ("token", "POST", "/v1/oauth2/token"),
        ("create", "POST", "/v2/checkout/orders"),
        ("order", "GET", "/v2/checkout/orders/(?P<id>[^/]+)"),
        ("capture", "POST", "/v2/checkout/orders/(?P<id>[^/]+)/capture"),
        ("read_capture", "GET", "/v2/payments/captures/(?P<id>[^/]+)"),
        ("refund", "POST", "/v2/payments/captures/(?P<id>[^/]+)/refund"),
        ("read_refund", "GET", "/v2/payments/refunds/(?P<id>[^/]+)"),
        ("disputes", "GET", "/v1/customer/disputes"),
        ("dispute", "GET", "/v1/customer/disputes/(?P<id>[^/]+)"),
        ("verify", "POST", "/v1/notifications/verify-webhook-signature"),
    )
}

_MESSAGES: Final = {
    401: "Authentication failed due to missing authorization header, or invalid authentication "
    "credentials.",
    404: "The specified resource does not exist.",
    422: "The requested action could not be performed, semantically incorrect, or failed business "
    "validation.",
}

Reply = tuple[int, dict[str, Any]]


@dataclass
class Refused(Exception):
    """PayPal's error object."""

    status: int
    name: str
    issue: str

    def reply(self, operation: str) -> Reply:
        body = {
            "name": self.name,
            "message": _MESSAGES.get(self.status, "It cannot be done."),
            "debug_id": "b1d1f06c7246c",
            "details": [{"issue": self.issue, "description": wording(operation, self.issue)}],
        }
        return self.status, body


def unprocessable(issue: str) -> Refused:
    return Refused(422, "UNPROCESSABLE_ENTITY", issue)


NOT_FOUND: Final = Refused(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")


@dataclass
class FakePayPal:
    """PayPal at `url`. `troubles` of an operation happen once each, one after the other:

    a `Refused`, a status (asked in vain), "lost" (done, and the answer is lost), or "hangs".
    """

    url: str = "https://api-m.sandbox.paypal.com"
    back_office: BackOffice = field(init=False)
    signer: Signer = field(init=False)
    troubles: defaultdict[str, list[Refused | int | str]] = field(
        default_factory=lambda: defaultdict(list)
    )
    asked: list[str] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    judged: int = 0
    published: int = 0
    "How many exchanges PayPal's package has judged."
    certificate: bytes = field(default_factory=signing.certificate)
    certificate_status: int = 200
    _tokens: set[str] = field(default_factory=set)
    _repeated: dict[tuple[str, str], Reply] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.back_office = BackOffice(self.url)
        self.signer = Signer(self.url, WEBHOOK_ID)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/checkoutnow", self._checkout_page),
                Route(CERT_PATH.rpartition("/")[0] + "/{name}", self._certificate),
                Route("/{path:path}", self._exchange, methods=["GET", "POST"]),
            ]
        )

    def expire_tokens(self) -> None:
        self._tokens.clear()

    # ------------------------------------------------------------------------- HTTP

    async def _checkout_page(self, request: Request) -> Response:
        """The payer logs in and agrees, or goes back (`cancel`)."""
        order = self.back_office.orders[request.query_params["token"]]
        context = order["payment_source"]["paypal"]["experience_context"]
        if "cancel" in request.query_params:
            return RedirectResponse(f"{context['cancel_url']}?token={order['id']}", 303)
        self.back_office.approve(order["id"])
        url = f"{context['return_url']}?token={order['id']}&PayerID=5ANJSKDA"
        return RedirectResponse(url, 303)

    async def _certificate(self, request: Request) -> Response:
        self.asked.append("certificate")
        if request.url.path != CERT_PATH:
            return Response("no such certificate", 404)
        return Response(self.certificate, self.certificate_status, media_type="text/plain")

    async def _exchange(self, request: Request) -> Response:
        body = await request.body()
        name, id = self._operation(request)
        status, told = await self._reply(name, id, request, body)
        answer = json.dumps(told).encode()
        if status < 500 and (name, status) != ("token", 401):  # which is not documented
            self._judge(request, body, Answered(status, answer))
        return Response(answer, status, media_type="application/json")

    def _operation(self, request: Request) -> tuple[str, str]:
        for name, (method, pattern) in _OPERATIONS.items():
            if method == request.method and (hit := pattern.fullmatch(request.url.path)):
                return name, hit.groupdict().get("id", "")
        raise AssertionError(f"nobody asks PayPal for {request.method} {request.url.path}")

    def _judge(self, request: Request, body: bytes, answered: Answered) -> None:
        asked = Asked(
            request.method,
            request.url.path,
            body,
            dict(request.query_params),
            dict(request.headers),
        )
        self.judged += 1
        self.faults += faults(asked, answered)
        said = published.faults(asked, answered)
        if said is not None:
            self.published += 1
            self.faults += said

    async def _reply(self, name: str, id: str, request: Request, body: bytes) -> Reply:
        self.asked.append(name)
        self.request_ids += filter(None, [request.headers.get("paypal-request-id")])
        if name != "token" and not self._is_known(request):
            told = {"name": "AUTHENTICATION_FAILURE", "message": _MESSAGES[401]}
            return 401, {**told, "debug_id": "b1d1f06c7246c"}
        trouble = self.troubles[name].pop(0) if self.troubles[name] else None
        if isinstance(trouble, Refused):
            return trouble.reply(name)
        if isinstance(trouble, int):
            return trouble, {"name": "INTERNAL_SERVER_ERROR", "message": "no", "debug_id": "b1"}
        if trouble == "hangs":
            await asyncio.sleep(3600)
        reply = self._done(name, id, request, body)
        return (502, {}) if trouble == "lost" else reply

    def _is_known(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self._tokens

    def _done(self, name: str, id: str, request: Request, body: bytes) -> Reply:
        """Do it; the same PayPal-Request-Id answers the same, without doing it again."""
        request_id = request.headers.get("paypal-request-id", "")
        if request_id and (name, request_id) in self._repeated:
            told = self._repeated[name, request_id][1]
            if name == "create":  # told as it is by now
                return 200, self.back_office.shown(self.back_office.orders[told["id"]])
            return 201, told
        do: Callable[[str, Request, bytes], Reply] = getattr(self, f"_{name}")
        try:
            reply = do(id, request, body)
        except Refused as refused:
            return refused.reply(name)
        if request_id:
            self._repeated[name, request_id] = reply
        return reply

    # ------------------------------------------------------------------------- the operations

    def _token(self, _id: str, request: Request, _body: bytes) -> Reply:
        shown = request.headers.get("authorization", "").removeprefix("Basic ")
        if base64.b64decode(shown).decode() != f"{CLIENT_ID}:{CLIENT_SECRET}":
            return 401, {"error": "invalid_client", "error_description": "Client Authentication"}
        token = f"A21AA{next(self._numbers)}"
        self._tokens.add(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 32400}

    def _create(self, _id: str, _request: Request, body: bytes) -> Reply:
        self.bodies.append(json.loads(body))
        return 201, self.back_office.shown(self.back_office.new_order(json.loads(body)))

    def _order(self, id: str, _request: Request, _body: bytes) -> Reply:
        return 200, self.back_office.shown(found_in(self.back_office.orders, id, NOT_FOUND))

    def _capture(self, id: str, _request: Request, _body: bytes) -> Reply:
        order = found_in(self.back_office.orders, id, NOT_FOUND)
        if order["status"] == "COMPLETED":
            raise unprocessable("ORDER_ALREADY_CAPTURED")
        if order["status"] != "APPROVED":
            raise unprocessable("ORDER_NOT_APPROVED")
        return 201, self.back_office.shown(self.back_office.capture(order))

    def _read_capture(self, id: str, _request: Request, _body: bytes) -> Reply:
        return 200, found_in(self.back_office.captures, id, NOT_FOUND)

    def _refund(self, id: str, _request: Request, body: bytes) -> Reply:
        capture, asked = found_in(self.back_office.captures, id, NOT_FOUND), json.loads(body)
        known = self.back_office.refunds_of(capture)
        if any(one.get("invoice_id") == asked["invoice_id"] for one in known):
            raise unprocessable("DUPLICATE_INVOICE_ID")
        if self.back_office.refundable(capture) < Decimal(asked["amount"]["value"]):
            raise unprocessable("REFUND_AMOUNT_EXCEEDED")
        return 201, self.back_office.refund(id, **asked)

    def _read_refund(self, id: str, _request: Request, _body: bytes) -> Reply:
        return 200, found_in(self.back_office.refunds, id, NOT_FOUND)

    def _disputes(self, _id: str, request: Request, _body: bytes) -> Reply:
        about = request.query_params["disputed_transaction_id"]
        known = [
            one
            for one in self.back_office.disputes.values()
            if about in self.back_office.about(one)
        ]
        shown = ("dispute_id", "create_time", "update_time", "status", "dispute_amount")
        items = [{key: one[key] for key in shown} for one in known]
        return 200, {"items": items} if items else {}

    def _dispute(self, id: str, _request: Request, _body: bytes) -> Reply:
        return 200, found_in(self.back_office.disputes, id, NOT_FOUND)

    def _verify(self, _id: str, _request: Request, body: bytes) -> Reply:
        asked = json.loads(body)
        sent = self.signer.sent.get(asked["transmission_id"])
        # PayPal compares the bytes that it sent with those that came back.
        good = sent is not None and body.endswith(b'"webhook_event":' + sent + b"}")
        return 200, {"verification_status": "SUCCESS" if good else "FAILURE"}
