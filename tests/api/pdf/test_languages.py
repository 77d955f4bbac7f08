"""Languages: catalogues that are whole, and one that is added by its catalogue alone."""

from __future__ import annotations

import re
import shutil
import string
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from babel.messages.pofile import read_po

from api.pdf.catalogue import negotiate
from api.pdf.documents import samples
from api.pdf.frames import TEMPLATES
from api.pdf.pool import ProcessPool
from api.pdf.renderer import PdfRenderer
from api.pdf.text import canonical_locale
from schema.core import texts
from tests.support.documents import keys as catalogue
from tests.support.documents.views import (
    assert_nothing_leaves_its_page,
    html,
    needs_pango,
    pages,
    place,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.anyio

ARABIC = TEMPLATES.parent / "tests" / "api" / "pdf" / "arabic.po"
CATALOGUES = [*sorted(TEMPLATES.glob("locale/*/documents.po")), ARABIC]


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A provider's copy of the templates, with Arabic added: one file, and nothing else."""
    copy = tmp_path / "templates"
    shutil.copytree(TEMPLATES, copy)
    (copy / "locale" / "ar").mkdir()
    shutil.copy(ARABIC, copy / "locale" / "ar" / "documents.po")
    return copy


def test_there_are_the_languages_that_we_promise() -> None:
    assert {path.parent.name for path in CATALOGUES} >= {"de", "en", "fr", "ja"}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_key_of_the_templates_has_words_with_its_fields(path: Path) -> None:
    ours, english = words(path), words(TEMPLATES / "locale" / "en" / "documents.po")
    assert set(ours) == catalogue.keys()
    for key, said in ours.items():
        assert said, key
        assert _fields(said) == _fields(english[key]), key


def words(path: Path) -> dict[str, str]:
    with path.open("rb") as po:
        return {str(one.id): str(one.string) for one in read_po(po) if one.id}


def _fields(text: Any) -> set[str | None]:
    braces = {name for _, name, _, _ in string.Formatter().parse(text)}
    return braces - {None} | {word.split(")s")[0] for word in text.split("%(")[1:]}


def test_what_a_catalogue_lacks_is_said_in_our_words_and_then_in_english(templates: Path) -> None:
    """A provider's copy from before a key was added, and a language that is not complete."""
    for language in ("de", "en"):
        (templates / "locale" / language / "documents.po").write_text('msgid "own"\nmsgstr "x"\n')
    (templates / "locale" / "it").mkdir()
    (templates / "locale" / "it" / "documents.po").write_text('msgid "invoice"\nmsgstr "Fattura"\n')
    german = html(samples.DOCUMENTS["invoice"]("de-AT"), templates)
    assert "Rechnung" in german
    assert "invoice.due_on" not in german
    italian = html(samples.DOCUMENTS["invoice"]("it"), templates)
    assert "Fattura" in italian
    assert "Due date" in italian


def test_a_provider_who_has_copied_templates_with_words_in_them_keeps_them(templates: Path) -> None:
    """As they were before words had keys: English in the template, catalogues of the others."""
    receipt = templates / "receipt.html"
    receipt.write_text(receipt.read_text().replace("_('receipt')", "_('Our receipt')"))
    with (templates / "locale" / "de" / "documents.po").open("a") as po:
        po.write('\nmsgid "Our receipt"\nmsgstr "Unsere Quittung"\n')
    assert "Unsere Quittung" in html(samples.DOCUMENTS["receipt"]("de"), templates)
    assert "Our receipt" in html(samples.DOCUMENTS["receipt"]("en"), templates)


def documents(locale: str) -> Iterator[tuple[str, Any]]:
    """Each kind once."""
    for name in ("invoice", "deposit", "receipt", "credit-note", "void-notice", "statement"):
        yield name, samples.DOCUMENTS[name](locale)


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        ("de", ["Kredit- oder Debitkarte", "Banküberweisung", "PayPal", "Sandbox: Testzahlung"]),
        ("fr", ["Carte de crédit ou de débit", "Virement bancaire", "PayPal"]),
        ("ja-JP", ["クレジットカード・デビットカード", "銀行振込", "PayPal"]),
        ("en", ["Credit or debit card", "Bank transfer", "PayPal"]),
        ("it", ["Credit or debit card", "Bank transfer", "PayPal"]),
    ],
)
def test_a_way_to_pay_is_called_what_the_catalogue_says(locale: str, names: list[str]) -> None:
    codes = ("card", "bank-transfer", "paypal", "sandbox")
    said = {texts.gateway(code, locale) for code in codes}
    for template in ("receipt", "invoice-paid"):
        document = samples.DOCUMENTS[template](locale)
        pages_ = " ".join(html(_paid_by(document, method)) for method in said)
        assert [name for name in names if name not in pages_] == []


def _paid_by(document: Any, method: str) -> Any:
    if document.template == "receipt":
        return replace(document, method=method)
    return replace(document, payments=[replace(one, method=method) for one in document.payments])


def test_a_language_is_added_by_its_catalogue_alone(templates: Path) -> None:
    for name, document in documents("ar"):
        assert 'lang="en"' in html(document), name
        page = html(document, templates)
        assert '<html lang="ar" dir="rtl"' in page
        assert "صفحة" in page, name


@needs_pango
async def test_a_page_from_right_to_left_is_mirrored(templates: Path) -> None:
    async with PdfRenderer(ProcessPool(processes=1, templates=templates)) as renderer:
        right_to_left = (await renderer.render(samples.invoice_in("UNPAID")("ar"))).bytes
    async with PdfRenderer(ProcessPool(processes=1)) as renderer:
        left_to_right = (await renderer.render(samples.invoice_in("UNPAID")("en"))).bytes
    middle = 595 / 2
    for word in ("INV-2026-000043", "SO-88213"):
        assert (place(left_to_right, word)["x0"] < middle) != (
            place(right_to_left, word)["x0"] < middle
        ), word
    assert any("\u0641" <= char <= "\u064a" for char in pages(right_to_left)[0])


def test_numbers_keep_their_direction_among_letters_from_right_to_left(templates: Path) -> None:
    page = html(samples.DOCUMENTS["statement"]("ar"), templates)
    assert re.search("\u2066[^<]*\\+250\\.00[^<]*\u2069", page)
    assert ">K</span>" in page


@pytest.mark.parametrize(
    ("tag", "locale", "language"),
    [
        ("ja", "ja", "ja"),
        ("ja-JP", "ja_JP", "ja"),
        ("en-GB", "en_GB", "en"),
        ("de-AT", "de_AT", "de"),
        ("it", "it", "en"),
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
    assert negotiate(locale, TEMPLATES)[0] == language


@needs_pango
@pytest.mark.parametrize("locale", ["en", "fr", "ja"])
async def test_the_stamp_is_as_large_as_the_page_allows(renderer: PdfRenderer, locale: str) -> None:
    made = await renderer.render(samples.DOCUMENTS["invoice-void"](locale))
    assert_nothing_leaves_its_page(made.bytes)
