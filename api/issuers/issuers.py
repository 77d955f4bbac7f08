"""Who holds a JWT: the client whom a trusted issuer vouches for.

A token is verified once, and remembered by its hash as long as it is good and its issuer's keys are
the same; whose account it names is looked up each time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from cachetools import LRUCache, TTLCache

from api.issuers import tokens
from api.issuers.keys import Keys
from api.issuers.tokens import LEEWAY_SECONDS, TokenRejected
from models.access import vouched
from models.accounts import first_sight
from models.accounts.create import CreateAccount
from models.clock import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.settings.issuers import TrustedIssuer
    from models.access.identity import Actor

_REMEMBERED_MAX: Final = 10_000
_NOT_CREATED_SECONDS: Final = 30

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a good token says; `generation` is of the keys that it was verified with."""

    by: TrustedIssuer
    generation: int
    external_id: str
    expires_at: float
    proven_at: datetime | None
    claims: dict[str, Any]


class Issuers:
    """The issuers of the settings. One that has left them signs nobody in."""

    def __init__(self, issuers: Sequence[TrustedIssuer], currencies: Sequence[str]) -> None:
        self._issuers = {one.issuer: (one, Keys(one.jwks)) for one in issuers}
        self._currency = "USD" if "USD" in currencies else next(iter(currencies), "")
        self._verified: LRUCache[bytes, _Verified] = LRUCache(_REMEMBERED_MAX)
        #: Clients for whom no account could be created a moment ago.
        self._not_created: TTLCache[tuple[str, str], None] = TTLCache(
            _REMEMBERED_MAX, _NOT_CREATED_SECONDS
        )

    async def actor_of(self, text: str, address: str) -> Actor | None:
        """Who holds the token; None where it is not good, or names no account."""
        if not self._issuers or not tokens.looks_like_one(text):
            return None
        try:
            verified = await self._read(text)
        except TokenRejected as problem:
            log.info("token_rejected", problem=str(problem))
            return None
        actor = await vouched.actor_of(verified.by.partner, verified.external_id, address)
        if actor is None and verified.by.create_accounts:
            actor = await self._first_seen(verified, address)
        if actor is None:
            return None
        return replace(actor, expires_at=_until(verified.expires_at), proven_at=verified.proven_at)

    async def _read(self, text: str) -> _Verified:
        name = hashlib.sha256(text.encode()).digest()
        known = self._verified.get(name)
        if known is not None:
            _, keys = self._issuers[known.by.issuer]
            await keys.refresh()
            if known.generation == keys.generation:
                tokens.check_claims(known.claims, known.by)
                return known
            del self._verified[name]
        verified = await self._verify(text)
        self._verified[name] = verified
        return verified

    async def _verify(self, text: str) -> _Verified:
        token = tokens.taken_apart(text)
        found = self._issuers.get(token.issuer) if isinstance(token.issuer, str) else None
        if found is None:
            raise TokenRejected("iss")
        issuer, keys = found
        if token.algorithm not in issuer.algorithms:
            raise TokenRejected("alg")
        # Before the signature, which costs more: what is old need not be verified.
        expires_at = tokens.check_claims(token.claims, issuer)
        candidates = await keys.candidates(token.algorithm, token.kid)
        tokens.check_signature(token, candidates)
        external_id = tokens.external_id_of(token.claims, issuer)
        if not vouched.is_kept(external_id):
            raise TokenRejected("external id")
        return _Verified(
            issuer,
            keys.generation,
            external_id,
            expires_at,
            _proven_at(token.claims.get("auth_time")),
            token.claims,
        )

    async def _first_seen(self, verified: _Verified, address: str) -> Actor | None:
        issuer, claims = verified.by, verified.claims
        client = issuer.partner, verified.external_id
        email, name = claims.get("email"), claims.get("name")
        if client in self._not_created or not isinstance(email, str):
            return None
        if claims.get("email_verified", issuer.email_verified) is not True:
            log.info("account_not_created", problem="email_verified")
            return None
        locale = claims.get("locale")
        newcomer = CreateAccount(
            name=name if isinstance(name, str) and name else email,
            email=email,
            currency=issuer.currency or self._currency,
            locale=locale if isinstance(locale, str) else None,
        )
        partner, external_id = client
        created = await first_sight.open_account(partner, newcomer, external_id, address)
        if not created:
            self._not_created[client] = None
        return await vouched.actor_of(*client, address)


def _until(expires_at: float) -> datetime:
    """When what the token has opened ends: when it expires, or where that is a moment ago, when it
    is refused.
    """
    late = expires_at <= now().timestamp()
    return datetime.fromtimestamp(expires_at + (LEEWAY_SECONDS if late else 0), UTC)


def _proven_at(told: object) -> datetime | None:
    """When the issuer's user last proved who they are (OpenID Connect Core, 2: `auth_time`)."""
    if isinstance(told, bool) or not isinstance(told, int) or told < 0:
        return None
    moment = now()
    return moment if told >= moment.timestamp() else datetime.fromtimestamp(told, UTC)
