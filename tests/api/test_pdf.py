from __future__ import annotations

import asyncio
import ctypes.util
import io
import json
import os
import select
import signal
import string
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pikepdf
import pypdf
import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from jinja2.ext import babel_extract

from api import pdf, pdf_frames, pdf_page, pdf_process
from api.pdf import (
    PdfRenderer,
    PdfUnavailable,
    RendererBusy,
    RenderFailed,
    RenderTimeout,
    document_of,
)
from api.pdf_document import canonical_locale, clean
from tests.api.pdf_samples import deposit, hostile, in_status, japanese, line, order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.pdf import Document

needs_pango = pytest.mark.skipif(
    not ctypes.util.find_library("pangoft2-1.0"), reason=f"NOT TESTED: {pdf_frames.MISSING}"
)
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def renderer() -> AsyncIterator[PdfRenderer]:
    async with PdfRenderer(processes=1) as renderer:
        yield renderer


def pages(rendered: pdf.RenderedPdf) -> list[str]:
    """The text of each page; ligatures and spaces as typed."""
    reader = pypdf.PdfReader(io.BytesIO(rendered.bytes))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def html(document: Document) -> str:
    return pdf_page.html_of(json.loads(document.encode()))


# --- what it says


@needs_pango
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("UNPAID", "$87.49 due November 17, 2026"),
        ("PROCESSING", "$87.49 is being processed"),
        ("PAID", "$87.49 paid on November 3, 2026"),
        ("VOID", "This invoice is void. Nothing is due."),
        ("REFUNDED", "$87.49 refunded"),
    ],
)
async def test_an_order_says_how_it_stands(renderer: PdfRenderer, status: str, said: str) -> None:
    [text] = pages(await renderer.render(in_status(status, order())))
    assert said in text
    assert "INV-2026-000043" in text
    assert "SO-88213" in text
    assert "Tax 10% on $61.86" in text
    assert "Page 1 of 1" in text


@needs_pango
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("UNPAID", "ご請求金額 ¥25,000（2026年11月10日まで）"),
        ("PROCESSING", "お支払い処理中"),
        ("PAID", "2026年11月3日にお支払い済み"),
        ("VOID", "この請求書は無効です。"),
        ("REFUNDED", "返金済み"),
    ],
)
async def test_a_deposit_says_so_in_japanese(renderer: PdfRenderer, status: str, said: str) -> None:
    [text] = pages(await renderer.render(in_status(status, japanese(deposit()), "ja-JP")))
    assert said in text
    assert "アカウントクレジットへの入金" in text
    assert "株式会社𠮷野商事 様" in text
    assert "税率" not in text


def test_a_deposit_names_the_policy_that_it_was_made_under() -> None:
    page = html(in_status("PAID", deposit()))
    assert "Deposits are in principle not refundable in cash." in page
    assert "version 2026-10" in page
    assert 'href="https://kaze.example/credit-policy"' in page
    assert "plus fee $1.20" in page


def test_credit_that_was_applied_is_taken_off_what_is_due() -> None:
    page = html(in_status("UNPAID", order(), credit_applied=2000, amount_due=6748))
    assert "-$20.00" in page
    assert "$67.48 due" in page


@needs_pango
async def test_a_void_invoice_is_marked_on_every_page(renderer: PdfRenderer) -> None:
    texts = pages(await renderer.render(in_status("VOID", order(48))))
    assert len(texts) > 2
    assert all("VOID" in text for text in texts)
    [paid] = pages(await renderer.render(in_status("PAID", order(3))))
    assert "VOID" not in paid


@needs_pango
async def test_every_page_has_its_number_header_and_table_head(renderer: PdfRenderer) -> None:
    texts = pages(await renderer.render(in_status("UNPAID", order(48))))
    for number, text in enumerate(texts, 1):
        assert f"Page {number} of {len(texts)}" in text
        assert "Unit price" in text
    assert all("Invoice INV-2026-000043" in text for text in texts[1:])


@needs_pango
async def test_totals_never_stand_alone_on_a_page(renderer: PdfRenderer) -> None:
    for count in range(7, 13):
        texts = pages(await renderer.render(in_status("UNPAID", order(count, notes=[]))))
        assert "Amount due" in texts[-1]
        assert texts[-1].count("10%") + texts[-1].count("8%") >= 4, count


@pytest.mark.parametrize(
    ("currency", "locale", "written"),
    [
        ("JPY", "en", "¥1,234,567"),
        ("JPY", "ja", "¥1,234,567"),
        ("USD", "en", "$12,345.67"),
        ("USD", "en-GB", "US$12,345.67"),
        ("KWD", "en", "KWD\u00a01,234.567"),
        ("IQD", "en", "IQD\u00a01,234.567"),
    ],
)
def test_money_has_exactly_the_decimals_of_its_currency(
    currency: str, locale: str, written: str
) -> None:
    snapshot = deposit(currency=currency, total=1_234_567)
    assert written in html(in_status("UNPAID", snapshot, locale))


