"""The sandbox: a gateway that simulates payments, so that integrators can try every path.

How it behaves is in `charge.py`, its charges are kept by `models/edge/sandbox_charge.py`. Its
messages are signed after Standard Webhooks and come in at `/webhooks/sandbox` like any other's.
"""

from __future__ import annotations

import base64
import hmac
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson
from standardwebhooks import Webhook

from api.gateways.base import OwnGateway
from api.gateways.fee import Fee
from api.gateways.sandbox import charges
from api.gateways.sandbox.charge import Charge, NotPossible
from api.gateways.sandbox.reading import ID, event_of, read, told_of
from models.clock import now
from models.gateway import (
    GatewayDeclined,
    GatewayEvent,
    GatewayKind,
    MessageRefused,
    PaymentOrder,
    Redirect,
    RefundOrder,
    SignatureRefused,
    Started,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.gateways.sandbox.messages import Notice

TOLERANCE_SECONDS: Final = 5 * 60


class SandboxGateway(OwnGateway):
    """Takes nothing, says everything."""

    code = "sandbox"
    kind = GatewayKind.SANDBOX
    refunds = True

    def __init__(
        self,
        public_url: str,
        secrets: Sequence[str],
        currencies: frozenset[str],
        fee: Fee | None = None,
    ) -> None:
        """`secrets` are `whsec_` and base64; the first signs, all verify. Raises ValueError."""
        super().__init__(fee or Fee())
        self.public_url = public_url
        self.currencies = currencies
        self._signers = [Webhook(_key(secret)) for secret in secrets]
        if not self._signers:
            raise ValueError("SANDBOX_WEBHOOK_SECRET is needed")

    # --------------------------------------------------------------------------- the port

    async def start(self, order: PaymentOrder) -> Started:
        """Send the payer to the sandbox's page of this payment."""
        charge = await charges.open_charge(order)
        url = f"{self.public_url}/sandbox/pay/{charge.url_key}"
        return Started(charge.id.hex, Redirect(url, charge.expires_at), charge.expires_at)

    async def parse_message(self, headers: Mapping[str, str], body: bytes) -> list[GatewayEvent]:
        """One event; IGNORED where the type is not one of ours. Raises MessageRefused."""
        occurred_at = self._verify(headers, body)
        return [event_of(headers["webhook-id"], *read(body), occurred_at)]

    async def fetch(self, order: PaymentOrder) -> list[GatewayEvent]:
        """All that is true by now, whether its messages came through or not."""
        charge = await charges.by_payment(order.id)
        return [] if charge is None else told_of(charge)

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        """Give it up unless something has happened to it, then or later."""
        charge = await charges.open_charge(order)
        return told_of(await charges.change(charge, Charge.cancel))

    async def refund(self, order: RefundOrder) -> list[GatewayEvent]:
        """Give it back at once."""
        charge = await charges.by_payment(order.payment.id)
        if charge is None:
            raise GatewayDeclined("not_refundable")
        try:
            charge = await charges.change(charge, lambda now: now.refund(order.amount, order.id))
        except NotPossible as reason:
            raise GatewayDeclined("not_refundable") from reason
        return [told for told in told_of(charge) if told.refund == order.id]

    # --------------------------------------------------------------------------- signatures

    def signed(self, message: Notice) -> tuple[dict[str, str], bytes]:
        """The headers and body of a message, as they come in at `/webhooks/sandbox`."""
        moment = now()
        body = orjson.dumps({"type": message.type, "data": message.data})
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": self._signers[0].sign(message.id, moment, body.decode()),
        }
        return headers, body

    def _verify(self, headers: Mapping[str, str], body: bytes) -> datetime:
        """When it was signed (Standard Webhooks 1.0). Raises SignatureRefused."""
        message_id = headers.get("webhook-id", "")
        if not ID.fullmatch(message_id):
            raise SignatureRefused("webhook-id is missing or malformed")
        moment = _moment(headers.get("webhook-timestamp", ""))
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise MessageRefused("the body isn't UTF-8") from None
        # Several signatures come while the sender replaces its secret, several secrets while we do.
        given = [part.encode() for part in headers.get("webhook-signature", "").split(" ")]
        wanted = [signer.sign(message_id, moment, text).encode() for signer in self._signers]
        good = [hmac.compare_digest(one, other) for one in wanted for other in given]
        if not any(good):
            raise SignatureRefused("no signature matches")
        return moment


def _key(secret: str) -> bytes:
    """The bytes of `whsec_` and base64. Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("SANDBOX_WEBHOOK_SECRET must be whsec_ and base64")
    return key


def _moment(timestamp: str) -> datetime:
    """The time in `webhook-timestamp`, if that is now. Raises SignatureRefused."""
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise SignatureRefused("webhook-timestamp is missing or malformed")
    if abs(now().timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureRefused("the message is too old or from the future")
    return datetime.fromtimestamp(int(timestamp), UTC)
