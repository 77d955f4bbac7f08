"""The download route: a signed link, and what becomes of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from api import demo
from api.pdf import PdfRenderer, PdfUnavailable, RenderedPdf, RendererBusy, RenderTimeout
from models import base, password
from tests.api.stage import ask, demo_settings, running
from tests.identities import CHEAP_HASHER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from api.pdf import Document

INVOICES = """
query ($kind: InvoiceKind) {
  invoices(filter: {kind: $kind}) { edges { node { status pdfUrl } } }
}
"""
PDF = b"%PDF-1.7 of a test"


class Renderer:
    """In place of the one that needs seconds and Pango."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.documents: list[Document] = []

    async def __call__(self, document: Document) -> RenderedPdf:
        self.documents.append(document)
        if self.error is not None:
            raise self.error
        return RenderedPdf(PDF, '"etag-of-a-test"')


@pytest.fixture
def renderer(monkeypatch: pytest.MonkeyPatch) -> Renderer:
    stand_in = Renderer()
    monkeypatch.setattr(PdfRenderer, "start", lambda _self: None)
    monkeypatch.setattr(PdfRenderer, "render", lambda _self, document: stand_in(document))
    monkeypatch.setattr(password, "hasher", CHEAP_HASHER)
    return stand_in


@asynccontextmanager
async def portal(database_url: str) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """The application with the demo's clients, and the token of the first."""
    settings = demo_settings(database_url)
    async with running(settings) as client:
        await demo.fill(settings)
        told = await demo.sign_ins(settings)
        yield client, told["clients"][0]["token"]


async def links(client: httpx.AsyncClient, token: str, kind: str = "ORDER") -> dict[str, str]:
    """The links by the invoice's status."""
    data = await ask(client, INVOICES, token, kind=kind)
    return {one["node"]["status"]: one["node"]["pdfUrl"] for one in data["invoices"]["edges"]}


async def test_a_link_downloads_the_invoice_under_its_number(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        link = (await links(client, token))["PAID"]
        answer = await client.get(link)
    assert answer.status_code == 200
    assert answer.content == PDF
    assert answer.headers["content-type"] == "application/pdf"
    number = renderer.documents[0].number
    assert answer.headers["content-disposition"] == f'attachment; filename="{number}.pdf"'
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_document_says_how_the_invoice_stands(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        orders, funds = await links(client, token), await links(client, token, "FUNDS")
        for link in (orders["PAID"], orders["UNPAID"], funds["PAID"]):
            await client.get(link)
    paid, due, deposit = renderer.documents
    assert (paid.status, paid.amount_due, paid.credit_applied) == ("PAID", 0, paid.total)
    assert (due.status, due.amount_due, due.payments) == ("UNPAID", due.total, ())
    assert [(line.method, line.amount) for line in deposit.payments] == [
        ("Sandbox: test payment", 20_000)
    ]
    assert deposit.policy_version


async def test_the_language_is_the_links_own(database_url: str, renderer: Renderer) -> None:
    query = '{ invoices(first: 1) { edges { node { pdfUrl(locale: "ja-JP") } } } }'
    async with portal(database_url) as (client, token):
        data = await ask(client, query, token)
        await client.get(data["invoices"]["edges"][0]["node"]["pdfUrl"])
    assert renderer.documents[0].locale.startswith("ja")


async def test_what_the_browser_has_already_is_not_sent_again(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        link = (await links(client, token))["PAID"]
        etag = (await client.get(link)).headers["etag"]
        again = await client.get(link, headers={"if-none-match": f'"other", W/{etag}'})
        other = await client.get(link, headers={"if-none-match": '"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200
    assert len(renderer.documents) == 3


async def test_a_link_that_was_changed_finds_nothing(database_url: str, renderer: Renderer) -> None:
    async with portal(database_url) as (client, token):
        both = await links(client, token)
        link, other = both["PAID"], both["UNPAID"]
        signature = parse_qs(urlsplit(link).query)["signature"][0]
        for wrong in (
            link.replace("locale=en", "locale=ja"),
            link.replace("expires=", "expires=1"),
            link.replace(signature, signature[::-1]),
            link.replace(urlsplit(link).path, urlsplit(other).path),
            link.partition("?")[0],
            link + "&more=1",
            link + "&x=" + "y" * 5000,
            "/documents/inv_nonsense.pdf?expires=x&signature=é",
            "/documents/..%2f..%2fetc%2fpasswd.pdf",
        ):
            answer = await client.get(wrong)
            assert answer.status_code == 404, wrong
    assert renderer.documents == []


async def test_an_expired_link_says_so(
    database_url: str, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with portal(database_url) as (client, token):
        link = (await links(client, token))["PAID"]
        later = base.now() + timedelta(minutes=61)
        monkeypatch.setattr("api.tokens.now", lambda: later)
        answer = await client.get(link)
    assert answer.status_code == 410
    assert "expired" in answer.text
    assert renderer.documents == []


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (PdfUnavailable("PDFs need Pango; type: apt-get install libpango-1.0-0"), None),
        (RendererBusy("Too many documents are being made; try again shortly."), "5"),
        (RenderTimeout("It took too long."), "5"),
    ],
)
async def test_where_no_pdf_can_be_made_the_answer_says_why(
    database_url: str, renderer: Renderer, error: Exception, retry: str | None
) -> None:
    renderer.error = error
    async with portal(database_url) as (client, token):
        answer = await client.get((await links(client, token))["PAID"])
    assert answer.status_code == 503
    assert answer.text.strip() == str(error)
    assert answer.headers.get("retry-after") == retry
