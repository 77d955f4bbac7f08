"""Webhooks from gateways: verified, stored, and only then answered with 200.

What they tell is believed once it is stored (`models.payments.inbox`); a gateway that gets no 200
tells it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.endpoint.http import address_of
from models.errors import Busy
from models.gateway import GatewayProblem, MessageRefused, SignatureRefused, sender
from models.payments import follow_up, transmission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from models.gateway import Gateway

BODY_BYTES_MAX: Final = 256 * 1024
RETRY_AFTER_SECONDS: Final = 10

_log = structlog.stdlib.get_logger("webhooks")


def webhook_route(gateways: Mapping[str, Gateway]) -> Route:
    """`POST /webhooks/{gateway}`."""

    async def take(request: Request) -> Response:
        gateway = gateways.get(request.path_params["gateway"])
        if gateway is None:
            return _refused(404, "This gateway doesn't exist.")
        try:
            body = await request.body()
        except ClientDisconnect:
            return _refused(400, "The message is incomplete.")
        sender.set(address_of(request.scope))
        return await _answered(gateway, request.headers, body)

    return Route(
        "/webhooks/{gateway}", take, methods=["POST"], max_body_size=BODY_BYTES_MAX, name="webhook"
    )


async def _answered(gateway: Gateway, headers: Mapping[str, str], body: bytes) -> Response:
    try:
        events = await transmission.receive(gateway, headers, body)
    except SignatureRefused as refusal:
        _log.warning("message refused", gateway=gateway.code, reason=str(refusal))
        return _refused(401, "The message isn't signed correctly.")
    except MessageRefused as refusal:
        _log.warning("message refused", gateway=gateway.code, reason=str(refusal))
        return _refused(400, "The message can't be read.")
    except GatewayProblem as problem:
        _log.warning("message not verified", gateway=gateway.code, reason=str(problem))
        return _later()
    except Busy as busy:
        _log.warning("message put off", gateway=gateway.code, code=busy.code)
        return _later()
    except Exception:  # noqa: BLE001 - whatever it was, it must not be lost
        # Not stored, so not taken: the gateway keeps it and tells it again.
        _log.exception("message not stored", gateway=gateway.code)
        return _later()
    return JSONResponse(
        {"received": True}, background=BackgroundTask(follow_up.take_approved, events)
    )


def _later() -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _refused(503, "The message couldn't be stored. Send it again.", headers)


def _refused(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": error}, status, headers)
