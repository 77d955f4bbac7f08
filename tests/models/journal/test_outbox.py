"""Which listeners an event wakes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from models.db.record import public_id
from models.invoices.invoice import Invoice
from models.journal.outbox import Fact, FactKind
from models.journal.topics import topic_of_invoice

pytestmark = pytest.mark.once

INVOICE, SUBJECT = uuid4(), uuid4()


@pytest.mark.parametrize("kind", FactKind)
def test_an_event_rings_for_the_invoice_that_it_or_its_payment_is_about(kind: FactKind) -> None:
    rings_for = {"invoice": (topic_of_invoice(SUBJECT),), "payment": (topic_of_invoice(INVOICE),)}
    told = Fact(kind, uuid4(), SUBJECT, {"invoice": public_id(Invoice.PREFIX, INVOICE)})
    assert told.topics == rings_for.get(kind.partition(".")[0], ())
