"""PayPal's certificates: fetched from PayPal's own host only, and kept."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

import httpx
from cachetools import LRUCache

from api.gateways.paypal.allowance import Allowance, remembered
from api.gateways.paypal.signature import CertificateUnusable, certificate_in
from models.gateway import SignatureRefused

if TYPE_CHECKING:
    from cryptography import x509

    from api.gateways.paypal.client import PayPalClient
    from api.gateways.paypal.merchant import Merchant

_KEPT_SECONDS: Final = 24 * 60 * 60.0
_KEPT_MAX: Final = 16
_BAD_SECONDS: Final = 10 * 60.0


class Certificates:
    """Those that messages have named. One that is good is kept for a day, and then fetched again
    whoever asks; one that is not is left alone for ten minutes.
    """

    def __init__(self, merchant: Merchant, client: PayPalClient, allowance: Allowance) -> None:
        self._client = client
        self._allowance = allowance
        # Until when each is good; one that was good once is fetched again without asking who asks.
        self._kept: LRUCache[str, tuple[float, x509.Certificate]] = LRUCache(_KEPT_MAX)
        self._missing = remembered(_BAD_SECONDS)
        self._unusable = remembered(_BAD_SECONDS)
        origins = "|".join(re.escape(origin) for origin in merchant.cert_origins)
        # The whole address, so that there is no room for another host, a port or a query.
        self._url = re.compile(
            rf"(?:{origins})/v1/notifications/certs/[A-Za-z0-9_-]{{1,200}}", re.ASCII
        )

    def require_at_paypal(self, url: str) -> None:
        """Raises SignatureRefused where PayPal has no certificate there."""
        if not self._url.fullmatch(url):
            raise SignatureRefused("its certificate isn't hosted by PayPal")
        if url in self._missing:
            raise SignatureRefused("PayPal has no such certificate")

    async def at(self, url: str) -> x509.Certificate:
        """The certificate there.

        Raises SignatureRefused, CertificateUnusable, GatewayUnreachable.
        """
        until, certificate = self._kept.get(url, (0.0, None))
        if certificate is not None and time.monotonic() < until:
            return certificate
        if url in self._unusable:
            raise CertificateUnusable("it could not be used a moment ago")
        if certificate is None:
            self._allowance.spend()
        certificate = await self._fetched(url)
        self._kept[url] = (time.monotonic() + _KEPT_SECONDS, certificate)
        return certificate

    async def _fetched(self, url: str) -> x509.Certificate:
        answer = await self._client.fetch_file(url)
        if answer.status_code == httpx.codes.NOT_FOUND:
            self._missing[url] = True
            raise SignatureRefused("PayPal has no such certificate")
        try:
            # What an error answers is no certificate.
            return certificate_in(answer.content if answer.is_success else b"")
        except CertificateUnusable:
            self._unusable[url] = True
            raise
