"""The store: a folder, or a bucket of an S3-compatible service."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from api.pdf.store import DocumentStore
from tests.support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

PDF = b"%PDF-1.7 of a test"
NAME = hashlib.sha256(PDF).hexdigest()
#: moto wants other versions of our own packages, so it runs in an environment of its own.
MOTO = ("uv", "tool", "run", "--quiet", "--from", "moto[s3,server]==5.2.5", "moto_server")
START_SECONDS = 60


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 with a bucket `documents`."""
    port = servers.free_port()
    command = [str(Path(sys.executable).parent / MOTO[0]), *MOTO[1:], "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(server, url)
            urllib.request.urlopen(  # noqa: S310 - our own
                urllib.request.Request(f"{url}/documents", method="PUT")  # noqa: S310 - our own
            ).close()
            yield url
        finally:
            server.terminate()


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        if server.poll() is not None:
            assert server.stderr is not None
            pytest.skip(f"NOT TESTED: S3's stand-in cannot be installed: {server.stderr.read()!r}")
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    pytest.skip("NOT TESTED: S3's stand-in does not start.")


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3,
    }.items():
        monkeypatch.setenv(name, value)
    return "s3://documents/kept"


async def kept_and_found(url: str) -> None:
    store = DocumentStore(url)
    assert await store.get(NAME) is None
    await store.put(NAME, PDF)
    assert await store.get(NAME) == PDF
    await store.put(NAME, PDF)
    assert await DocumentStore(url).get(NAME) == PDF
    assert await store.get(NAME[::-1]) is None


async def test_a_folder_keeps_documents(tmp_path: Path) -> None:
    await kept_and_found(str(tmp_path / "new" / "folder"))
    assert (tmp_path / "new" / "folder" / NAME[:2] / f"{NAME}.pdf").read_bytes() == PDF


async def test_a_bucket_keeps_documents(bucket: str) -> None:
    with capture_logs() as logs:
        await kept_and_found(bucket)
    assert logs == []


async def test_a_bucket_that_is_not_there_is_no_error(bucket: str) -> None:
    store = DocumentStore(bucket.replace("documents", "nowhere"))
    with capture_logs() as logs:
        await store.put(NAME, PDF)
        assert await store.get(NAME) is None
    assert logs[0]["event"] == "document_not_kept"
    assert "Signature" not in str(logs)


def _documents(count: int) -> list[tuple[str, bytes]]:
    contents = [b"%d" % n * 100 for n in range(count)]
    return [(hashlib.sha256(one).hexdigest(), one) for one in contents]


async def _left(store: DocumentStore, names: list[tuple[str, bytes]]) -> list[bool]:
    return [await store.get(name) is not None for name, _ in names]


async def test_what_is_old_and_the_oldest_of_too_much_makes_room(tmp_path: Path) -> None:
    store, documents = DocumentStore(str(tmp_path)), _documents(5)
    for days, (name, content) in enumerate(documents):
        await store.put(name, content)
        at = time.time() - days * 86_400
        os.utime(tmp_path / name[:2] / f"{name}.pdf", (at, at))
    stranger = tmp_path / "notes.txt"
    stranger.write_text("not a document")
    draft = tmp_path / documents[0][0][:2] / "left-by-a-crash.pdf.12ab"
    draft.write_bytes(b"half")
    os.utime(draft, (0, 0))
    # A lock that is held is no document.
    async with store.alone(documents[0][0], 1, lambda: False):
        assert await store.prune(timedelta(days=90), 10_000) == 1
        assert not draft.exists()
        assert await store.prune(timedelta(days=3, hours=12), 10_000) == 1
        assert await _left(store, documents) == [True, True, True, True, False]
        assert await store.prune(timedelta(days=90), 250) == 2
        assert await _left(store, documents) == [True, True, False, False, False]
        assert await store.prune(timedelta(days=90), 250) == 0
    assert stranger.exists()


async def test_a_store_that_is_not_there_yet_has_nothing_to_prune(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert await DocumentStore(str(tmp_path / "none")).prune(timedelta(days=1), 1) == 0
    assert logs == []


async def test_a_bucket_is_kept_within_its_bounds_too(bucket: str) -> None:
    store, documents = DocumentStore(bucket), _documents(3)
    for name, content in documents:
        await store.put(name, content)
    assert await store.prune(timedelta(days=90), 10**9) == 0
    with capture_logs() as logs:
        assert await store.prune(timedelta(days=90), 0) >= 3
    assert logs == []
    assert await _left(store, documents) == [False, False, False]