@pytest.mark.parametrize(
    ("tag", "locale", "language"),
    [
        ("ja", "ja", "ja"),
        ("ja-JP", "ja_JP", "ja"),
        ("en-GB", "en_GB", "en"),
        ("de", "de", "en"),
        ("xx", "en", "en"),
        ("../../etc", "en", "en"),
        ("ja" * 5000, "en", "en"),
        ("", "en", "en"),
    ],
)
def test_a_locale_falls_back_to_its_language_and_then_to_english(
    tag: str, locale: str, language: str
) -> None:
    assert canonical_locale(tag) == locale
    assert pdf_page.negotiate(locale)[0] == language


def test_dates_are_the_sellers() -> None:
    late = "2026-11-03T20:00:00+00:00"
    tokyo = {**deposit()["seller"], "timezone": "Asia/Tokyo"}
    printed = in_status("UNPAID", deposit(issued_at=late, seller=tokyo))
    assert printed.issued_on == "2026-11-04"
    assert in_status("UNPAID", deposit(issued_at=late)).issued_on == "2026-11-03"


def test_every_word_of_the_templates_is_in_each_catalogue() -> None:
    with (pdf_frames.TEMPLATES / "invoice.html").open("rb") as template:
        words = [*babel_extract(template, ("_", "gettext", "pgettext"), [], {})]
    named = {word for _, _, said, _ in words for word in _strings(said)}
    catalogues = [*pdf_frames.TEMPLATES.glob("locale/*/invoice.po")]
    assert catalogues
    for path in catalogues:
        with path.open("rb") as po:
            catalogue = read_po(po)
        translated = {m.id for m in catalogue if m.string} | {m.context for m in catalogue}
        assert named <= translated, path
        for message in catalogue:
            assert not message.id or _fields(message.string) == _fields(message.id)


def _strings(said: str | tuple[str | None, ...] | None) -> set[str]:
    return {word for word in (said if isinstance(said, tuple) else [said]) if word}


def _fields(text: Any) -> set[str | None]:
    braces = {name for _, name, _, _ in string.Formatter().parse(text)}
    return braces - {None} | {word.split(")s")[0] for word in text.split("%(")[1:]}


# --- what a client wrote


@needs_pango
async def test_hostile_text_is_only_text(renderer: PdfRenderer) -> None:
    rendered = await renderer.render(hostile())
    text = " ".join(pages(rendered))
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    assert "root:" not in text
    with pikepdf.open(io.BytesIO(rendered.bytes)) as opened:
        assert not opened.attachments
        assert all(
            str(note.A.URI).startswith("https://kaze.example")
            for page in opened.pages
            for note in page.get("/Annots", [])
        )


