"""Runs localstripe, on loopback alone: `python localstripe_server.py PORT`.

It runs in an environment of its own, and is taught what newer versions of Stripe's API have and
our gateway uses: some facts of PaymentIntents, and idempotency keys.
"""

# What it imports is in that other environment.
# mypy: disable-error-code="import-not-found,untyped-decorator"

from __future__ import annotations

import sys
from typing import Any

from aiohttp import web
from localstripe import resources

_NEWER = ("allowed_payment_method_types", "description", "statement_descriptor_suffix")

_init = resources.PaymentIntent.__init__
_cancel = resources.PaymentIntent._api_cancel
_answers: dict[str, tuple[int, bytes]] = {}


def init(self: Any, **given: Any) -> None:
    newer = {name: given.pop(name, None) for name in _NEWER}
    _init(self, **given)
    vars(self).update(newer, cancellation_reason=None)


def cancel(id: str, cancellation_reason: str | None = None) -> Any:
    canceled = _cancel(id)
    canceled.cancellation_reason = cancellation_reason
    return canceled


@web.middleware
async def once(request: web.Request, handler: Any) -> web.StreamResponse:
    """The same answer for the same key."""
    key = request.headers.get("Idempotency-Key", "")
    if key in _answers:
        status, body = _answers[key]
        return web.Response(status=status, body=body, content_type="application/json")
    answer: web.Response = await handler(request)
    if key and isinstance(answer.body, bytes):
        _answers[key] = (answer.status, answer.body)
    return answer


resources.PaymentIntent.__init__ = init
resources.PaymentIntent.amount_received = property(
    lambda intent: intent.amount if intent.status == "succeeded" else 0
)
resources.extra_apis[:] = [
    (method, url, cancel if url == "/v1/payment_intents/{id}/cancel" else api)
    for method, url, api in resources.extra_apis
]

if __name__ == "__main__":
    from localstripe.server import app

    app.middlewares.insert(0, once)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
