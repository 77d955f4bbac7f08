"""What the pages look like: `python -m tests.support.documents.pictures` draws them anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from api.pdf.documents import samples
from api.pdf.renderer import PdfRenderer
from tests.support.documents.views import pictures

if TYPE_CHECKING:
    from api.pdf.documents.document import Document


LOOKS = Path(__file__).parents[2] / "api" / "pdf" / "looks"
#: Small enough to keep, large enough that a line that moved is seen.
SCALE = 0.25
SHOWN = [
    f"{name}-{locale}"
    for name, locales in {
        "invoice": ("en", "ja", "de", "fr"),
        "invoice-paid": ("en",),
        "invoice-void": ("ja",),
        "invoice-overdue": ("fr",),
        "deposit": ("de",),
        "receipt-refunded": ("en",),
        "receipt-several": ("ja",),
        "credit-note": ("ja",),
        "void-notice": ("de",),
        "statement": ("fr",),
        "statement-long": ("en",),
    }.items()
    for locale in locales
]


def document(shown: str) -> Document:
    name, _, locale = shown.rpartition("-")
    return samples.DOCUMENTS[name](locale)


async def draw() -> None:
    for old in LOOKS.glob("*.png"):
        old.unlink()
    async with PdfRenderer() as renderer:
        for shown in SHOWN:
            pdf = (await renderer.render(document(shown))).bytes
            for number, page in enumerate(pictures(pdf, SCALE), 1):
                path = LOOKS / f"{shown}-{number}.png"
                page.convert("P", colors=16).save(path, optimize=True)


if __name__ == "__main__":
    LOOKS.mkdir(exist_ok=True)
    asyncio.run(draw())
