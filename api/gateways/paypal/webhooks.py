"""Whether a message is PayPal's: offline with PayPal's certificate, else by asking PayPal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from api.gateways.paypal.allowance import Allowance, remembered
from api.gateways.paypal.certificates import Certificates
from api.gateways.paypal.messages import name_of
from api.gateways.paypal.signature import CertificateUnusable, Signature
from models.clock import now
from models.gateway import GatewayUnreachable, MessageRefused, SignatureRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.gateways.paypal.client import PayPalClient
    from api.gateways.paypal.merchant import Merchant
    from api.gateways.paypal.reading import Json

_REFUSED_SECONDS: Final = 60.0

_log = structlog.get_logger()


class Webhooks:
    """Verifies the messages of one webhook.

    What can be seen without PayPal is looked at first, and what PayPal must be asked for because of
    messages that may be anybody's is bounded (`Allowance`).
    """

    def __init__(self, merchant: Merchant, client: PayPalClient) -> None:
        self._webhook_id = merchant.webhook_id
        self._client = client
        self._allowance = Allowance()
        self._certificates = Certificates(merchant, client, self._allowance)
        self._refused = remembered(_REFUSED_SECONDS)

    async def verified(self, headers: Mapping[str, str], body: bytes) -> tuple[Signature, Json]:
        """The message, and what signs it. Raises MessageRefused, or GatewayProblem where PayPal
        must be asked and cannot be: it tells the message again.
        """
        signature = Signature.of(headers)
        signature.require_current(now())
        self._certificates.require_at_paypal(signature.cert_url)
        message = _read(body)
        name_of(message)
        if signature.transmission_id in self._refused:
            raise SignatureRefused("it was refused a moment ago")
        try:
            certificate = await self._certificates.at(signature.cert_url)
            signature.verify(certificate, self._webhook_id, body)
        except (CertificateUnusable, GatewayUnreachable) as problem:
            _log.warning("paypal.certificate_unusable", why=str(problem))
            await self._ask(signature, body)
        return signature, message

    def refuse(self, signature: Signature) -> None:
        """Take nothing under this transmission for a minute: PayPal was asked in vain."""
        self._refused[signature.transmission_id] = True

    async def _ask(self, signature: Signature, body: bytes) -> None:
        """Ask PayPal whether it signed this: the body byte by byte as it came, which is one value
        of the object that it is put into.
        """
        self._allowance.spend()
        asked = orjson.dumps({**asdict(signature), "webhook_id": self._webhook_id})
        asked = asked[:-1] + b',"webhook_event":' + body + b"}"
        told = await self._client.post("/v1/notifications/verify-webhook-signature", asked)
        if told.get("verification_status") != "SUCCESS":
            self.refuse(signature)
            raise SignatureRefused("PayPal says that the signature does not match")


def _read(body: bytes) -> Json:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MessageRefused("the body isn't JSON") from None
    if not isinstance(message, dict):
        raise MessageRefused("the body isn't a JSON object")
    return message
