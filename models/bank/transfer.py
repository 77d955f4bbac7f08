"""The bank transfer that an invoice waits for: to which of our accounts, quoting what, how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.gateway import GatewayKind, TransferInstructions
from models.invoices.invoice import Invoice
from models.payments.payment import Payment
from models.provider.provider import provider


@dataclass(frozen=True, slots=True)
class AwaitedTransfer:
    """`amount` minor units to the account `to`, quoting `reference`."""

    to: TransferInstructions
    reference: str
    amount: int


def awaited(invoice: Invoice, payments: Sequence[Payment]) -> AwaitedTransfer | None:
    """The transfer of the payment that waits for one, under its own reference; else to the bank and
    with the reference that the invoice was issued with, unless another way to pay was chosen.
    """
    for payment in payments:
        if isinstance(payment.next_action, TransferInstructions):
            return AwaitedTransfer(payment.next_action, payment.reference, payment.charged)
    bank = invoice.snapshot.get("bank")
    if bank is None or not invoice.asked_for or _pays_otherwise(invoice):
        return None
    quoted = invoice.snapshot.get("transfer_reference") or invoice.number
    return AwaitedTransfer(TransferInstructions(**bank), quoted, invoice.asked_for)


def _pays_otherwise(invoice: Invoice) -> bool:
    chosen = provider().gateways.get(invoice.gateway) if invoice.gateway else None
    return chosen is not None and chosen.kind != GatewayKind.BANK_TRANSFER
