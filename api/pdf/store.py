"""Where made documents are kept: a folder, or a bucket of an S3-compatible store.

Each is named by the hash of all that makes it, so nothing in there is ever wrong, only unused: what
is deleted is made again. Where the store fails, documents are made and sent all the same.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SECONDS_MAX: Final = 10

log = structlog.get_logger(__name__)


class DocumentStore:
    """Documents by name (a SHA-256 in hex)."""

    def __init__(self, url: str) -> None:
        """`s3://bucket/prefix`, with the credentials and endpoint of AWS's variables, or a folder,
        which is made with its first document.
        """
        self._url = url

    @cached_property
    def _store(self) -> ObjectStore:
        # Not at the top: it takes as long to import as all the rest together.
        from obstore.store import LocalStore, S3Store  # noqa: PLC0415

        if not self._url.startswith("s3://"):
            return LocalStore(Path(self._url), mkdir=True)
        limit = timedelta(seconds=SECONDS_MAX)
        return S3Store.from_url(
            self._url,
            client_options={"timeout": limit, "allow_http": True},
            retry_config={"max_retries": 2, "retry_timeout": limit},
        )

    async def get(self, name: str) -> bytes | None:
        """The document of that name; None where there is none, or none can be read."""
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
        """Keep it; whoever reads meanwhile reads all of it or nothing."""
        import obstore  # noqa: PLC0415 - as above
        from obstore.exceptions import BaseError  # noqa: PLC0415

        try:
            await obstore.put_async(self._store, _path(name), content)
        except (BaseError, OSError) as error:
            log.warning("document_not_kept", problem=_kind(error))


def _path(name: str) -> str:
    """Few files a folder: `ab/ab12….pdf`."""
    return f"{name[:2]}/{name}.pdf"


def _kind(error: BaseException) -> str:
    # Its text may hold the request with its signature.
    return type(error).__name__
