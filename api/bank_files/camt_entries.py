"""The entries of an ISO 20022 statement: the transfers that each is, alone or in a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.bank_files.camt_values import amount_at, amount_of, day_of, is_credit, is_true
from api.bank_files.lines import StatementUnreadable, at, clean, reference_of
from api.bank_files.xml_document import (
    children,
    count_at,
    first_text,
    texts_below,
    value_at,
)
from models.bank.reported import BankLine
from models.money import Money

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Where payer and bank write, in the order in which a reference goes on.
_TEXTS: Final = (
    *("EndToEndId", "Ref", "Ustrd", "AddtlRmtInf", "AddtlTxInf", "AddtlNtryInf"),
    *("InstrId", "TxId", "PmtInfId"),
)
#: ISO's codes of what the bank has not booked.
_NOT_BOOKED: Final = frozenset({"PDNG", "INFO", "FUTR"})


def is_booked(entry: Element) -> bool:
    """Whether the bank has booked it; pending and informational entries may never be."""
    if value_at(entry, "Sts", "Prtry"):
        return False
    # Of 001.02 it is the status itself.
    status = value_at(entry, "Sts", "Cd") or value_at(entry, "Sts")
    if status not in {"BOOK", *_NOT_BOOKED}:
        said = clean(status)[:30]
        raise StatementUnreadable(f"Sts: {said!r} does not say whether it is booked")
    return status == "BOOK"


def lines_of(entry: Element, account: str) -> list[BankLine]:
    """The transfers of an entry: one, or those of a batch. Raises StatementUnreadable."""
    whole = amount_of(entry)
    parts = [entry, *children(entry, "NtryDtls")]  # 001.01 has no NtryDtls
    details = [one for part in parts for one in children(part, "TxDtls")]
    batches = [count_at(part, "Btch", "NbOfTxs") or 0 for part in parts]
    if len(details) == 1 and sum(batches) <= 1:
        return [_line(entry, details[0], whole, account)]
    amounts = [_amount_of(one, number) for number, one in enumerate(details, 1)]
    told = [amount for amount in amounts if amount is not None]
    if details and len(told) == len(details) and _sum(entry, details, told) == whole:
        return [
            _line(entry, one, amount, account) for one, amount in zip(details, told, strict=True)
        ]
    is_batch = max(len(details), sum(batches)) > 1
    return [_line(entry, entry, whole, account, is_batch=is_batch)]


def _amount_of(details: Element, number: int) -> Money | None:
    """A transfer's own amount: of 001.02 it is inside AmtDtls."""
    with at(f"TxDtls {number}:"):
        own = amount_at(details, "Amt")
        return amount_at(details, "AmtDtls", "TxAmt", "Amt") if own is None else own


def _sum(entry: Element, details: list[Element], amounts: list[Money]) -> Money | None:
    """What the transfers move together, in the direction of their entry."""
    whole = Money.zero(amounts[0].currency)
    for one, amount in zip(details, amounts, strict=True):
        if amount.currency != whole.currency:
            return None
        whole += amount if is_credit(one, entry) == is_credit(entry) else -amount
    return whole


def _line(
    entry: Element, details: Element, amount: Money, account: str, *, is_batch: bool = False
) -> BankLine:
    credit = is_credit(details, entry)
    payer = "Dbtr" if credit else "Cdtr"
    parties = children(details, "RltdPties")
    names = [text for one in parties for text in _below(one, payer, "Nm")]
    numbers = [
        text
        for one in parties
        for name in ("IBAN", "Id")
        for text in _below(one, f"{payer}Acct", name)
    ]
    reference = first_text(entry, "AcctSvcrRef") or first_text(details, "Refs", "AcctSvcrRef")
    texts = [text for name in _TEXTS for text in texts_below(details, name)]
    if details is not entry:
        texts += [text for one in children(entry, "AddtlNtryInf") for text in one.itertext()]
    return BankLine(
        account=account,
        key="",
        bank_ref=reference_of(reference),
        amount=amount,
        is_credit=credit,
        is_reversal=is_true(entry, "RvslInd"),
        is_batch=is_batch,
        booked_on=day_of(entry, "BookgDt", "ValDt"),
        payer_name=clean(" ".join(names[:1])),
        payer_account=clean(" ".join(numbers[:1])),
        texts=tuple(clean(text) for text in texts if text.strip() not in {"", "NOTPROVIDED"}),
    )


def _below(element: Element, name: str, inner: str) -> list[str]:
    return [text for one in children(element, name) for text in texts_below(one, inner)]
