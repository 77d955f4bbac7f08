"""Documents with sample data, for template authors: `account-credit preview-document`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from watchfiles import awatch

from api.pdf.documents.samples import DOCUMENTS
from api.pdf.process import RenderProcess

SECONDS_MAX: Final = 60
MEMORY_BYTES: Final = 1 << 30
#: The watch begins after the first render; what changed between the two is seen by looking.
LOOK_MILLISECONDS: Final = 1000


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


def stamp(templates: Path) -> frozenset[tuple[str, int]]:
    """What the folder is like now."""
    files = (path for path in templates.rglob("*") if path.is_file())
    return frozenset((str(path), path.stat().st_mtime_ns) for path in files)


async def changes(
    templates: Path, known: frozenset[tuple[str, int]]
) -> AsyncIterator[frozenset[tuple[str, int]]]:
    """The folder's stamp each time that it is another than `known`, and then than the last one."""
    async for _ in awatch(templates, yield_on_timeout=True, rust_timeout=LOOK_MILLISECONDS):
        now = await asyncio.to_thread(stamp, templates)
        if now != known:
            known = now
            yield now


def _replace(out: Path, pdf: bytes) -> None:
    """At once, for a viewer that looks whenever the file changes."""
    beside = out.with_name(f".{out.name}.part")
    beside.write_bytes(pdf)
    beside.replace(out)
