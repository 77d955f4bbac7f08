"""An identity provider, found by its issuer (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import httpx
import orjson
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from api.issuers import key_source, tokens
from api.issuers.key_source import body_of
from api.issuers.keys import Keys
from api.issuers.tokens import TokenRejected, Unverified
from models.access.external_identity import ProvenIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.oidc.login import Login
    from api.settings.identity import IdentityProviderOptions

#: Asymmetric alone: a client secret signs nothing here (RFC 8725, 3.1 and 3.2).
ALGORITHMS: Final = frozenset(
    {
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
    }
)

_TIMEOUT: Final = httpx.Timeout(10.0)
_LEEWAY_SECONDS: Final = 60
#: How long what a provider says of itself is believed; how long where it can't be asked again, and
#: when that is tried next.
_FRESH_SECONDS: Final = 3600.0
_KEPT_SECONDS: Final = 24 * 3600.0
_ASKED_AGAIN_SECONDS: Final = 30.0
#: Some put the groups of their people into it.
_ID_TOKEN_CHARS_MAX: Final = 65_536
_SUBJECT_CHARS_MAX: Final = 255
_EMAIL_CHARS_MAX: Final = 254
_PATH: Final = "/.well-known/openid-configuration"


class SignInFailed(Exception):
    """The provider did not say who it is in a way that can be believed; `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IdentityProvider:
    """One that people may sign in with; `callback` is where it sends them back to."""

    def __init__(
        self,
        options: IdentityProviderOptions,
        callback: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.options = options
        self.callback = callback
        self._transport = transport
        self._metadata: _Published | None = None
        self._keys: Keys | None = None

    async def address(self, login: Login) -> str:
        """Where the browser goes to sign in. Raises SignInFailed."""
        metadata = await self._described()
        url: str = prepare_grant_uri(
            _address(metadata, "authorization_endpoint"),
            self.options.client_id,
            "code",
            redirect_uri=self.callback,
            scope=self.options.scopes,
            state=login.state,
            nonce=login.nonce,
            code_challenge=create_s256_code_challenge(login.verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
        )
        return url

    async def identity(self, login: Login, code: str, issuer: str | None) -> ProvenIdentity:
        """Who came back with this `code`. Raises SignInFailed.

        `issuer` is the answer's own `iss` (RFC 9207): a code of another provider is not sent here.
        """
        metadata = await self._described()
        must_name = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer is not None or must_name) and issuer != self.options.issuer:
            raise SignInFailed("the answer names another issuer")
        answer = await self._token(metadata, login, code)
        claims = await self._claims(metadata, answer, login)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_CHARS_MAX:
            raise SignInFailed("the ID token has no subject")
        if "email" not in claims:
            claims = await self._user_info(metadata, answer, subject)
        return ProvenIdentity(self.options.issuer, subject, _verified_email(claims))

    async def _token(
        self, metadata: Mapping[str, Any], login: Login, code: str
    ) -> Mapping[str, Any]:
        """The answer to the code (RFC 6749, 5.1)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
            "code_verifier": login.verifier,
        }
        return await self._json(_address(metadata, "token_endpoint"), form)

    async def _claims(
        self, metadata: Mapping[str, Any], answer: Mapping[str, Any], login: Login
    ) -> Mapping[str, Any]:
        """What the ID token says, checked as OpenID Connect Core has it (3.1.3.7)."""
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInFailed("no ID token")
        read = await self._read(metadata, token)
        expected = {
            "iss": {"essential": True, "value": self.options.issuer},
            "aud": {"essential": True, "value": self.options.client_id},
        }
        params = {"nonce": login.nonce, "client_id": self.options.client_id}
        try:
            header = {"alg": read.algorithm}
            CodeIDToken(read.claims, header, expected, params).validate(leeway=_LEEWAY_SECONDS)
        except JoseError as error:
            raise SignInFailed(f"the ID token: {type(error).__name__}") from error
        return read.claims

    async def _read(self, metadata: Mapping[str, Any], text: str) -> Unverified:
        """The token, if the provider has signed it."""
        if not tokens.looks_like_one(text, _ID_TOKEN_CHARS_MAX):
            raise SignInFailed("the ID token: form")
        try:
            token = tokens.taken_apart(text)
            if token.algorithm not in ALGORITHMS:
                raise SignInFailed("the ID token: alg")
            keys = self._keys_at(_address(metadata, "jwks_uri"))
            tokens.check_signature(token, await keys.candidates(token.algorithm, token.kid))
        except TokenRejected as problem:
            raise SignInFailed(f"the ID token: {problem}") from problem
        return token

    def _keys_at(self, url: str) -> Keys:
        if self._keys is None or self._keys.url != url:
            self._keys = Keys(url, partial(key_source.read, transport=self._transport))
        return self._keys

    async def _user_info(
        self, metadata: Mapping[str, Any], answer: Mapping[str, Any], subject: str
    ) -> Mapping[str, Any]:
        """What else the provider says: many keep the address out of the ID token (5.4)."""
        token = answer.get("access_token")
        if "userinfo_endpoint" not in metadata or not isinstance(token, str):
            return {}
        claims = await self._json(_address(metadata, "userinfo_endpoint"), bearer=token)
        if claims.get("sub") != subject:
            raise SignInFailed("the user info is somebody else's")  # 5.3.2
        return claims

    async def _described(self) -> Mapping[str, Any]:
        """What the provider publishes of itself; what is known, while it can't be asked."""
        known = self._metadata
        if known is not None and monotonic() < known.fresh_until:
            return known.content
        try:
            found = await self._json(self.options.issuer.rstrip("/") + _PATH)
        except SignInFailed:
            if known is None or monotonic() >= known.good_until:
                raise
            known.fresh_until = monotonic() + _ASKED_AGAIN_SECONDS
            return known.content
        if found.get("issuer") != self.options.issuer:
            raise SignInFailed("the provider names another issuer")
        self._metadata = _Published(found)
        return found

    async def _json(
        self, url: str, form: dict[str, str] | None = None, bearer: str = ""
    ) -> Mapping[str, Any]:
        """A document of the provider's, or its answer to a form of ours: of bounded size, and no
        redirect is followed.
        """
        headers = {"Accept": "application/json"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        data = None if form is None else form | self._public_id
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT, transport=self._transport) as client:
                request = client.build_request(
                    "GET" if data is None else "POST", url, data=data, headers=headers
                )
                auth = self._auth if data is not None else None
                return await _object_of(await client.send(request, auth=auth, stream=True))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise SignInFailed(f"{url}: {type(error).__name__}") from error

    @property
    def _auth(self) -> httpx.BasicAuth | None:
        """As RFC 6749 has it (2.3.1): both parts are form-encoded first."""
        secret = self.options.client_secret
        if secret is None:
            return None
        return httpx.BasicAuth(
            quote_plus(self.options.client_id), quote_plus(secret.get_secret_value())
        )

    @property
    def _public_id(self) -> dict[str, str]:
        """A client without a secret names itself in the form; PKCE protects it."""
        return {"client_id": self.options.client_id} if self.options.client_secret is None else {}


async def _object_of(answer: httpx.Response) -> Mapping[str, Any]:
    """Raises SignInFailed, and ValueError where it is no JSON."""
    try:
        if answer.status_code != httpx.codes.OK:
            raise SignInFailed(f"{answer.url} answered {answer.status_code}")
        content = await body_of(answer)
    finally:
        await answer.aclose()
    if content is None:
        raise SignInFailed(f"{answer.url} answered too much")
    found = orjson.loads(content)
    if not isinstance(found, dict):
        raise SignInFailed(f"{answer.url} answered no JSON object")
    return found


def _verified_email(claims: Mapping[str, Any]) -> str:
    """Empty where the provider does not say that it is theirs."""
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return ""
    return email if len(email) <= _EMAIL_CHARS_MAX else ""


class _Published:
    """What a provider publishes of itself, and until when it is believed."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.fresh_until = monotonic() + _FRESH_SECONDS
        self.good_until = monotonic() + _KEPT_SECONDS


def _address(metadata: Mapping[str, Any], name: str) -> str:
    found = metadata.get(name)
    # What the browser is sent to, and what gets our secret, is as safe as the issuer's own address.
    if not isinstance(found, str) or not found.startswith(_schemes(str(metadata["issuer"]))):
        raise SignInFailed(f"the provider has no usable {name}")
    return found


def _schemes(issuer: str) -> tuple[str, ...]:
    return ("https://",) if issuer.startswith("https://") else ("https://", "http://")
