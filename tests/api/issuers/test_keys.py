"""An issuer's keys: read seldom, rotated, and kept a while when the issuer is down."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import pytest

from api.issuers import key_source
from api.issuers.key_source import KeysUnavailable
from api.issuers.keys import FRESH_SECONDS, KEPT_SECONDS, READS_MAX, WINDOW_SECONDS, Keys, keys_of
from tests.support.issuer import jwks, rsa
from tests.support.small_http import answering

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

URL: Final = "https://portal.example/jwks.json"


class Source:
    """Where keys are read, at a time of its own."""

    def __init__(self) -> None:
        self.text, self.reads, self.at = jwks(rsa("one")), 0, 0.0
        self.is_down = False
        self.gate: asyncio.Event | None = None
        self.keys = Keys(URL, self.read, lambda: self.at)

    async def read(self, _url: str) -> bytes:
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.is_down:
            raise KeysUnavailable("down")
        return self.text.encode()

    async def knows(self, kid: str) -> bool:
        return bool(await self.keys.candidates("RS256", kid))


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_keys_are_read_once_for_many_who_come_at_once() -> None:
    source = Source()
    source.gate = asyncio.Event()
    asked = [asyncio.create_task(source.knows("one")) for _ in range(20)]
    await settled()
    source.gate.set()
    assert await asyncio.gather(*asked) == [True] * 20
    assert source.reads == 1
    source.at = FRESH_SECONDS - 1
    assert await source.knows("one")
    assert source.reads == 1


async def test_a_new_key_is_found_when_a_token_names_it() -> None:
    source = Source()
    assert await source.knows("one")
    source.text = jwks(rsa("two"))
    before = source.keys.generation
    assert await source.knows("two")
    assert not await source.knows("one")
    assert source.keys.generation > before


async def test_tokens_with_made_up_keys_have_them_read_only_so_often() -> None:
    source = Source()
    for number in range(50):
        assert not await source.knows(f"made-up-{number}")
    assert source.reads == READS_MAX
    assert await source.knows("one")
    source.text = jwks(rsa("two"))
    assert not await source.knows("two")
    source.at += WINDOW_SECONDS
    assert await source.knows("two")


async def test_old_keys_are_good_while_they_are_read_again() -> None:
    source = Source()
    assert await source.knows("one")
    source.at = FRESH_SECONDS + 1
    source.gate, source.text = asyncio.Event(), jwks(rsa("two"))
    assert await source.knows("one"), "nobody waits for a slow issuer"
    source.gate.set()
    await settled()
    assert not await source.knows("one")
    assert await source.knows("two")


async def test_an_issuer_that_is_down_keeps_its_keys_for_a_bounded_time() -> None:
    source = Source()
    assert await source.knows("one")
    source.is_down = True
    source.at = KEPT_SECONDS - 1
    assert await source.knows("one")
    await settled()
    source.at = KEPT_SECONDS + WINDOW_SECONDS
    assert not await source.knows("one")
    source.is_down = False
    source.at += WINDOW_SECONDS
    assert await source.knows("one")


async def test_what_is_no_jwks_leaves_the_keys_that_there_are() -> None:
    source = Source()
    assert await source.knows("one")
    for text in ("", "<html>", "[]", '{"keys": 1}', '{"keys": {}}', "[" * 100_000):
        source.text, source.at = text, source.at + WINDOW_SECONDS
        assert not await source.knows("two")
        assert await source.knows("one")


async def test_an_empty_jwks_takes_all_keys_back() -> None:
    source = Source()
    assert await source.knows("one")
    source.text, source.at = '{"keys": []}', FRESH_SECONDS + 1
    await source.keys.refresh()
    await settled()
    assert not await source.knows("one")


def test_a_key_is_for_the_algorithm_that_its_issuer_says() -> None:
    told = json.loads(jwks(rsa()))
    told["keys"][0]["alg"] = "RS512"
    (key,) = keys_of(json.dumps(told).encode())
    assert key.verifies("RS512", "one")
    assert not key.verifies("RS256", "one")
    assert not key.verifies("ES256", "one")


async def test_a_file_is_read_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "a b.json"
    write(path, "x" * key_source.BYTES_MAX)
    assert len(await key_source.read(path.as_uri())) == key_source.BYTES_MAX
    write(path, "x" * (key_source.BYTES_MAX + 1))
    for url in (path.as_uri(), (tmp_path / "none").as_uri(), tmp_path.as_uri()):
        with pytest.raises(KeysUnavailable):
            await key_source.read(url)


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def test_a_page_is_read_within_bounds_and_not_followed_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = jwks(rsa()).encode()
    async with answering(good) as url:
        assert await key_source.read(url) == good
        async with answering(b"", 302, location=url) as elsewhere:
            with pytest.raises(KeysUnavailable, match="302"):
                await key_source.read(elsewhere)
    for status in (404, 500, 204):
        async with answering(b"", status) as url:
            with pytest.raises(KeysUnavailable):
                await key_source.read(url)
    async with answering(b"x" * (key_source.BYTES_MAX + 1)) as url:
        with pytest.raises(KeysUnavailable, match="large"):
            await key_source.read(url)
    monkeypatch.setattr(key_source, "SECONDS_MAX", 0.2)
    async with answering(None) as url:
        with pytest.raises(KeysUnavailable):
            await key_source.read(url)
    with pytest.raises(KeysUnavailable):
        await key_source.read(url)
