"""Identity providers for tests: one that somebody else wrote, and one that says what it is told."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.support.javascript import deno, deno_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

WHY: Final = "NOT TESTED with npm's oidc-provider"
CLIENT_ID = "portal"
CLIENT_SECRET = "portal's own secret"

_SOURCE: Final = Path(__file__).with_name("identity_provider")


def setting(issuer: str) -> str:
    """OIDC_PROVIDERS with one of that issuer, whose button says "Example ID"."""
    provider = {
        "name": "id",
        "label": "Example ID",
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    return json.dumps([provider])


@contextmanager
def mock_provider(*people: dict[str, Any]) -> Iterator[str]:
    """The `oidc-provider-mock` package with these people (claims with their `sub`); its issuer."""
    port = free_port()
    claims = [part for person in people for part in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--require-nonce", "true", *claims],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        issuer = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{issuer}/.well-known/openid-configuration", process)
            yield issuer
        finally:
            process.kill()


@contextmanager
def certified_provider(port: int, callback: str) -> Iterator[None]:
    """npm's `oidc-provider`, at which anybody is who they say. Skips where it can't be had."""
    packages = deno_packages(_SOURCE, WHY)
    shutil.copyfile(_SOURCE / "provider.js", packages / "provider.js")
    command = [deno(WHY), "run", "--quiet", "--allow-all", "provider.js", str(port), callback]
    with subprocess.Popen(
        command, cwd=packages, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/.well-known/openid-configuration", process)
            yield
        finally:
            process.kill()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            continue
        return
    raise AssertionError("The identity provider didn't start.")


def agree(authorization_url: str, subject: str) -> str:
    """Sign in there as that person, and agree; where the browser is sent back to."""
    answer = httpx.post(authorization_url, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


@dataclass
class OwnProvider:
    """A provider in this process: it answers every code with an ID token of `claims`, signed with
    its key as `header` says, unless `forge` makes the token.
    """

    issuer: str = "https://id.example"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signer: RSAKey | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    asked: list[httpx.Request] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    "Paths that are not answered."

    @property
    def transport(self) -> httpx.MockTransport:
        """What reaches it."""
        return httpx.MockTransport(self._answer)

    def begun(self, authorization_url: str) -> dict[str, str]:
        """What the browser brought: the nonce goes into the next ID token."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        now = int(time.time())
        self.claims = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "email": "ada@example.com",
            "email_verified": True,
        } | self.claims
        self.claims["nonce"] = asked["nonce"]
        return asked

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.url.path in self.away:
            raise httpx.ConnectError("away")
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self._described())
            case "/jwks":
                keys = KeySet([self.key]).as_dict(private=False)
                return httpx.Response(200, json=keys)
            case "/token":
                form = parse_qs(request.content.decode())
                assert form["code_verifier"][0]
                token = self.token or jwt.encode(
                    self.header,
                    self.claims,
                    self.signer or self.key,
                    algorithms=[self.header["alg"]],
                )
                return httpx.Response(200, json={"access_token": "x", "id_token": token})
        return httpx.Response(404)

    def _described(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        } | self.metadata
