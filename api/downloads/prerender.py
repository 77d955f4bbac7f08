"""Documents rendered in advance: those of invoices that were just paid or voided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import structlog

from api.downloads.links import Wanted
from api.pdf.process import PdfError
from models.db.record import new_id
from models.invoices import invoice as invoices
from models.journal import outbox
from models.journal.outbox import FactKind
from models.payments import payment as payments

if TYPE_CHECKING:
    from uuid import UUID

    from api.pdf.renderer import PdfRenderer
    from models.gateway import Gateway
    from models.payments.payment import Payment

_BATCH: Final = 20
_KINDS: Final = (FactKind.INVOICE_PAID, FactKind.INVOICE_VOIDED, FactKind.PAYMENT_REFUNDED)

log = structlog.get_logger(__name__)


class Prerenderer:
    """Follows the outbox from its creation. What it misses is rendered on request."""

    def __init__(self, renderer: PdfRenderer, gateways: Mapping[str, Gateway]) -> None:
        self._renderer = renderer
        self._gateways = gateways
        self._after: UUID = new_id()

    async def render(self) -> int:
        """The documents of invoices that have been paid or taken back since; how many invoices."""
        events = await outbox.after(self._after, _KINDS, _BATCH)
        for event in events:
            invoice_id = outbox.invoice_of(event)
            assert invoice_id is not None, "that is what these kinds are about"
            await self._render(invoice_id)
            self._after = event.id
        return len(events)

    async def _render(self, invoice_id: UUID) -> None:
        from api.downloads.sources import invoice_pdf  # noqa: PLC0415 - takes long, not at the start

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
        from api.downloads.sources import document_of  # noqa: PLC0415 - as above

        found = await document_of(Wanted(payment.public_id, "pdf", locale, {}), self._gateways)
        if found:
            await self._renderer.render(found[0])
