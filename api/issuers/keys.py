"""An issuer's public keys (JWKS, RFC 7517): cached, rotated, and kept a while when it is down."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from api.issuers import key_source
from api.issuers.key_source import KeysUnavailable
from models.db.tasks import task_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: How old keys may be before they are read again.
FRESH_SECONDS: Final = 300.0
#: How long keys are good for when they cannot be read again.
KEPT_SECONDS: Final = 3600.0
#: Whatever tokens ask for: keys are read this often within that time, and no more often.
READS_MAX: Final = 4
WINDOW_SECONDS: Final = 60.0

_KEYS_MAX: Final = 50
_RSA_BITS_MIN: Final = 2048
#: Of base64: shorter keys are too weak (RFC 7518, 3.3).
_BITS_PER_CHARACTER: Final = 6

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey

#: What a public key has. Anything else in it, a private part above all, is not looked at.
_MEMBERS: Final[dict[str, tuple[type[PublicKey], tuple[str, ...]]]] = {
    "RSA": (RSAKey, ("kty", "n", "e")),
    "EC": (ECKey, ("kty", "crv", "x", "y")),
    "OKP": (OKPKey, ("kty", "crv", "x")),
}
#: The type and the curve that an algorithm needs (RFC 7518, 3.1; RFC 8037, 3.1; RFC 9864).
_NEEDS: Final = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}

log = structlog.get_logger(__name__)


class IssuersKey(NamedTuple):
    """A key that verifies; `alg` is the only algorithm it is for, where its issuer says so."""

    kid: str | None
    alg: str | None
    kind: tuple[str, str]
    key: PublicKey

    def verifies(self, algorithm: str, kid: str | None) -> bool:
        """Whether a token that names these may be signed by it."""
        needs = _NEEDS.get(algorithm, ("RSA", ""))
        named = kid is None or kid == self.kid
        return named and needs == self.kind and self.alg in {None, algorithm}


class Keys:
    """Those of one issuer. `generation` changes whenever they do."""

    def __init__(
        self,
        url: str,
        read: Callable[[str], Awaitable[bytes]] = key_source.read,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.url = url
        self.generation = 0
        self._read, self._clock = read, clock
        self._keys: tuple[IssuersKey, ...] = ()
        self._written = b""
        self._read_at: float | None = None
        self._reads: deque[float] = deque(maxlen=READS_MAX)
        self._reading: asyncio.Task[None] | None = None

    async def candidates(self, algorithm: str, kid: str | None) -> list[IssuersKey]:
        """The keys that a token with this header may be signed by. One that is not known has them
        read again, and is waited for.
        """
        await self.refresh()
        found = self._among(algorithm, kid)
        if not found and await self._read_again():
            found = self._among(algorithm, kid)
        return found

    async def refresh(self) -> None:
        """Have keys that are old read again: beside the requests as long as there are any."""
        age = None if self._read_at is None else self._clock() - self._read_at
        if age is not None and age > KEPT_SECONDS and self._keys:
            self._take((), b"")
        if age is None or age > FRESH_SECONDS:
            if self._keys:
                self._begin()
            else:
                await self._read_again()

    def _among(self, algorithm: str, kid: str | None) -> list[IssuersKey]:
        return [key for key in self._keys if key.verifies(algorithm, kid)]

    async def _read_again(self) -> bool:
        task = self._begin()
        if task is None:
            return False
        await asyncio.shield(task)
        return True

    def _begin(self) -> asyncio.Task[None] | None:
        """One read at a time; None where there have been enough."""
        if self._reading is not None and not self._reading.done():
            return self._reading
        moment = self._clock()
        if len(self._reads) == READS_MAX and self._reads[0] > moment - WINDOW_SECONDS:
            return None
        self._reads.append(moment)
        self._reading = task_of(self._look())
        return self._reading

    async def _look(self) -> None:
        try:
            written = await self._read(self.url)
            keys = keys_of(written)
        except KeysUnavailable as error:
            log.warning("issuer_keys_unavailable", url=self.url, error=str(error))
            return
        self._read_at = self._clock()
        if written != self._written:
            self._take(keys, written)

    def _take(self, keys: tuple[IssuersKey, ...], written: bytes) -> None:
        self._keys, self._written = keys, written
        self.generation += 1


def keys_of(written: bytes) -> tuple[IssuersKey, ...]:
    """The keys of a JWKS that can verify signatures. Raises KeysUnavailable for what is none."""
    try:
        told = json.loads(written)
    except (ValueError, RecursionError):
        raise KeysUnavailable("no JSON") from None
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise KeysUnavailable("no JWKS")
    found = [_key_of(one) for one in listed[:_KEYS_MAX] if isinstance(one, dict)]
    return tuple(key for key in found if key is not None)


def _key_of(told: dict[str, Any]) -> IssuersKey | None:
    """None for what is no public key for signatures: a shared secret, or one for encryption."""
    if not _is_for_signatures(told):
        return None
    type_, names = _MEMBERS[told["kty"]]
    try:
        key = type_.import_key({name: told[name] for name in names})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return IssuersKey(
        told.get("kid"), told.get("alg"), (told["kty"], told["crv"] if "crv" in names else ""), key
    )


def _is_for_signatures(told: dict[str, Any]) -> bool:
    kty, operations = told.get("kty"), told.get("key_ops", ["verify"])
    if not isinstance(kty, str) or kty not in _MEMBERS or told.get("use", "sig") != "sig":
        return False
    if not isinstance(operations, list) or "verify" not in operations:
        return False
    texts = [told.get("kid", ""), told.get("alg", ""), *(told.get(n) for n in _MEMBERS[kty][1])]
    if not all(isinstance(one, str) for one in texts):
        return False
    return kty != "RSA" or len(told["n"].rstrip("=")) * _BITS_PER_CHARACTER >= _RSA_BITS_MIN
