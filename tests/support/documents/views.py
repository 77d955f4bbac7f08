"""Looking at documents: as HTML, as text by page, as words with their places, as pictures."""

from __future__ import annotations

import ctypes.util
import io
import json
from typing import TYPE_CHECKING, Any

import pdfplumber
import pypdf
import pypdfium2
import pytest

from api.pdf.frames import MISSING, TEMPLATES
from api.pdf.html import html_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.Image import Image

    from api.pdf.documents.document import Document

needs_pango = pytest.mark.skipif(
    not ctypes.util.find_library("pangoft2-1.0"), reason=f"NOT TESTED: {MISSING}"
)


def html(document: Document, templates: Path = TEMPLATES) -> str:
    return html_of(json.loads(document.encode()), templates)


def pages(pdf: bytes) -> list[str]:
    """The text of each page; ligatures and spaces as typed."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def words(pdf: bytes, page: int = 0) -> list[dict[str, Any]]:
    """The words of a page with their places, in points from the top left."""
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        return opened.pages[page].extract_words()


def place(pdf: bytes, word: str, page: int = 0) -> dict[str, Any]:
    """Where a word stands for the first time on a page."""
    return next(found for found in words(pdf, page) if word in found["text"])


def pictures(pdf: bytes, scale: float) -> Iterator[Image]:
    """Each page in grey, at `scale` times 72 dots an inch."""
    for page in pypdfium2.PdfDocument(pdf):
        yield page.render(scale=scale, grayscale=True).to_pil()


def assert_nothing_leaves_its_page(pdf: bytes) -> None:
    """Every letter is on the paper, stamps that are turned included."""
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        for page in opened.pages:
            assert min(char["x0"] for char in page.chars) >= 0
            assert max(char["x1"] for char in page.chars) <= page.width
            assert max(char["bottom"] for char in page.chars) <= page.height
