"""What live subscriptions listen to: one topic an invoice, and one a balance."""

from __future__ import annotations

from uuid import UUID


def topic_of_invoice(invoice_id: UUID) -> str:
    """Rings when an invoice or one of its payments has changed."""
    return f"invoice:{invoice_id.hex}"


def topic_of_credit(account_id: UUID, currency: str) -> str:
    """Rings when the balance has changed."""
    return f"credit:{account_id.hex}:{currency}"
