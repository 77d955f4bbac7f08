"""Downloads: an invoice's PDF, for whoever has the signed link to it."""

from __future__ import annotations

from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.pdf import (
    PaymentLine,
    PdfUnavailable,
    RendererBusy,
    RenderFailed,
    RenderTimeout,
    document_of,
)
from api.tokens import LinkExpired, LinkSigner
from models import invoice as invoices
from models import payment as payments
from models.base import now, parse_id
from models.invoice import Invoice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from api.metrics import Metrics
    from api.pdf import Document, PdfRenderer, RenderedPdf
    from api.pdf_document import Status
    from models.gateway import Gateway
    from models.payment import Payment

RETRY_AFTER_SECONDS: Final = 5

log = structlog.get_logger(__name__)


class Links:
    """Makes and reads the links to documents, which work for `minutes`."""

    def __init__(self, secret: bytes, public_url: str, minutes: int) -> None:
        self._signer = LinkSigner(secret)
        self._public_url = public_url
        self._lifetime = timedelta(minutes=minutes)

    def pdf_url(self, invoice_id: str, locale: str) -> str:
        """An absolute link to the PDF of the invoice with that public id."""
        path = f"/documents/{invoice_id}.pdf"
        expires_at = now() + self._lifetime
        return self._public_url + self._signer.sign(path, expires_at=expires_at, locale=locale)

    def locale_of(self, request: Request) -> str | None:
        """The locale of a good link; None for any other. Raises LinkExpired."""
        if len(request.url.query) > _QUERY_CHARS_MAX:
            return None
        params = self._signer.verify(request.url.path, dict(request.query_params))
        return None if params is None else params.get("locale", "en")


_QUERY_CHARS_MAX: Final = 1000


def document_route(
    links: Links, renderer: PdfRenderer, gateways: Mapping[str, Gateway], metrics: Metrics
) -> Route:
    """`GET /documents/{invoice}.pdf`."""

    async def download(request: Request) -> Response:
        started = perf_counter()
        response, outcome = await _answer(request)
        metrics.pdf(outcome, perf_counter() - started)
        return response

    async def _answer(request: Request) -> tuple[Response, str]:
        try:
            locale = links.locale_of(request)
        except LinkExpired:
            return _sentence(
                410, "This link has expired. Ask for a new one in the portal."
            ), "expired"
        invoice = await _invoice(request.path_params["invoice"]) if locale else None
        if invoice is None or locale is None:
            return _sentence(404, "There is no such document."), "unknown"
        document = await _document(invoice, locale, gateways)
        try:
            pdf = await renderer.render(document)
        except PdfUnavailable as problem:
            return _sentence(503, str(problem)), "unavailable"
        except (RendererBusy, RenderTimeout) as problem:
            return _sentence(503, str(problem), retry=True), "busy"
        except RenderFailed:
            log.exception("document_failed", invoice=invoice.public_id)
            return _sentence(500, "This document could not be made."), "failed"
        return _file(request, invoice, pdf), "sent"

    return Route("/documents/{invoice}.pdf", download, name="document")


async def _invoice(public_id: str) -> Invoice | None:
    invoice_id = parse_id(Invoice.PREFIX, public_id)
    return None if invoice_id is None else await invoices.read(invoice_id)


async def _document(invoice: Invoice, locale: str, gateways: Mapping[str, Gateway]) -> Document:
    paid = (await payments.of_invoices([invoice.id])).get(invoice.id, [])
    return document_of(
        invoice.snapshot,
        status=cast("Status", invoice.status),
        locale=locale,
        amount_due=_due(invoice),
        payments=_lines(paid, _namer(gateways, locale)),
        paid_at=invoice.paid_at,
        credit_applied=invoice.credit_applied,
        refunded=sum(payment.taken_back for payment in paid),
        voided_at=invoice.voided_at,
        void_reason=invoice.void_reason,
        credit_note_number=invoice.credit_note_number,
    )


def _due(invoice: Invoice) -> int:
    """Nothing is asked for on a document that nobody can pay any more."""
    return invoice.amount_due if invoice.status in invoices.PAYABLE else 0


def _lines(paid: Sequence[Payment], method: Callable[[str], str]) -> list[PaymentLine]:
    return [
        PaymentLine(
            at=payment.completed_at or payment.created_at,
            method=method(payment.gateway),
            reference=payment.reference,
            amount=payment.received - payment.fee_taken,
            fee=payment.fee_taken,
        )
        for payment in paid
        if payment.received
    ]


def _namer(gateways: Mapping[str, Gateway], locale: str) -> Callable[[str], str]:
    """Gateways' names; one that is not configured any more keeps its code."""
    return lambda code: gateways[code].name(locale) if code in gateways else code


def _file(request: Request, invoice: Invoice, pdf: RenderedPdf) -> Response:
    headers = {
        "ETag": pdf.etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{invoice.number}.pdf"',
    }
    if _has(request.headers.get("if-none-match", ""), pdf.etag):
        return Response(status_code=304, headers=headers)
    return Response(pdf.bytes, headers=headers, media_type="application/pdf")


def _has(if_none_match: str, etag: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return etag in known or "*" in known


def _sentence(status: int, text: str, *, retry: bool = False) -> Response:
    headers = {"Cache-Control": "no-store"}
    if retry:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return PlainTextResponse(text + "\n", status, headers)
