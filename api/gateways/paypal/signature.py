"""PayPal's signature of a webhook, checked offline.

https://developer.paypal.com/api/rest/webhooks/rest/ (Message verification): RSA with SHA-256 over
`transmission id|transmission time|webhook id|CRC-32 of the body`. A CRC is no hash: another body
with the same one is made by adjusting four bytes, so what is signed is the id and the time alone.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from models.gateway import SignatureRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM: Final = "SHA256withRSA"
#: PayPal tells a message again for three days, and for a month when somebody asks it to, signed as
#: it was at first. An old message that is sent again changes nothing: each event is stored once.
AGE_MAX: Final = timedelta(days=31)
AHEAD_MAX: Final = timedelta(minutes=5)

_DOMAIN: Final = "paypal.com"
_KEY_BITS_MIN: Final = 2048
_HEADER_CHARACTERS_MAX: Final = 1000
#: What RSA with keys of 2,048 to 8,192 bits signs with.
_SIGNATURE_BYTES: Final = range(256, 1025)
_TRANSMISSION_ID: Final = re.compile(r"[\x21-\x7b\x7d\x7e]{1,255}", re.ASCII)


class CertificateUnusable(Exception):
    """What should be PayPal's certificate is not one that we can check with."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The headers that sign a message."""

    transmission_id: str
    transmission_time: str
    transmission_sig: str
    cert_url: str
    auth_algo: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Signature:
        """From a message's headers. Raises SignatureRefused."""
        found = {}
        for name in cls.__dataclass_fields__:
            value = headers.get(f"paypal-{name.replace('_', '-')}", "")
            if not value or len(value) > _HEADER_CHARACTERS_MAX:
                raise SignatureRefused(f"{name} is missing or too long")
            found[name] = value
        signature = cls(**found)
        if signature.auth_algo != ALGORITHM:
            raise SignatureRefused("it is signed with another algorithm")
        if not _TRANSMISSION_ID.fullmatch(signature.transmission_id):
            raise SignatureRefused("transmission_id is malformed")
        if len(signature.signed_with) not in _SIGNATURE_BYTES:
            raise SignatureRefused("the signature is malformed")
        return signature

    @property
    def signed_with(self) -> bytes:
        """The bytes of the signature. Raises SignatureRefused."""
        try:
            return base64.b64decode(self.transmission_sig, validate=True)
        except (binascii.Error, ValueError):
            raise SignatureRefused("the signature is malformed") from None

    @property
    def made_at(self) -> datetime:
        """When it was sent first. Raises SignatureRefused."""
        try:
            made_at = datetime.fromisoformat(self.transmission_time)
        except ValueError:
            raise SignatureRefused("the transmission time is malformed") from None
        return made_at if made_at.tzinfo else made_at.replace(tzinfo=UTC)

    def require_current(self, moment: datetime) -> None:
        """Raises SignatureRefused where it is older than PayPal's messages are, or not yet made."""
        if not moment - AGE_MAX <= self.made_at <= moment + AHEAD_MAX:
            raise SignatureRefused("the message is too old or from the future")

    def verify(self, certificate: x509.Certificate, webhook_id: str, body: bytes) -> None:
        """Raises SignatureRefused, or CertificateUnusable where it cannot tell."""
        key = _key_of(certificate, self.made_at)
        crc = zlib.crc32(body)
        signed = f"{self.transmission_id}|{self.transmission_time}|{webhook_id}|{crc}"
        try:
            key.verify(self.signed_with, signed.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            raise SignatureRefused("the signature does not match") from None


def certificate_in(pem: bytes) -> x509.Certificate:
    """The first certificate of a file; those that follow must have issued it, one the other.

    Raises CertificateUnusable.
    """
    try:
        first, *issuers = x509.load_pem_x509_certificates(pem)
        for issued, issuer in zip([first, *issuers], issuers, strict=False):
            issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateUnusable("it cannot be read, or its chain is broken") from None
    return first


def _key_of(certificate: x509.Certificate, moment: datetime) -> rsa.RSAPublicKey:
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise CertificateUnusable("it was not valid when the message was signed")
    if not any(_is_paypals(name) for name in _names(certificate)):
        raise CertificateUnusable("it is not PayPal's")
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _KEY_BITS_MIN:
        raise CertificateUnusable("its key is of another type or too short")
    return key


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return found.value.get_values_for_type(x509.DNSName)


def _is_paypals(name: str) -> bool:
    return name == _DOMAIN or name.endswith(f".{_DOMAIN}")
