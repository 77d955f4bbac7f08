"""A gateway's messages from outside: Standard Webhooks, signed or forged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import httpx
from standardwebhooks import Webhook

from tests.journeys.shop import WEBHOOK_SECRET

if TYPE_CHECKING:
    from tests.journeys.portal import Answer
    from tests.journeys.shop import Shop

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


def send(shop: Shop, body: bytes, headers: dict[str, str] | None = None) -> int:
    """The status of the answer."""
    given = signed(body) if headers is None else headers
    return httpx.post(f"{shop.url}/webhooks/sandbox", content=body, headers=given).status_code
