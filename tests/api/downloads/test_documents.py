"""The download route: a signed link, and what becomes of it."""

from __future__ import annotations

import csv
import io
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from api import demo
from api.downloads.prerender import Prerenderer
from api.downloads.statement_csv import safe
from api.pdf.pool import ProcessPool
from api.pdf.process import PdfUnavailable, RendererBusy, RenderTimeout
from api.pdf.renderer import PdfRenderer, RenderedPdf
from models.access import password
from models.accounts.account import Account
from models.db import record, transactions
from models.invoices.invoice import Invoice
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.chart import LedgerKind
from models.ledger.credit_transaction import StatementLineKind
from models.ledger.opening import open_book
from models.ledger.posting import Leg, StatementLine
from models.payments.payment import Payment
from models.provider.provider import provider
from tests.support.application import ask, demo_settings, running
from tests.support.identities import CHEAP_HASHER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from api.pdf.documents.invoice import InvoiceDocument
    from tests.support.clock import At

pytestmark = pytest.mark.once

INVOICES = """
query ($kind: InvoiceKind) {
  invoices(filter: {kind: $kind}) { edges { node { status pdfUrl } } }
}
"""
PDF = b"%PDF-1.7 of a test"
ETAG = '"etag-of-a-test"'


class Renderer:
    """In place of the one that needs seconds and Pango."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.documents: list[InvoiceDocument] = []

    async def __call__(self, document: InvoiceDocument) -> RenderedPdf:
        self.documents.append(document)
        if self.error is not None:
            raise self.error
        return RenderedPdf(PDF, ETAG)


@pytest.fixture
def renderer(monkeypatch: pytest.MonkeyPatch) -> Renderer:
    stand_in = Renderer()
    monkeypatch.setattr(PdfRenderer, "start", lambda _self: None)
    monkeypatch.setattr(PdfRenderer, "render", lambda _self, document: stand_in(document))
    monkeypatch.setattr(PdfRenderer, "etag", lambda _self, _document: ETAG)
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
    assert (paid.head.mark, paid.amount_due, paid.credit_applied) == ("PAID", 0, paid.total)
    assert (due.head.mark, due.amount_due, due.payments) == ("UNPAID", due.total, ())
    assert [(line.method, line.amount) for line in deposit.payments] == [
        ("Sandbox: test payment", 20_000)
    ]
    assert deposit.policy_version


async def test_the_language_is_the_links_own(database_url: str, renderer: Renderer) -> None:
    query = '{ invoices(first: 1) { edges { node { pdfUrl(locale: "ja-JP") } } } }'
    async with portal(database_url) as (client, token):
        data = await ask(client, query, token)
        await client.get(data["invoices"]["edges"][0]["node"]["pdfUrl"])
    assert renderer.documents[0].head.locale.startswith("ja")


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
    assert len(renderer.documents) == 2  # what is not sent is not even made


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


async def test_an_expired_link_says_so(database_url: str, renderer: Renderer, at: At) -> None:
    async with portal(database_url) as (client, token):
        link = (await links(client, token))["PAID"]
        at(timedelta(minutes=61))
        answer = await client.get(link)
    assert answer.status_code == 410
    assert "expired" in answer.text
    assert renderer.documents == []


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (PdfUnavailable("PDFs need Pango; type: apt-get install libpango-1.0-0"), None),
        (RendererBusy("Too many documents are being rendered; try again shortly."), "5"),
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


# --- the other documents

MINE = """
query ($from: Date!, $to: Date!, $locale: String) {
  invoices(filter: {kind: FUNDS}) {
    edges { node { voidDocumentUrl payments { receiptUrl(locale: $locale) } } }
  }
  creditStatement(from: $from, to: $to) {
    openingBalance { amount } closingBalance { amount } added { amount } spent { amount }
    transactionCount pdfUrl(locale: $locale) csvUrl(locale: $locale)
  }
}
"""
EVER = {"from": "2025-01-01", "to": "2034-12-31"}


async def test_a_payment_has_a_receipt(database_url: str, renderer: Renderer) -> None:
    async with portal(database_url) as (client, token):
        data = await ask(client, MINE, token, **EVER)
        [funds] = [edge["node"] for edge in data["invoices"]["edges"]]
        [paid] = funds["payments"]
        answer = await client.get(paid["receiptUrl"])
    assert answer.content == PDF
    [receipt] = cast("Any", renderer.documents)
    assert (receipt.template, receipt.head.mark) == ("receipt", "PAID")
    assert [item.amount for item in receipt.invoices] == [20_000]
    assert (receipt.received, receipt.refunded) == (20_000, 0)
    assert receipt.invoice_number in answer.headers["content-disposition"]
    assert funds["voidDocumentUrl"] is None


async def test_a_receipt_names_a_gateway_that_is_not_configured_any_more(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        [paid] = (await ask(client, MINE, token, **EVER))["invoices"]["edges"][0]["node"][
            "payments"
        ]
        for code in ("paypal", "kippu"):
            await Payment.all().update(gateway=code)
            assert (await client.get(paid["receiptUrl"])).status_code == 200
    # What a plug-in was called only it knew.
    assert [document.method for document in cast("Any", renderer.documents)] == ["PayPal", "kippu"]


async def test_a_payment_without_money_has_no_receipt(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        [paid] = (await ask(client, MINE, token, **EVER))["invoices"]["edges"][0]["node"][
            "payments"
        ]
        await Payment.all().update(received=0, applied=0)
        assert (await client.get(paid["receiptUrl"])).status_code == 404
        data = await ask(client, MINE, token, **EVER)
    assert data["invoices"]["edges"][0]["node"]["payments"] == [{"receiptUrl": None}]
    assert renderer.documents == []


async def test_an_invoice_that_was_taken_back_has_a_credit_note(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        staff = (await demo.sign_ins(demo_settings(database_url)))["staff"]["token"]
        voided = await void_all_orders(client, staff)
        for one in voided.values():
            assert (await client.get(one["voidDocumentUrl"])).content == PDF
        seen = await ask(client, VOIDED, token)
    paid, unpaid = sorted(cast("Any", renderer.documents), key=lambda one: one.number is None)
    assert paid.number == voided["PAID"]["creditNoteNumber"]
    assert paid.returned == paid.total > 0
    assert (unpaid.number, unpaid.returned, unpaid.reason) == (None, 0, "Ordered twice")
    assert all(edge["node"]["voidDocumentUrl"] for edge in seen["invoices"]["edges"])


VOIDED = "{ invoices(filter: {kind: ORDER}) { edges { node { id status voidDocumentUrl } } } }"
VOID = """
mutation ($input: VoidInvoiceInput!) {
  voidInvoice(input: $input) { invoice { creditNoteNumber voidDocumentUrl } userErrors { code } }
}
"""


async def void_all_orders(client: httpx.AsyncClient, staff: str) -> dict[str, Any]:
    """Of the first client; by the status that each had."""
    account = await ask(client, '{ accounts(search: "mina@") { edges { node { id } } } }', staff)
    mine = account["accounts"]["edges"][0]["node"]["id"]
    query = VOIDED.replace("invoices(", f'invoices(accountId: "{mine}", ')
    voided = {}
    for edge in (await ask(client, query, staff))["invoices"]["edges"]:
        node = edge["node"]
        wish = {"invoiceId": node["id"], "reason": "Ordered twice", "idempotencyKey": node["id"]}
        voided[node["status"]] = (await ask(client, VOID, staff, input=wish))["voidInvoice"][
            "invoice"
        ]
    return voided


async def test_the_statement_equals_the_ledger_in_every_form(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        told = (await ask(client, MINE, token, **EVER, locale="de"))["creditStatement"]
        balance = (await ask(client, "{ balance { available { amount } version } }", token))[
            "balance"
        ]
        await client.get(told["pdfUrl"])
        answer = await client.get(told["csvUrl"])
    assert told["closingBalance"]["amount"] == balance["available"]["amount"] == "83.66"
    assert told["openingBalance"]["amount"] == "0.00"
    assert Decimal(told["added"]["amount"]) - Decimal(told["spent"]["amount"]) == Decimal("83.66")
    [printed] = cast("Any", renderer.documents)
    assert (printed.opening, printed.closing, printed.head.locale) == (0, 8366, "de")
    assert sum(line.amount for line in printed.lines) == 8366
    rows = [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [row["kind"] for row in (rows[0], rows[-1])] == ["OPENING", "CLOSING"]
    assert sum(Decimal(row["amount"]) for row in rows[1:-1]) == Decimal("83.66")
    assert rows[-1]["balance"] == rows[-2]["balance"] == "83.66"
    assert len(rows) - 2 == told["transactionCount"] == balance["version"]


async def test_a_statement_of_other_days_or_of_another_is_not_in_the_link(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url) as (client, token):
        told = (await ask(client, MINE, token, **EVER))["creditStatement"]
        for wrong in (
            told["csvUrl"].replace("to=2034", "to=2033"),
            told["csvUrl"].replace(".csv", ".pdf"),
            told["pdfUrl"].replace(".pdf", ".csv"),
            told["pdfUrl"].replace("currency=USD", "currency=EUR"),
        ):
            assert (await client.get(wrong)).status_code == 404, wrong
    assert renderer.documents == []


async def test_a_statement_that_ends_before_it_begins_is_refused(database_url: str) -> None:
    async with portal(database_url) as (client, token):
        asked = {"query": MINE, "variables": {"from": "2026-02-01", "to": "2026-01-31"}}
        headers = {"authorization": f"Bearer {token}"}
        answer = (await client.post("/graphql", json=asked, headers=headers)).json()
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_long_statement_is_prepared_and_then_sent(
    database_url: str, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[RenderedPdf | None] = [None, RenderedPdf(PDF, ETAG)]

    async def soon(_self: PdfRenderer, document: Any, within_seconds: float) -> RenderedPdf | None:
        assert len(document.lines) > 200
        assert within_seconds <= 2
        return made.pop(0)

    monkeypatch.setattr(PdfRenderer, "soon", soon)
    async with portal(database_url) as (client, token):
        await many_lines(client, token)
        told = (await ask(client, MINE, token, **EVER))["creditStatement"]
        first, second = [await client.get(told["pdfUrl"]) for _ in range(2)]
        monkeypatch.setattr("api.downloads.sources.STATEMENT_LINES_MAX", 200)
        too_long = await client.get(told["pdfUrl"])
        as_csv = await client.get(told["csvUrl"])
    assert (first.status_code, first.headers["retry-after"]) == (202, "5")
    assert "being prepared" in first.text
    assert (second.status_code, second.content) == (200, PDF)
    assert too_long.status_code == 422
    assert as_csv.text.count("\r\n") == told["transactionCount"] + 3
    assert renderer.documents == []


async def many_lines(client: httpx.AsyncClient, token: str) -> None:
    account = (await ask(client, "{ viewer { account { id } } }", token))["viewer"]["account"]["id"]
    account_id = record.parse_id("acc", account)
    assert account_id is not None

    async def work() -> None:
        journal = Journal()
        opened = await open_book(journal, account_id, "USD")
        for n in range(201):
            legs = [Leg(opened.provider_account(LedgerKind.ADJUSTMENTS), opened.deposited, 1)]
            opened.post(StatementLine(StatementLineKind.ADJUSTMENT, f"many-{n}", note="=1+1"), legs)
        await journal.write()

    await transactions.transaction(work)


async def test_documents_are_made_before_anybody_asks(
    database_url: str, renderer: Renderer
) -> None:
    async with portal(database_url):
        gateways = provider().gateways
        prerenderer = Prerenderer(PdfRenderer(ProcessPool(warm=False)), gateways)
        assert await prerenderer.render() == 0  # what was there before is nobody's wish now
        account = await Account.get(email="mina@client.example")
        invoice = await Invoice.get(account_id=account.id, kind="ORDER", status="UNPAID")
        journal = Journal()
        journal.tell(FactKind.INVOICE_PAID, account.id, invoice.id)
        await transactions.transaction(journal.write)
        assert await prerenderer.render() == 1
        assert await prerenderer.render() == 0
    assert [document.number for document in renderer.documents] == [invoice.number]


@pytest.mark.parametrize(
    "evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "\uff1d1", "  =1", "|cmd", "%0A"]
)
def test_a_spreadsheet_takes_no_text_for_a_formula(evil: str) -> None:
    assert safe(evil) == f"'{evil}"
    assert safe("Deposit (INV-1)") == "Deposit (INV-1)"
