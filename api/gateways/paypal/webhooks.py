"""Whether a message is PayPal's: offline with PayPal's certificate, else by asking PayPal."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import httpx
import orjson
import structlog

from api.gateways.paypal.signature import CertificateUnusable, Signature, certificate_in
from models.base import now
from models.gateway import GatewayUnreachable, MessageRefused, SignatureRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from api.gateways.paypal.client import PayPalClient
    from api.gateways.paypal.merchant import Merchant
    from api.gateways.paypal.reading import Json

_KEPT_SECONDS: Final = 24 * 60 * 60.0
_KEPT_MAX: Final = 16

_log = structlog.get_logger()


class Webhooks:
    """Verifies the messages of one webhook. Keeps certificates for a day."""

    def __init__(self, merchant: Merchant, client: PayPalClient) -> None:
        self._webhook_id = merchant.webhook_id
        self._client = client
        self._certificates: dict[str, tuple[float, x509.Certificate]] = {}
        origins = "|".join(re.escape(origin) for origin in merchant.cert_origins)
        # The whole address, so that there is no room for another host, a port or a query.
        self._cert_url = re.compile(
            rf"(?:{origins})/v1/notifications/certs/[A-Za-z0-9_-]{{1,200}}", re.ASCII
        )

    async def verified(self, headers: Mapping[str, str], body: bytes) -> Json:
        """The message. Raises MessageRefused, or GatewayProblem where PayPal must be asked and
        cannot be: it tells the message again.
        """
        signature = Signature.of(headers)
        signature.require_current(now())
        if not self._cert_url.fullmatch(signature.cert_url):
            raise SignatureRefused("its certificate is not at PayPal")
        try:
            certificate = await self._certificate(signature.cert_url)
            signature.verify(certificate, self._webhook_id, body)
        except (CertificateUnusable, GatewayUnreachable) as problem:
            _log.warning("paypal.certificate_unusable", why=str(problem))
            await self._ask(signature, body)
        return _read(body)

    async def _certificate(self, url: str) -> x509.Certificate:
        until, certificate = self._certificates.get(url, (0.0, None))
        if certificate is not None and time.monotonic() < until:
            return certificate
        answer = await self._client.fetch_file(url)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise SignatureRefused("PayPal has no such certificate")
        if not answer.is_success:
            raise CertificateUnusable(f"PayPal answered {answer.status_code}")
        certificate = certificate_in(answer.content)
        self._keep(url, certificate)
        return certificate

    def _keep(self, url: str, certificate: x509.Certificate) -> None:
        self._certificates.pop(url, None)
        while len(self._certificates) >= _KEPT_MAX:
            self._certificates.pop(next(iter(self._certificates)))
        self._certificates[url] = (time.monotonic() + _KEPT_SECONDS, certificate)

    async def _ask(self, signature: Signature, body: bytes) -> None:
        """Ask PayPal whether it signed this: the body byte by byte as it came."""
        _read(body)  # So that it stays one value of the object that it is put into.
        asked = orjson.dumps({**asdict(signature), "webhook_id": self._webhook_id})
        asked = asked[:-1] + b',"webhook_event":' + body + b"}"
        told = await self._client.post("/v1/notifications/verify-webhook-signature", asked)
        if told.get("verification_status") != "SUCCESS":
            raise SignatureRefused("PayPal says that the signature does not match")


def _read(body: bytes) -> Json:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MessageRefused("the body is not JSON") from None
    if not isinstance(message, dict):
        raise MessageRefused("the body is no object")
    return message
