"""Second factors for tests: an authenticator app, and a passkey as a browser would make it."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import cbor2
import pyotp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from models.access import session
from models.accounts import enrolment
from models.clock import now
from models.factors.second_factor import held_by

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.access.user import User

_PRESENT_AND_VERIFIED = 0x05
_HAS_CREDENTIAL = 0x40


def code_of(secret: str, steps: int = 0) -> str:
    """The code of an authenticator app, so many times 30 seconds from now."""
    return pyotp.TOTP(secret).generate_otp(int(now().timestamp()) // 30 + steps)


async def a_session(user: User) -> Actor:
    """The user, signed in just now, with the second factor that they have."""
    actor, _ = await session.open_session(user, with_factor=bool(await held_by(user.id)))
    return actor


async def an_app(user: User) -> tuple[str, list[str]]:
    """Set an authenticator app up, with the code of the step before; the secret, and the recovery
    codes. The code of this step is still good.
    """
    by = await a_session(user)
    app = await enrolment.begin_totp(by)
    return app.secret, await enrolment.confirm_totp(by, code_of(app.secret, -1))


class SoftPasskey:
    """An authenticator in software (ES256, without attestation)."""

    def __init__(self, origin: str, *, counts: bool = True) -> None:
        self.origin = origin
        self.id = secrets.token_bytes(32)
        self.sign_count = 0
        self._counts = counts
        self._key = ec.generate_private_key(ec.SECP256R1())

    def made(self, options: str, **other: Any) -> str:
        """What `navigator.credentials.create` answers to these options."""
        asked = json.loads(options)
        point = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        credential = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(key)
        data = self._data(asked["rp"]["id"], _HAS_CREDENTIAL) + credential
        response = {
            "clientDataJSON": self._client("webauthn.create", asked["challenge"], other),
            "attestationObject": text(
                cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
            ),
        }
        return self._credential(response)

    def signed(self, options: str, **other: Any) -> str:
        """What `navigator.credentials.get` answers to these options."""
        asked = json.loads(options)
        self.sign_count += self._counts
        data = self._data(asked["rpId"], 0)
        client = self._client("webauthn.get", asked["challenge"], other)
        signed = data + hashlib.sha256(_bytes(client)).digest()
        signature = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {
                "clientDataJSON": client,
                "authenticatorData": text(data),
                "signature": text(signature),
            }
        )

    def _client(self, kind: str, challenge: str, other: dict[str, Any]) -> str:
        told = {"type": kind, "challenge": challenge, "origin": self.origin, **other}
        return text(json.dumps(told).encode())

    def _data(self, rp_id: str, flags: int) -> bytes:
        flag = (_PRESENT_AND_VERIFIED | flags).to_bytes(1)
        return hashlib.sha256(rp_id.encode()).digest() + flag + self.sign_count.to_bytes(4)

    def _credential(self, response: dict[str, str]) -> str:
        id = text(self.id)
        told = {"id": id, "rawId": id, "type": "public-key", "response": response}
        return json.dumps({**told, "clientExtensionResults": {}})


async def a_passkey(user: User, origin: str) -> tuple[SoftPasskey, list[str]]:
    """Add a passkey; it, and the recovery codes."""
    by, made = await a_session(user), SoftPasskey(origin)
    options = await enrolment.begin_passkey(by)
    return made, await enrolment.confirm_passkey(by, made.made(options), "A key")


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(base64url: str) -> bytes:
    return urlsafe_b64decode(base64url + "=" * (-len(base64url) % 4))
