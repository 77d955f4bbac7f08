"""The file itself: archival, tagged, the same bytes everywhere, and how its pages look."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace

import pikepdf
import pytest
from PIL import Image, ImageChops, ImageStat

from api.pdf.documents import samples
from api.pdf.documents.samples import in_status, order
from api.pdf.pool import ProcessPool
from api.pdf.renderer import PdfRenderer
from models.provider.seller import Picture
from tests.support.documents.pictures import LOOKS, SCALE, SHOWN, document
from tests.support.documents.views import (
    assert_nothing_leaves_its_page,
    needs_pango,
    pictures,
    words,
)

pytestmark = [pytest.mark.anyio, needs_pango]

#: Of 255, on average over a page and at worst in one of its 64 fields; other versions of Pango and
#: PDFium draw the same page a little differently.
PAGE_MAX, FIELD_MAX = 1.5, 10
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 10'><path d='M0 0h20v10H0z'/></svg>"


def difference(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """The mean difference of two pages, and that of the field that differs most."""
    changed = ImageChops.difference(one, other)
    width, height = changed.size
    fields = [
        changed.crop((x * width // 8, y * height // 8, (x + 1) * width // 8, (y + 1) * height // 8))
        for x in range(8)
        for y in range(8)
    ]
    return ImageStat.Stat(changed).mean[0], max(ImageStat.Stat(field).mean[0] for field in fields)


@pytest.mark.parametrize("shown", SHOWN)
async def test_pages_look_as_they_did(renderer: PdfRenderer, shown: str) -> None:
    pdf = (await renderer.render(document(shown))).bytes
    for number, page in enumerate(pictures(pdf, SCALE), 1):
        with Image.open(LOOKS / f"{shown}-{number}.png") as known:
            assert page.size == known.size
            mean, worst = difference(page, known.convert("L"))
        alike = mean <= PAGE_MAX and worst <= FIELD_MAX
        assert alike, (
            mean,
            worst,
            "is it meant so? Then: python -m tests.support.documents.pictures",
        )
    assert number == len(list(LOOKS.glob(f"{shown}-?.png")))


def test_a_page_that_changed_is_noticed() -> None:
    with (
        Image.open(LOOKS / "invoice-en-1.png") as one,
        Image.open(LOOKS / "deposit-de-1.png") as two,
    ):
        assert difference(one.convert("L"), two.convert("L")) > (PAGE_MAX, FIELD_MAX)
        moved = ImageChops.offset(one.convert("L"), 0, 4)
        assert difference(one.convert("L"), moved)[1] > FIELD_MAX


@pytest.mark.parametrize("name", sorted(samples.DOCUMENTS))
async def test_every_document_is_archival_tagged_and_whole(
    renderer: PdfRenderer, name: str
) -> None:
    pdf = (await renderer.render(samples.DOCUMENTS[name]("de"))).bytes
    assert_nothing_leaves_its_page(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
        assert opened.Root.MarkInfo.Marked
        assert str(opened.Root.Lang) == "de"
        assert opened.Root.StructTreeRoot.K
        meta = opened.open_metadata()
        assert meta.pdfa_status == "3A"
        assert str(meta["pdfuaid:part"]) == "1"
        assert opened.Root.ViewerPreferences.DisplayDocTitle
        for page in opened.pages:
            assert page.get("/Tabs", "/S") == "/S"
            for font in page.Resources.Font.values():
                assert "/FontFile2" in font.DescendantFonts[0].FontDescriptor


@needs_pango
async def test_it_is_archival_tagged_and_carries_its_fonts(renderer: PdfRenderer) -> None:
    rendered = await renderer.render(in_status("PAID", order("ja"), "ja"))
    with pikepdf.open(io.BytesIO(rendered.bytes)) as opened:
        assert opened.Root.MarkInfo.Marked
        assert str(opened.Root.Lang) == "ja"
        assert opened.docinfo["/Title"] == "請求書 INV-2026-000043"
        assert "2026-11-03T09:30:00" in str(opened.open_metadata()["xmp:ModifyDate"])
        assert opened.open_metadata().pdfa_status == "3A"
        fonts = [font for page in opened.pages for font in page.Resources.Font.values()]
        assert {str(font.BaseFont)[1:].split("+")[1].split("-")[0] for font in fonts} >= {"Inter"}
        for font in fonts:
            assert "/FontFile2" in font.DescendantFonts[0].FontDescriptor


@needs_pango
async def test_the_same_document_is_the_same_bytes_in_every_process(renderer: PdfRenderer) -> None:
    document = in_status("VOID", order("ja"), "ja")
    first = await renderer.render(document)
    assert await renderer.render(document) is first
    async with PdfRenderer(ProcessPool(processes=1)) as other:
        again = await other.render(document)
    assert again == first
    assert first.etag.strip('"').isalnum()
    changed = await renderer.render(replace(document, reference="another"))
    assert changed.etag != first.etag
    assert changed.bytes != first.bytes


async def test_other_processes_write_the_same_bytes(renderer: PdfRenderer) -> None:
    """Each with another seed for its hashes, and nothing of this one's environment."""
    code = (
        "import sys, json; from datetime import datetime; from pathlib import Path\n"
        "from api.pdf.documents import samples; from api.pdf.frames import TEMPLATES\n"
        "from api.pdf.html import html_of, xml_of; from api.pdf.printer import Printer\n"
        "d = json.loads(samples.DOCUMENTS[sys.argv[1]](sys.argv[2]).encode())\n"
        "at = datetime.fromisoformat(d['created'])\n"
        "pdf = Printer(TEMPLATES).pdf(html_of(d, TEMPLATES), xml_of(d, TEMPLATES), at)\n"
        "sys.stdout.buffer.write(pdf)"
    )
    for name, locale in (("invoice", "de"), ("credit-note", "fr"), ("statement", "ja")):
        first = (await renderer.render(samples.DOCUMENTS[name](locale))).bytes
        for seed, zone in (("1", "Asia/Tokyo"), ("2", "America/New_York")):
            environment = {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
            done = subprocess.run(  # noqa: ASYNC221 - the only test that runs meanwhile
                [sys.executable, "-c", code, name, locale],
                capture_output=True,
                check=True,
                env=environment,
            )
            assert done.stdout == first, (name, seed)


async def test_a_logo_takes_the_place_of_the_name(renderer: PdfRenderer) -> None:
    logo = Picture("image/svg+xml", SVG)
    shown = in_status("PAID", order(), logo=logo)
    assert json.loads(shown.encode())["logo"].startswith("data:image/svg+xml;base64,")
    pdf = (await renderer.render(shown)).bytes
    top = [word["text"] for word in words(pdf) if word["top"] < 90]
    assert "Hosting" not in top
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