@needs_pango
def test_a_page_may_fetch_nothing() -> None:
    tempting = [
        "<img src='file:///etc/passwd'>",
        "<img src='http://127.0.0.1:1/'>",
        "<link rel=attachment href='file:///etc/passwd'>",
        "<link rel=stylesheet href='http://127.0.0.1:1/'>",
        "<style>@font-face { font-family: x; src: url(file:///etc/passwd) }</style>",
        "<p style='background: url(ftp://127.0.0.1/)'>x</p>",
        f"<img src='{(pdf_frames.TEMPLATES / 'invoice.html').as_uri()}'>",
    ]
    code = (
        "import sys; from api.pdf_worker import Printer\n"
        "printer = Printer()\n"
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


# --- the file


@needs_pango
async def test_it_is_archival_tagged_and_carries_its_fonts(renderer: PdfRenderer) -> None:
    rendered = await renderer.render(in_status("PAID", japanese(order()), "ja"))
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
    document = in_status("VOID", japanese(order()), "ja")
    first = await renderer.render(document)
    assert await renderer.render(document) is first
    async with PdfRenderer(processes=1) as other:
        again = await other.render(document)
    assert again == first
    assert first.etag.strip('"').isalnum()
    changed = await renderer.render(replace(document, reference="another"))
    assert changed.etag != first.etag
    assert changed.bytes != first.bytes


# --- the renderer


@needs_pango
async def test_a_render_that_takes_too_long_is_killed_and_the_next_one_works() -> None:
    async with PdfRenderer(processes=1, timeout_seconds=2.5) as renderer:
        with pytest.raises(RenderTimeout):
            await renderer.render(in_status("UNPAID", order(2000)))
        rendered = await renderer.render(in_status("UNPAID", order()))
    assert rendered.bytes.startswith(b"%PDF-")


@needs_pango
async def test_when_a_process_dies_its_document_fails_and_the_next_one_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[pdf_process.RenderProcess] = []
    start = pdf_process.RenderProcess.start

    async def watched(**limits: Any) -> pdf_process.RenderProcess:
        started.append(await start(**limits))
        return started[-1]

    monkeypatch.setattr(pdf_process.RenderProcess, "start", watched)
    async with PdfRenderer(processes=1) as renderer:
        first = await renderer.render(in_status("PAID", order()))
        doomed = asyncio.create_task(renderer.render(in_status("PAID", order(500))))
        await asyncio.sleep(0)
        await started[0].kill()
        with pytest.raises(RenderFailed):
            await doomed
        assert (await renderer.render(in_status("UNPAID", order()))).bytes
        assert await renderer.render(in_status("PAID", order())) is first
    assert [process.alive for process in started] == [False, False]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_a_rendering_process_cannot_take_all_memory() -> None:
    code = (
        "from api.pdf_worker import limit; limit(1 << 30)\n"
        "try: bytearray(1 << 30)\n"
        "except MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


@needs_pango
def test_a_rendering_process_loads_no_domain_and_no_server() -> None:
    code = (
        "import sys; from api.pdf_worker import Printer; Printer()\n"
        "print({'models', 'schema', 'tortoise', 'starlette'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@needs_pango
async def test_who_asks_for_the_same_document_waits_for_the_same_render() -> None:
    document = in_status("UNPAID", order(number="INV-2026-000099"))
    async with PdfRenderer(processes=1, warm=False, queue_max=1) as renderer:
        impatient = asyncio.create_task(renderer.render(document))
        waiting = [asyncio.create_task(renderer.render(document)) for _ in range(5)]
        await asyncio.sleep(0)
        impatient.cancel()
        answers = await asyncio.gather(*waiting)
    assert all(answer is answers[0] for answer in answers)


@needs_pango
async def test_a_full_queue_refuses_at_once() -> None:
    documents = [in_status("UNPAID", order(number=f"INV-{i}")) for i in range(6)]
    async with PdfRenderer(processes=1, queue_max=2) as renderer:
        answers = await asyncio.gather(
            *(renderer.render(document) for document in documents), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [pdf.RenderedPdf] * 2 + [RendererBusy] * 4


@needs_pango
async def test_closing_refuses_who_still_waits_and_leaves_no_process() -> None:
    async with PdfRenderer():
        await asyncio.sleep(0)
    renderer = PdfRenderer(processes=1)
    renderer.start()
    assert (await renderer.render(in_status("UNPAID", order()))).bytes
    waiting = asyncio.create_task(renderer.render(in_status("UNPAID", order(500))))
    await asyncio.sleep(0)
    await renderer.aclose()
    with pytest.raises(PdfUnavailable, match="shutting down"):
        await waiting
    with pytest.raises(PdfUnavailable):
        await renderer.render(in_status("PAID", order()))


@needs_pango
async def test_the_cache_forgets_the_oldest_when_it_is_full() -> None:
    documents = [in_status("UNPAID", order(number=f"INV-{i}")) for i in range(2)]
    async with PdfRenderer(processes=1, cache_bytes=40_000) as renderer:
        first = await renderer.render(documents[0])
        second = await renderer.render(documents[1])
        assert await renderer.render(documents[1]) is second
        assert await renderer.render(documents[0]) is not first


async def test_without_pango_it_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "weasyprint.py").write_text("raise OSError('cannot load library')")
    monkeypatch.setattr(pdf_process, "ENVIRONMENT", pdf_process.ENVIRONMENT | {"PYTHONPATH"})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with PdfRenderer(processes=1) as renderer:
        assert renderer.problem is None
        for _ in range(2):
            with pytest.raises(PdfUnavailable, match=r"apt-get install libpango-1\.0-0"):
                await renderer.render(in_status("UNPAID", order()))
        assert renderer.problem == pdf_frames.MISSING


@needs_pango
def test_a_rendering_process_ends_when_the_server_is_killed() -> None:
    code = (
        "import asyncio\n"
        "from api.pdf_process import RenderProcess\n"
        "async def main():\n"
        "    process = await RenderProcess.start(memory_bytes=1 << 30, timeout_seconds=20)\n"
        "    print(process._process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        worker = os.pidfd_open(int(server.stdout.readline()))
        server.send_signal(signal.SIGKILL)
    with os.fdopen(worker) as ended:
        assert select.select([ended], [], [], 10)[0], "it lives on"


@needs_pango
def test_a_rendering_process_that_nobody_can_kill_ends_itself() -> None:
    request = in_status("UNPAID", order(3000)).encode()
    done = subprocess.run(
        [sys.executable, "-m", "api.pdf_worker", str(1 << 30), "1"],
        input=pdf_frames.frame(pdf_frames.DOCUMENT, request),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGALRM


def test_a_line_without_words_is_still_a_line() -> None:
    document = document_of(
        order(lines=[line("\n\x00", "1", 100, "0")]), status="UNPAID", locale="en", amount_due=100
    )
    assert document.lines[0].title == "—"
