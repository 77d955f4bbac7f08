"""For who writes templates: `account-credit preview-document`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from api.cli.shell import errors_as_sentences, fail, load, say


def preview_document(
    document: Annotated[str, typer.Argument(help="Such as invoice, receipt or statement.")],
    locale: Annotated[str, typer.Option(help="The language and formats (BCP 47).")] = "en",
    out: Annotated[Path | None, typer.Option(help="The file. Default: <document>.pdf")] = None,
    watch: Annotated[bool, typer.Option(help="Render again when a template changes.")] = True,
) -> None:
    """Render a document with sample data, and again whenever a template changes."""
    with errors_as_sentences():
        settings = load(secret=False)
        from api.pdf.documents.samples import DOCUMENTS

        if document not in DOCUMENTS:
            fail(f"Unknown document: {document}. Choose one of: {', '.join(DOCUMENTS)}.")
        file = out or Path(f"{document}.pdf")
        with suppress(KeyboardInterrupt):
            asyncio.run(_preview(document, locale, file, settings.templates, watch=watch))


async def _preview(name: str, locale: str, out: Path, templates: Path, *, watch: bool) -> None:
    from api.cli import preview
    from api.pdf.process import RenderFailed

    async def once() -> None:
        try:
            size_bytes = await preview.preview(name, locale, out, templates)
        except RenderFailed as failed:
            if not watch:
                raise
            say(" ".join([str(failed), *getattr(failed, "__notes__", ())]))
        else:
            say(f"{out}: {size_bytes:,} bytes")

    known = await asyncio.to_thread(preview.stamp, templates)
    await once()
    if watch:
        say(f"Watching {templates}. Press Ctrl-C to stop.")
        async for _ in preview.changes(templates, known):
            await once()
