"""Documents with made-up data, for those who write templates: `account-credit preview-document`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from watchfiles import awatch

from api.pdf.demo import DOCUMENTS
from api.pdf.process import RenderProcess

SECONDS_MAX: Final = 60
MEMORY_BYTES: Final = 1 << 30


async def preview(name: str, locale: str, out: Path, templates: Path) -> int:
    """Render it to the file `out`; its size in bytes.

    Raises PdfUnavailable, RenderTimeout, or RenderFailed with a note that says where.
    """
    document = DOCUMENTS[name](locale)
    # A new process each time: one that is running has the templates of before.
    process = await RenderProcess.start(memory_bytes=MEMORY_BYTES, templates=templates)
    try:
        pdf = await process.render(document.encode(), SECONDS_MAX)
    finally:
        await process.aclose()
    await asyncio.to_thread(_replace, out, pdf)
    return len(pdf)


async def changes(templates: Path) -> AsyncIterator[None]:
    """Each time that something in the folder has changed."""
    async for _ in awatch(templates):
        yield


def _replace(out: Path, pdf: bytes) -> None:
    """At once, for a viewer that looks whenever the file changes."""
    beside = out.with_name(f".{out.name}.part")
    beside.write_bytes(pdf)
    beside.replace(out)
