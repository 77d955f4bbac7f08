"""`python -m tests.api.pdf.look` draws anew what the pages look like, for the tests to compare."""

from __future__ import annotations

import asyncio

from api.pdf.renderer import PdfRenderer
from tests.api.pdf.reading import pictures
from tests.api.pdf.test_file import LOOKS, SCALE, SHOWN, document


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
