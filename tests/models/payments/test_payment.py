from __future__ import annotations

import pytest

from models.payments.payment import Payment


@pytest.mark.parametrize(
    ("taken_back", "printed", "kept"),
    [(0, "PAID", 100), (1, "PARTLY_REFUNDED", 99), (100, "REFUNDED", 0)],
)
def test_a_receipt_says_how_much_of_its_payment_was_taken_back(
    taken_back: int, printed: str, kept: int
) -> None:
    payment = Payment(received=100, taken_back=taken_back)
    assert (payment.printed_status, payment.kept) == (printed, kept)
