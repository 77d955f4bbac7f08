"""What types show of their records is read when asked for, and written as its scalar would."""

from __future__ import annotations

from decimal import Decimal

import pytest

from models.invoices import invoice
from schema.core.money import Money
from schema.core.scalars import serialize_decimal
from schema.core.shown import text_of
from schema.invoice import InvoiceLine

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "shown",
    [
        Money.minor(-5, "USD"),
        Money.minor(1235, "JPY"),
        *(
            InvoiceLine.of(
                invoice.InvoiceLine(
                    quantity=text,
                    unit_price=1,
                    unit_price_exact=text,
                    tax_rate=text,
                    total=1,
                    description="A server",
                ),
                "USD",
            )
            for text in ("1", "0.10", "1E+2", "-2.500", "0")
        ),
    ],
)
def test_what_writes_a_field_writes_what_its_scalar_would(shown: Money | InvoiceLine) -> None:
    names = {name for name in dir(type(shown)) if isinstance(getattr(shown, name), Decimal)}
    written = {name: write for name in names if (write := text_of(type(shown), name))}
    assert written.keys() == names
    for name, write in written.items():
        assert write(shown) == serialize_decimal(getattr(shown, name))
