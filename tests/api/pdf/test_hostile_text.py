"""What people write is printed, and does nothing else."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pdf.fonts import Shown
from api.pdf.frames import TEMPLATES
from api.pdf.text import clean
from tests.support.documents.hostile_texts import DOCUMENTS, SCRIPTS
from tests.support.documents.views import assert_nothing_leaves_its_page, needs_pango, pages

if TYPE_CHECKING:
    from pathlib import Path

    from api.pdf.renderer import PdfRenderer

pytestmark = pytest.mark.anyio


def picture(inside: str) -> str:
    """An SVG as a data URL."""
    opening = "%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 4 4%22%3E"
    inner = inside.replace("<", "%3C").replace(">", "%3E").replace("#", "%23")
    return f"data:image/svg+xml;utf8,{opening}{inner}%3C/svg%3E"


@needs_pango
@pytest.mark.parametrize("name", DOCUMENTS)
async def test_hostile_text_is_only_text(renderer: PdfRenderer, name: str) -> None:
    rendered = await renderer.render(DOCUMENTS[name]())
    text = " ".join(pages(rendered.bytes))
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    assert "root:" not in text
    assert "WWWW" in text
    assert "W" * 700 not in text.replace(" ", "")
    with pikepdf.open(io.BytesIO(rendered.bytes)) as opened:
        assert opened.check_pdf_syntax() == []
        # Else some glyph is missing, and shown as such, which PDF/A forbids.
        assert all(
            font.Encoding == "/Identity-H"
            for page in opened.pages
            for font in page.Resources.Font.values()
        )
        assert all(name == "factur-x.xml" for name in opened.attachments)
        assert "/OpenAction" not in opened.Root
        assert all(
            str(note.A.URI).startswith("https://kaze.example")
            for page in opened.pages
            for note in page.get("/Annots", [])
        )


@needs_pango
@pytest.mark.parametrize("name", DOCUMENTS)
async def test_hostile_text_stays_on_the_page(renderer: PdfRenderer, name: str) -> None:
    """Ten thousand letters without a space push nothing over the edge."""
    assert_nothing_leaves_its_page((await renderer.render(DOCUMENTS[name]())).bytes)


@needs_pango
def test_a_page_may_fetch_nothing() -> None:
    tempting = [
        "<img src='file:///etc/passwd'>",
        "<img src='http://127.0.0.1:1/'>",
        "<link rel=attachment href='file:///etc/passwd'>",
        "<link rel=stylesheet href='http://127.0.0.1:1/'>",
        "<style>@font-face { font-family: x; src: url(file:///etc/passwd) }</style>",
        "<p style='background: url(ftp://127.0.0.1/)'>x</p>",
        f"<img src='{(TEMPLATES / 'invoice.html').as_uri()}'>",
        "<img src='data:text/html,x'>",
    ]
    code = (
        "import sys; from api.pdf.frames import TEMPLATES; from api.pdf.printer import Printer\n"
        "printer = Printer(TEMPLATES)\n"
        "for page in sys.argv[1:]:\n"
        "    try: printer.pdf(page)\n"
        "    except ValueError as refused: print(refused)\n"
        "    else: print('made', page)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *tempting], capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    assert len(said) == len(tempting)
    assert all("may not fetch" in line for line in said), said


@needs_pango
def test_a_picture_in_a_page_may_fetch_nothing_either() -> None:
    inside = [
        "<image href=%22file:///etc/passwd%22 width=%224%22 height=%224%22/>",
        "<image href=%22http://127.0.0.1:1/%22 width=%224%22 height=%224%22/>",
        "<use href=%22http://127.0.0.1:1/x.svg#a%22/>",
        "<use href=%22file:///etc/passwd#a%22/>",
        "<style>@import url(http://127.0.0.1:1/); * { fill: url(file:///etc/passwd#a) }</style>",
    ]
    code = (
        "import sys; from api.pdf.frames import TEMPLATES; from api.pdf.printer import Printer\n"
        "printer, seen = Printer(TEMPLATES), []\n"
        "def watch(event, args):\n"
        "    if event.startswith('socket.') or (event == 'open' and 'passwd' in str(args[0])):\n"
        "        seen.append(event)\n"
        "sys.addaudithook(watch)\n"
        "for page in sys.argv[1:]:\n"
        "    try: printer.pdf(page)\n"
        "    except ValueError: pass\n"
        "print(seen)"
    )
    pages = [f"<p><img src='{picture(one)}'>" for one in inside]
    done = subprocess.run(
        [sys.executable, "-c", code, *pages], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@given(st.text(st.characters(), max_size=300), st.integers(1, 50))
def test_clean_text_is_short_printable_and_stays_as_it_is(text: str, length_max: int) -> None:
    cleaned = clean(text, length_max)
    assert len(cleaned) <= length_max
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert clean(cleaned, length_max) == cleaned
    cleaned.encode()


def test_clean_keeps_what_languages_need() -> None:
    for text in (
        "Zoë Ağaoğlu",
        "株式会社𠮷野商事",
        "Nguyễn Thị",
        "می\u200cخواهم",
        "हिन्दी",
        "x\u0301\u0323",
    ):
        assert clean(text, 100) == unicodedata.normalize("NFC", text)
    assert clean("Z" + "\u0351" * 50, 100) == "Z" + "\u0351" * 3
    assert clean("a\u202eb\x00c\nd\ud800", 100) == "abc d□"
    assert clean("W" * 10_000, 10) == "W" * 9 + "…"


def test_only_what_a_font_has_is_asked_of_it(tmp_path: Path) -> None:
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    shutil.copy(TEMPLATES / "fonts" / "Inter-400.ttf", fonts / "MINE.TTF")
    (fonts / "broken.ttf").write_bytes(b"no font")
    (fonts / "README.md").write_text("no font either")
    shown = Shown(tmp_path)
    assert shown.text("Zoë → 漢字 x\u0300\u0e31 a\u200db") == "Zoë → □□ x\u0300 a\u200db"


@needs_pango
async def test_every_script_that_a_font_is_there_for_is_printed(renderer: PdfRenderer) -> None:
    text = " ".join(pages((await renderer.render(DOCUMENTS["invoice"]())).bytes))
    assert "漢字かな" in text
    assert clean(SCRIPTS, 200) == SCRIPTS.replace("e\u0301", "é")
