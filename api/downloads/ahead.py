"""Documents made before anybody asks: those of what was just paid or taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import structlog

from api.downloads.links import Wanted
from api.downloads.sources import document_of, invoice_pdf
from api.pdf.process import PdfError
from models.db import sql
from models.db.record import new_id
from models.invoices import invoice as invoices
from models.payments import payment as payments

if TYPE_CHECKING:
    from uuid import UUID

    from api.pdf.renderer import PdfRenderer
    from models.gateway import Gateway
    from models.payments.payment import Payment

_BATCH: Final = 20

log = structlog.get_logger(__name__)


class Ahead:
    """Follows the outbox from when it was made. What it misses is made when somebody asks."""

    def __init__(self, renderer: PdfRenderer, gateways: Mapping[str, Gateway]) -> None:
        self._renderer = renderer
        self._gateways = gateways
        self._after: UUID = new_id()

    async def render(self) -> int:
        """The documents of invoices that have been paid or taken back since; how many invoices."""
        rows = await sql.fetch(
            "SELECT id, subject_id FROM event WHERE id > $1"
            " AND kind IN ('invoice.paid', 'invoice.refunded', 'invoice.void')"
            " ORDER BY id LIMIT $2",
            self._after,
            _BATCH,
        )
        for row in rows:
            await self._render(row["subject_id"])
            self._after = row["id"]
        return len(rows)

    async def _render(self, invoice_id: UUID) -> None:
        invoice = await invoices.read(invoice_id)
        assert invoice is not None, "invoices are never deleted"
        locale = invoice.snapshot["buyer"]["locale"]
        try:
            await self._renderer.render(await invoice_pdf(invoice, locale, self._gateways))
            for payment in (await payments.of_invoices([invoice.id])).get(invoice.id, []):
                if payment.received:
                    await self._receipt(payment, locale)
        except PdfError as error:
            log.warning("document_not_made_ahead", invoice=invoice.public_id, problem=str(error))

    async def _receipt(self, payment: Payment, locale: str) -> None:
        found = await document_of(Wanted(payment.public_id, "pdf", locale, {}), self._gateways)
        if found:
            await self._renderer.render(found[0])
