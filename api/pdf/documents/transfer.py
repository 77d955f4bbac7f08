"""How to pay by bank transfer, as it is printed, with what a banking app can scan."""

from __future__ import annotations

from dataclasses import dataclass

from stdnum import iban, iso11649

from api.pdf.text import LINE_MAX, NAME_MAX, clean
from models.bank.transfer import AwaitedTransfer
from models.gateway import TransferInstructions


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where to send `amount` (minor units), and what to quote; `iban` where the number is one.

    `bank_name` has the branch in it, where there is one; `account_type` is `ordinary`, `current` or
    empty (Japan).
    """

    beneficiary: str
    bank_name: str
    account_type: str
    account_number: str
    bic: str | None
    reference: str
    amount: int
    iban: bool


def transfer_of(awaited: AwaitedTransfer) -> Transfer:
    """The transfer that is awaited, as it is printed."""
    bank, reference = awaited.to, awaited.reference
    number = clean(bank.account_number, LINE_MAX)
    is_iban, is_rf = bool(iban.is_valid(number)), bool(iso11649.is_valid(reference))
    return Transfer(
        beneficiary=clean(bank.beneficiary, NAME_MAX),
        bank_name=clean(_with_branch(bank), NAME_MAX),
        account_type=bank.account_type or "",
        account_number=iban.format(number) if is_iban else number,
        bic=clean(bank.bic, NAME_MAX) if bank.bic else None,
        # In fours, as the standard prints it.
        reference=iso11649.format(reference) if is_rf else clean(reference, NAME_MAX),
        amount=awaited.amount,
        iban=is_iban,
    )


def _with_branch(bank: TransferInstructions) -> str:
    code = f"({bank.branch_code})" if bank.branch_code else ""
    return " ".join(part for part in (bank.bank_name, bank.branch_name, code) if part)
