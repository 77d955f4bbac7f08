"""Messages signed as PayPal signs them, with a certificate of the tests' own."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

NAME: Final = "messageverificationcerts.sandbox.paypal.com"
CERT_PATH: Final = "/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"

_numbers = count(1)


@cache
def key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def certificate(name: str = NAME, days: int = 30, bits: int = 2048) -> bytes:
    """A PEM file: a certificate of `name`, good from `days` ago until in `days`."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name or "nobody")])
    moment = datetime.now(UTC)
    asked = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key(bits).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=max(days, 1) + 30))
        .not_valid_after(moment + timedelta(days=days))
    )
    if name:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        asked = asked.add_extension(names, critical=False)
    made = asked.sign(key(bits), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


@dataclass
class Signer:
    """Signs messages of one webhook; its certificate is at `origin`."""

    origin: str
    webhook_id: str
    sent: dict[str, bytes] = field(default_factory=dict)

    def message(self, type: str, resource: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """What PayPal would post: headers with lower-case names, and the body."""
        body = {
            "id": f"WH-{next(_numbers)}-TEST",
            "create_time": written(datetime.now(UTC)),
            "event_type": type,
            "event_version": "1.0",
            "resource": resource,
        }
        return self.signed(json.dumps(body).encode())

    def signed(
        self, body: bytes, *, at: datetime | None = None, bits: int = 2048
    ) -> tuple[dict[str, str], bytes]:
        time = written(at or datetime.now(UTC))
        id = signature = ""
        # The contract's pattern takes no signature that begins with + or /, as one in 32 does.
        while not signature[:1].isalnum():
            id = f"tx-{next(_numbers)}"
            text = f"{id}|{time}|{self.webhook_id}|{zlib.crc32(body)}"
            signed = key(bits).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
            signature = base64.b64encode(signed).decode()
        self.sent[id] = body
        headers = {
            "paypal-transmission-id": id,
            "paypal-transmission-time": time,
            "paypal-transmission-sig": signature,
            "paypal-cert-url": self.origin + CERT_PATH,
            "paypal-auth-algo": "SHA256withRSA",
            "content-type": "application/json",
        }
        return headers, body


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
