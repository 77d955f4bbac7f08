"""The sandbox: a gateway that only pretends, so that integrators can try every path.

Its pages are beside this, its charges in `models/edge/sandbox_charge.py`. Its messages are signed
after Standard Webhooks and come in at `/webhooks/sandbox` like any other's.
"""

from __future__ import annotations

import base64
import hmac
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import orjson
from standardwebhooks import Webhook

from api.gateways.fee import Fee, name_of_gateway
from models.clock import now
from models.edge import sandbox_charge
from models.edge.sandbox_charge import ChargeStatus, Message, NotPossible, SandboxCharge, Say
from models.errors import Refusal
from models.gateway import (
    MONEY_KINDS,
    EventKind,
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
from models.money import Money, exponent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.settings.settings import Settings

TOLERANCE_SECONDS: Final = 5 * 60

# Where each message carries the id of the capture, refund or dispute that it is about.
_REFERENCE_KEYS: Final = {
    EventKind.CAPTURED: "capture",
    EventKind.REFUNDED: "refund",
    EventKind.DISPUTED: "dispute",
    EventKind.DISPUTE_WON: "dispute",
    EventKind.DISPUTE_LOST: "dispute",
}
_DATA_KEYS: Final = (
    "payment",
    "capture",
    "refund",
    "request",
    "dispute",
    "amount",
    "currency",
    "failure",
)
_ID: Final = re.compile(r"[\x21-\x7e]{1,255}")
_AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.([0-9]{1,9}))?")


class SandboxGateway:
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
        self.public_url = public_url
        self.currencies = currencies
        self._signers = [Webhook(_key(secret)) for secret in secrets]
        self._fee = fee or Fee()
        if not self._signers:
            raise ValueError("SANDBOX_WEBHOOK_SECRET is needed")

    @classmethod
    def from_settings(cls, settings: Settings) -> SandboxGateway | None:
        """None unless ACCOUNT_CREDIT_SANDBOX or demo mode is on."""
        if not settings.sandbox:
            return None
        return cls(
            settings.public_url,
            settings.sandbox_secrets,
            frozenset(settings.funds_limits),
            Fee.from_settings(settings, cls.code),
        )

    # --------------------------------------------------------------------------- the port

    def name(self, locale: str) -> str:
        """The name in the drop-down."""
        return name_of_gateway(self.code, locale)

    def minimum(self, currency: str) -> Money | None:  # noqa: ARG002 - the port's
        """None: any amount."""
        return None

    def maximum(self, currency: str) -> Money | None:  # noqa: ARG002 - the port's
        """None: any amount."""
        return None

    def fee(self, amount: Money) -> Money:
        """GATEWAY_FEES, or nothing."""
        return self._fee.on(amount)

    async def start(self, order: PaymentOrder) -> Started:
        """Send the payer to the sandbox's page of this payment."""
        charge = await sandbox_charge.open_charge(order)
        url = f"{self.public_url}/sandbox/pay/{charge.token}"
        return Started(charge.id.hex, Redirect(url, charge.expires_at), charge.expires_at)

    async def parse_message(self, headers: Mapping[str, str], body: bytes) -> list[GatewayEvent]:
        """One event; IGNORED where the type is not one of ours. Raises MessageRefused."""
        occurred_at = self._verify(headers, body)
        return [_event(headers["webhook-id"], *_read(body), occurred_at)]

    async def fetch(self, order: PaymentOrder) -> list[GatewayEvent]:
        """All that is true by now, whether its messages came through or not."""
        charge = await sandbox_charge.by_payment(order.id)
        return [] if charge is None else _told(charge)

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        """Give it up unless something has happened to it, then or later."""
        charge = await sandbox_charge.open_charge(order)
        return _told(await sandbox_charge.change(charge, SandboxCharge.cancel))

    async def refund(self, order: RefundOrder) -> list[GatewayEvent]:
        """Give it back at once."""
        charge = await sandbox_charge.by_payment(order.payment.id)
        if charge is None:
            raise GatewayDeclined("not_refundable")
        try:
            charge = await sandbox_charge.change(
                charge, lambda now: now.refund(order.amount, order.id)
            )
        except NotPossible as reason:
            raise GatewayDeclined("not_refundable") from reason
        return [told for told in _told(charge) if told.refund == order.id]

    # --------------------------------------------------------------------------- signatures

    def signed(self, message: Message) -> tuple[dict[str, str], bytes]:
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
        if not _ID.fullmatch(message_id):
            raise SignatureRefused("webhook-id is missing or malformed")
        moment = _moment(headers.get("webhook-timestamp", ""))
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise MessageRefused("the body is not UTF-8") from None
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


# ------------------------------------------------------------------------------- reading


def _read(body: bytes) -> tuple[str, Mapping[str, Any]]:
    """The type and the data of a message. Raises MessageRefused."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MessageRefused("the body is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
        raise MessageRefused("the body is no object with data")
    return _text(message, "type"), message["data"]


def _event(
    event_id: str, type_: str, data: Mapping[str, Any], occurred_at: datetime
) -> GatewayEvent:
    """What a message tells us. Raises MessageRefused."""
    kind = _kind(type_)
    if kind is EventKind.IGNORED:
        raw = {"type": type_}
        payment = data.get("payment")
        named = payment if _is_id(payment) else ""
        return GatewayEvent(event_id, kind, named, occurred_at=occurred_at, raw=raw)
    known = {key: _text(data, key) for key in _DATA_KEYS if data.get(key) is not None}
    moves_money = kind in MONEY_KINDS
    return GatewayEvent(
        event_id,
        kind,
        payment=_text(known, "payment"),
        reference=_text(known, _REFERENCE_KEYS[kind]) if moves_money else "",
        amount=_amount(known) if moves_money else None,
        occurred_at=occurred_at,
        failure=known.get("failure", ""),
        refund=known.get("request", ""),
        raw={"type": type_, "data": known},
    )


def _kind(type_: str) -> EventKind:
    try:
        return EventKind[Say(type_).name]
    except ValueError:
        return EventKind.IGNORED


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not _is_id(value):
        raise MessageRefused(f"{key} is missing or malformed")
    return value


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _amount(data: Mapping[str, str]) -> Money:
    """A positive amount with no more decimals than its currency has. Raises MessageRefused."""
    currency = _text(data, "currency")
    found = _AMOUNT.fullmatch(_text(data, "amount"))
    try:
        if found is None or len(found[1] or "") > exponent(currency):
            raise MessageRefused("amount is malformed")
        money = Money.parse(Decimal(found[0]), currency)
    except Refusal as refusal:
        raise MessageRefused(f"no such amount of money: {refusal.code}") from None
    if not money:
        raise MessageRefused("amount is zero")
    return money


def _told(charge: SandboxCharge) -> list[GatewayEvent]:
    """All that is true of a charge. The ids are the same each time, so that each is stored once."""
    facts = charge.facts()
    if not facts and charge.status in {ChargeStatus.CANCELED, ChargeStatus.EXPIRED}:
        kind = EventKind[charge.status.name]
        event_id = f"fetch:{charge.payment}:{kind.lower()}"
        moment = charge.canceled_at or charge.expires_at
        return [GatewayEvent(event_id, kind, charge.payment, occurred_at=moment)]
    return [
        _event(f"fetch:{fact.subject}:{fact.type}", fact.type, fact.data, fact.happens_at)
        for fact in facts
    ]
