"""How to pay by bank transfer, as it is printed, with what a banking app can scan."""

from __future__ import annotations

from dataclasses import dataclass

from stdnum import iban

from api.pdf.text import LINE_MAX, NAME_MAX, clean
from models.gateway import TransferInstructions
from models.snapshot import BankSnapshot


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where to send `amount` (minor units), and what to quote; `iban` where the number is one."""

    beneficiary: str
    bank_name: str
    account_number: str
    bic: str | None
    reference: str
    amount: int
    iban: bool


def transfer_of(bank: BankSnapshot | TransferInstructions, reference: str, amount: int) -> Transfer:
    """The instructions of a payment that waits for them, or of an invoice with its bank."""
    if not isinstance(bank, TransferInstructions):
        bank = TransferInstructions(**bank)
    number = clean(bank.account_number, LINE_MAX)
    is_iban = bool(iban.is_valid(number))
    return Transfer(
        beneficiary=clean(bank.beneficiary, NAME_MAX),
        bank_name=clean(bank.bank_name, NAME_MAX),
        account_number=iban.format(number) if is_iban else number,
        bic=clean(bank.bic, NAME_MAX) if bank.bic else None,
        reference=clean(reference, NAME_MAX),
        amount=amount,
        iban=is_iban,
    )
