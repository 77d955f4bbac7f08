"""`GET /return/{payment}`: where hosted pages of gateways send the browser.

Whatever the address says of the payment is not believed: the gateway is asked, and the browser goes
on to the `returnUrl` that the payment was begun with.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from models.db.record import parse_id
from models.db.tasks import to_the_end
from models.payments import follow_up, payment
from models.payments.payment import Payment
from models.provider import provider

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import Request

#: How long the browser waits for the gateway; the asking itself goes on to its end.
_PATIENCE_SECONDS: Final = 8.0


def return_route(public_url: str, origins: frozenset[str]) -> Route:
    """The route. Browsers are sent to `origins` alone, or else to our own `/`."""

    async def come_back(request: Request) -> Response:
        payment_id = parse_id(Payment.PREFIX, request.path_params["payment"])
        found = await _heard_of(payment_id) if payment_id else None
        if found is None:
            raise HTTPException(404, "This payment doesn't exist.")
        allowed = provider.origin_of(found.return_url) in origins
        url = found.return_url if allowed else f"{public_url}/"
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(with_payment(url, found.public_id), 303, headers)

    return Route("/return/{payment}", come_back, methods=["GET"])


async def _heard_of(payment_id: UUID) -> Payment | None:
    """The payment, once its gateway was asked, or the browser has waited long enough."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await to_the_end(follow_up.came_back(payment_id))
    return await payment.read(payment_id)


def with_payment(url: str, payment: str) -> str:
    """`url` with `payment=<payment id>` as its last parameter, in place of any that it had."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and pair.split("=")[0] != "payment"]
    return parts._replace(query="&".join([*kept, f"payment={payment}"])).geturl()
