"""Where made documents are kept: a folder, or a bucket of an S3-compatible store.

Each is named by the hash of all that makes it, so nothing in there is ever wrong, only unused: what
is deleted is made again. Where the store fails, documents are made and sent all the same.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import structlog

from models.clock import now
from models.db import private

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from obstore.store import ObjectStore

SECONDS_MAX: Final = 10
_DELETED_AT_ONCE: Final = 1000
#: How often a process asks whether another one has made a document meanwhile.
LOOK_SECONDS: Final = 0.1

log = structlog.get_logger(__name__)


class DocumentStore:
    """Documents by name (a SHA-256 in hex)."""

    def __init__(self, url: str) -> None:
        """`s3://bucket/prefix`, with the credentials and endpoint of AWS's variables, or a folder,
        which is made with its first document.
        """
        self._url = url
        self._folder = None if url.startswith("s3://") else Path(url)
        if self._folder is not None:
            private.close_tree(self._folder)

    @cached_property
    def _store(self) -> ObjectStore:
        # Not at the top: it takes as long to import as all the rest together.
        from obstore.store import S3Store  # noqa: PLC0415

        limit = timedelta(seconds=SECONDS_MAX)
        return S3Store.from_url(
            self._url,
            client_options={"timeout": limit, "allow_http": True},
            retry_config={"max_retries": 2, "retry_timeout": limit},
        )

    async def get(self, name: str) -> bytes | None:
        """The document of that name; None if there is none, or none can be read."""
        if self._folder is not None:
            return await asyncio.to_thread(_read, self._folder / _path(name))
        import obstore  # noqa: PLC0415 - as above
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            found = await obstore.get_async(self._store, _path(name))
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            log.warning("document_not_read", problem=_kind(error))
            return None

    async def put(self, name: str, content: bytes) -> None:
        """Store it atomically: readers see all of it or nothing."""
        if self._folder is not None:
            await asyncio.to_thread(_write, self._folder / _path(name), content)
            return
        import obstore  # noqa: PLC0415 - as above
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            await obstore.put_async(self._store, _path(name), content)
        except (BaseError, OSError) as error:
            log.warning("document_not_kept", problem=_kind(error))

    @asynccontextmanager
    async def alone(
        self, name: str, seconds_max: float, given_up: Callable[[], bool]
    ) -> AsyncIterator[None]:
        """While the document of that name is made, no other process of this machine makes it; with
        a folder that several machines share, none of those.

        Where there is no lock to be had in that time, or before it is given up, it is made twice:
        no harm but the work.
        """
        from filelock import AsyncFileLock, Timeout  # noqa: PLC0415 - as above

        # As many files as three digits allow, not one for each document.
        lock = AsyncFileLock(
            self._locks / name[:3],
            seconds_max,
            mode=private.FILE,
            thread_local=False,
            run_in_executor=False,
        )
        try:
            _make_own(self._locks)
            await lock.acquire(poll_interval=LOOK_SECONDS, cancel_check=given_up)
        except (Timeout, OSError, NotImplementedError) as error:
            log.warning("document_not_locked", problem=_kind(error))
        try:
            yield
        finally:
            await lock.release()

    async def prune(self, age_max: timedelta, bytes_max: int) -> int:
        """Delete what is older than that, and the oldest until no more than so many bytes are left;
        how many documents. What is deleted is made again when somebody asks.
        """
        try:
            kept = sorted(await self._kept(), key=lambda one: one.at, reverse=True)
            oldest, total, over = now() - age_max, 0, []
            for one in kept:
                total += one.size
                if one.at < oldest or total > bytes_max:
                    over.append(one.path)
            await self._delete(over)
        except Exception as error:  # noqa: BLE001 - as elsewhere: documents are made all the same
            log.warning("documents_not_pruned", problem=_kind(error))
            return 0
        return len(over)

    async def _kept(self) -> list[_Kept]:
        if self._folder is not None:
            return await asyncio.to_thread(_files, self._folder)
        import obstore  # noqa: PLC0415 - as above

        return [
            _Kept(one["path"], one["size"], one["last_modified"])
            async for batch in obstore.list(self._store)
            for one in batch
        ]

    async def _delete(self, paths: list[str]) -> None:
        if self._folder is not None:
            await asyncio.to_thread(_unlink, self._folder, paths)
            return
        import obstore  # noqa: PLC0415 - as above

        for start in range(0, len(paths), _DELETED_AT_ONCE):
            await obstore.delete_async(self._store, paths[start : start + _DELETED_AT_ONCE])

    @cached_property
    def _locks(self) -> Path:
        if self._folder is None:
            return Path(tempfile.gettempdir(), f"account-credit-{os.getuid()}")
        return self._folder / "locks"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A document in the store, or what a crash left of one."""

    path: str
    size: int
    at: datetime


def _files(folder: Path) -> list[_Kept]:
    kept = []
    # The two letters that names begin with: whatever else is in the folder is not ours.
    for path in folder.glob("[0-9a-f][0-9a-f]/*.pdf*"):
        with suppress(FileNotFoundError):
            said = path.stat()
            at = datetime.fromtimestamp(said.st_mtime, UTC)
            kept.append(_Kept(str(path.relative_to(folder)), said.st_size, at))
    return kept


def _unlink(folder: Path, paths: list[str]) -> None:
    for path in paths:
        (folder / path).unlink(missing_ok=True)


def _make_own(folder: Path) -> None:
    """Raises PermissionError where somebody else has put something there: a trap, perhaps."""
    private.make_folder(folder)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("document_not_read", problem=_kind(error))
        return None


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        private.make_folder(path.parent)
        private.write(draft, content)
        draft.replace(path)
    except OSError as error:
        log.warning("document_not_kept", problem=_kind(error))
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _path(name: str) -> str:
    """Few files a folder: `ab/ab12….pdf`."""
    return f"{name[:2]}/{name}.pdf"


def _kind(error: BaseException) -> str:
    # Its text may hold the request with its signature.
    return type(error).__name__
