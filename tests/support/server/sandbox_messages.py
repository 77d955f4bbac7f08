"""A gateway's messages from outside: Standard Webhooks, signed or forged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import httpx
from standardwebhooks import Webhook

from tests.support.server.demo_server import WEBHOOK_SECRET

if TYPE_CHECKING:
    from tests.support.server.api_client import Answer
    from tests.support.server.demo_server import DemoServer

_ids = count()


def message(type: str, payment: Answer, **data: str) -> bytes:
    return json.dumps({"type": type, "data": {"payment": payment["id"], **data}}).encode()


def signed(
    body: bytes, secret: str = WEBHOOK_SECRET, id: str = "", at: datetime | None = None
) -> dict[str, str]:
    """The headers of a message."""
    id, at = id or f"msg_{next(_ids)}", at or datetime.now(UTC)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, at, body.decode()),
        "content-type": "application/json",
    }


def send(server: DemoServer, body: bytes, headers: dict[str, str] | None = None) -> int:
    """The status of the answer."""
    given = signed(body) if headers is None else headers
    return httpx.post(f"{server.url}/webhooks/sandbox", content=body, headers=given).status_code


def captured(payment: Answer, capture: str, amount: str = "25.00", currency: str = "USD") -> bytes:
    return message("payment.captured", payment, capture=capture, amount=amount, currency=currency)
