"""What an invoice says, in each state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zxingcpp

from api.pdf.documents.samples import deposit, in_status, line, order
from tests.support.documents.views import html, needs_pango, pages, pictures, place, words

if TYPE_CHECKING:
    from api.pdf.renderer import PdfRenderer, RenderedPdf

pytestmark = pytest.mark.anyio


def pages_of(rendered: RenderedPdf) -> list[str]:
    return pages(rendered.bytes)


@needs_pango
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("UNPAID", "$87.49 due on November 17, 2026"),
        ("PROCESSING", "$87.49 is being processed"),
        ("PAID", "$87.49 paid on November 3, 2026"),
        ("VOID", "This invoice is void. Nothing is due."),
        ("REFUNDED", "$87.49 refunded"),
    ],
)
async def test_an_order_says_how_it_stands(renderer: PdfRenderer, status: str, said: str) -> None:
    [text] = pages_of(await renderer.render(in_status(status, order())))
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
    [text] = pages_of(await renderer.render(in_status(status, deposit("ja"), "ja-JP")))
    assert said in text
    assert "アカウントクレジットへの入金" in text
    assert "株式会社𠮷野商事 御中" in text
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
    texts = pages_of(await renderer.render(in_status("VOID", order(lines_count=48))))
    assert len(texts) > 2
    assert all("VOID" in text for text in texts)
    [paid] = pages_of(await renderer.render(in_status("PAID", order())))
    assert "VOID" not in paid


@needs_pango
async def test_every_page_has_its_number_header_and_table_head(renderer: PdfRenderer) -> None:
    texts = pages_of(await renderer.render(in_status("UNPAID", order(lines_count=48))))
    for number, text in enumerate(texts, 1):
        assert f"Page {number} of {len(texts)}" in text
        assert "Unit price" in text
    assert all("Invoice INV-2026-000043" in text for text in texts[1:])


@needs_pango
async def test_totals_never_stand_alone_on_a_page(renderer: PdfRenderer) -> None:
    for count in range(7, 13):
        texts = pages_of(
            await renderer.render(in_status("UNPAID", order(lines_count=count, notes=[])))
        )
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


def test_dates_are_the_sellers() -> None:
    late = "2026-11-03T20:00:00+00:00"
    tokyo = {**deposit()["seller"], "timezone": "Asia/Tokyo"}
    printed = in_status("UNPAID", deposit(issued_at=late, seller=tokyo))
    assert printed.issued_on == "2026-11-04"
    assert in_status("UNPAID", deposit(issued_at=late)).issued_on == "2026-11-03"


# --- how it is laid out


@needs_pango
async def test_amounts_end_on_one_line_and_are_tabular(renderer: PdfRenderer) -> None:
    pdf = (await renderer.render(in_status("UNPAID", order()))).bytes
    amounts = [word for word in words(pdf) if word["text"] in {"$48.00", "$13.86", "$18.00"}]
    ends = {round(word["x1"]) for word in amounts if word["x1"] > 450}
    assert len(ends) == 1
    assert ends == {round(place(pdf, "Amount")["x1"])}


@needs_pango
async def test_details_of_a_transfer_fit_beside_their_code(renderer: PdfRenderer) -> None:
    pdf = (await renderer.render(in_status("UNPAID", order("de"), "de"))).bytes
    [text] = pages(pdf)
    assert "Zahlung per Überweisung" in text
    assert "DE89 3704 0044 0532 0130 00" in text
    assert "RF86 DZHN AGKM 8F4K" in text
    assert abs(place(pdf, "Verwendungszweck")["top"] - place(pdf, "IBAN")["top"]) < 1


@needs_pango
async def test_a_banking_app_reads_from_the_code_what_the_page_says(renderer: PdfRenderer) -> None:
    """EPC069-12, with the reference as a structured one."""
    pdf = (await renderer.render(in_status("UNPAID", order("de"), "de"))).bytes
    [picture] = pictures(pdf, 3)
    [code] = zxingcpp.read_barcodes(picture)
    kind, _, _, _, bic, name, iban, amount, _, reference, *text = code.text.splitlines()
    assert (kind, bic, name) == ("BCD", "COBADEFFXXX", "Kaze Hosting GmbH")
    assert (iban, amount) == ("DE89370400440532013000", "EUR92.87")
    assert (reference, text) == ("RF86DZHNAGKM8F4K", [])


@needs_pango
@pytest.mark.parametrize("land", ["en", "ja", "de", "fr"])
async def test_an_unpaid_order_of_three_lines_is_one_page(renderer: PdfRenderer, land: str) -> None:
    for status in ("UNPAID", "OVERDUE"):
        rendered = await renderer.render(in_status(status, order(land), land))
        assert len(pages(rendered.bytes)) == 1


# --- what the law wants


def test_an_overdue_invoice_is_marked() -> None:
    page = html(in_status("OVERDUE", order()))
    assert ">Overdue</p>" in page
    assert "was due on November" in page
    assert ">Unpaid</p>" not in page


@pytest.mark.parametrize(
    ("land", "locale", "why"),
    [
        ("de", "de", "EuGH C-419/02"),
        ("ja", "ja", "不課税"),
        ("fr", "fr", "CJUE C-419/02"),
        ("ja", "en", "not a sale"),
    ],
)
def test_a_deposit_says_why_it_carries_no_tax(land: str, locale: str, why: str) -> None:
    assert why in html(in_status("PAID", deposit(land), locale))


def test_the_seller_may_say_why_in_its_own_words() -> None:
    page = html(in_status("PAID", deposit("de", deposit_tax="Because we say <so>."), "de"))
    assert "Because we say &lt;so&gt;." in page
    assert "C-419/02" not in page


def test_a_qualified_invoice_of_japan_has_its_fields() -> None:
    page = html(in_status("PAID", order("ja"), "ja"))
    for said in (
        "カゼホスティング株式会社",
        "登録番号 T1234567890123",  # the issuer's number
        "取引日",
        "The Server Monthly, print edition ※",
        "消費税 8% ※（対象 ¥1,800）",
        "消費税 10%（対象 ¥6,186）",
        "※は軽減税率対象です。",
        "株式会社𠮷野商事　御中",
    ):
        assert said in page, said
    assert "※" not in html(in_status("PAID", order("de"), "ja"))


def test_a_person_in_japan_is_addressed_as_one() -> None:
    person = {**order("ja")["buyer"], "name": "佐藤花子", "company": False}
    assert "佐藤花子 様" in html(in_status("PAID", order("ja", buyer=person), "ja"))


def test_the_fields_of_the_vat_directive_are_there() -> None:
    page = html(in_status("PAID", order("de"), "en"))
    for said in (
        "Date of issue",
        "Date of supply",
        "INV-2026-000043",
        "VAT no. DE136695976",
        "VAT no. DE111111125",
        "10119 Berlin",
        "70173 Stuttgart",
        "Tax 19% on €61.86",
        "Tax 7% on €18.00",
    ):
        assert said in page, said


def test_where_the_client_owes_the_tax_it_says_so() -> None:
    french = {**order("de")["buyer"], "country": "FR", "vat_id": "FR40303265045"}
    lines = [line("Server", "1", 4800, "0")]
    page = html(in_status("UNPAID", order("de", lines=lines, buyer=french), "de"))
    assert "Steuerschuldnerschaft des Leistungsempfängers" in page
    at_home = html(in_status("UNPAID", order("de", lines=lines), "de"))
    assert "Steuerschuldnerschaft" not in at_home


def test_an_exempt_seller_says_why() -> None:
    seller = {**order("de")["seller"], "exemption": "Kleinunternehmer, § 19 UStG"}
    exempt = order("de", lines=[line("Server", "1", 4800, "0")], seller=seller)
    assert "Kleinunternehmer, § 19 UStG" in html(in_status("UNPAID", exempt, "de"))
    assert "Kleinunternehmer" not in html(in_status("UNPAID", order("de", seller=seller), "de"))


def test_a_line_without_words_is_still_a_line() -> None:
    snapshot = order(lines=[line("\n\x00", "1", 100, "0")])
    assert in_status("UNPAID", snapshot).lines[0].title == "—"
