"""Where an issuer's public keys are read from: a file, or a page of theirs.

Bounded in time and size, and never redirected. What cannot be read is a `KeysUnavailable`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

BYTES_MAX: Final = 256 * 1024
SECONDS_MAX: Final = 5.0


class KeysUnavailable(Exception):
    """The keys could not be read; says why, without what was read."""


async def read(url: str, transport: httpx.AsyncBaseTransport | None = None) -> bytes:
    """What is there; `transport` reaches it in place of the network. Raises KeysUnavailable."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return await asyncio.to_thread(_file, Path(unquote(parts.path)))
    try:
        async with asyncio.timeout(SECONDS_MAX):
            return await _fetched(url, transport)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        raise KeysUnavailable(type(error).__name__) from error


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            text = opened.read(BYTES_MAX + 1)
    except OSError as error:
        raise KeysUnavailable(error.strerror or type(error).__name__) from error
    if len(text) > BYTES_MAX:
        raise KeysUnavailable("too large")
    return text


async def _fetched(url: str, transport: httpx.AsyncBaseTransport | None) -> bytes:
    headers = {"accept": "application/jwk-set+json, application/json"}
    async with (
        httpx.AsyncClient(
            follow_redirects=False, timeout=SECONDS_MAX, transport=transport
        ) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise KeysUnavailable(f"status {response.status_code}")
        text = await body_of(response)
    if text is None:
        raise KeysUnavailable("too large")
    return text


async def body_of(response: httpx.Response) -> bytes | None:
    """The body of a streamed answer; None, and not read on, where it is longer than `BYTES_MAX`."""
    text = bytearray()
    async for part in response.aiter_bytes():
        text += part
        if len(text) > BYTES_MAX:
            return None
    return bytes(text)
