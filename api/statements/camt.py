"""ISO 20022 statements: camt.053 and camt.054, in any version since 001.02.

After the message definition reports "Bank-to-Customer Cash Management". Elements are found by
their local names, which all versions share; where a version moved one, both places are looked at.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from api.statements.lines import (
    StatementUnreadable,
    checked_day,
    clean,
    keyed,
    money,
    own_account,
    reference_of,
)
from models.bank_statement import Balance, BankLine, Statement
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Collection

#: The message, and the element that is one statement in it.
_MESSAGES: Final = {
    "BkToCstmrStmt": ("camt.053", "Stmt"),
    "BkToCstmrDbtCdtNtfctn": ("camt.054", "Ntfctn"),
}
#: Where payer and bank write, in the order in which a reference goes on.
_TEXTS: Final = (
    *("EndToEndId", "Ref", "Ustrd", "AddtlRmtInf", "AddtlTxInf", "AddtlNtryInf"),
    *("InstrId", "TxId", "PmtInfId"),
)


def read(data: bytes, accounts: Collection[str]) -> list[Statement]:
    """The statements in a message. Raises StatementUnreadable."""
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        # ValueError has defusedxml's refusals under it: a document type, entities.
        raise StatementUnreadable(f"its XML is not accepted ({clean(str(error))[:80]})") from None
    for element in root.iter():
        name = _name(element)
        if name in _MESSAGES:
            form, child = _MESSAGES[name]
            return [_statement(one, form, accounts) for one in _children(element, child)]
    raise StatementUnreadable("it is XML, and neither camt.053 nor camt.054")


def _statement(statement: Element, form: str, accounts: Collection[str]) -> Statement:
    written = _text(statement, "Acct", "Id", "IBAN") or _text(statement, "Acct", "Id", "Othr", "Id")
    account = own_account(written, accounts)
    entries = _children(statement, "Ntry")
    booked = [entry for entry in entries if _is_booked(entry)]
    reference = clean(_text(statement, "Id"))
    number = _text(statement, "ElctrncSeqNb") or _text(statement, "LglSeqNb")
    opening = _balance(statement, "OPBD") or _balance(statement, "PRCD")
    closing = _balance(statement, "CLBD")
    lines = [line for entry in booked for line in _lines(entry, account)]
    return Statement(
        form=form,
        reference=reference,
        account=account,
        currency=_currency(statement, lines),
        number=int(number) if number.isascii() and number.isdigit() else None,
        opening=opening,
        closing=closing,
        lines=keyed(lines, f"{form} {reference} {number}"),
        pending=len(entries) - len(booked),
    )


def _currency(statement: Element, lines: list[BankLine]) -> str:
    amounts = [amount for balance in _children(statement, "Bal") for amount in _amounts(balance)]
    said = [_text(statement, "Acct", "Ccy"), *(amount.get("Ccy", "") for amount in amounts)]
    said += [line.amount.currency for line in lines]
    return next(filter(None, said), "")


def _balance(statement: Element, code: str) -> Balance | None:
    for balance in _children(statement, "Bal"):
        if _text(balance, "Tp", "CdOrPrtry", "Cd") == code:
            minor = _amount(balance).minor
            return Balance(minor if _is_credit(balance) else -minor, _day(balance, "Dt"))
    return None


def _is_booked(entry: Element) -> bool:
    """Whether the bank has booked it; pending and informational entries may never be."""
    status = _text(entry, "Sts", "Cd") or _text(entry, "Sts") or _text(entry, "Sts", "Prtry")
    if not status:
        raise StatementUnreadable("an entry of it does not say whether it is booked")
    return status == "BOOK"


# ------------------------------------------------------------------------------- entries


def _lines(entry: Element, account: str) -> list[BankLine]:
    """The transfers of an entry: one, or those of a batch."""
    details = [one for part in _children(entry, "NtryDtls") for one in _children(part, "TxDtls")]
    if len(details) == 1:
        return [_line(entry, details[0], _amount(entry), account)]
    amounts = [_amount_of(one) for one in details]
    told = [amount for amount in amounts if amount is not None]
    whole = _amount(entry)
    if details and len(told) == len(details) and _sum(entry, details, told) == whole:
        return [
            _line(entry, one, amount, account) for one, amount in zip(details, told, strict=True)
        ]
    number = _text(entry, "NtryDtls", "Btch", "NbOfTxs")
    is_batch = len(details) > 1 or (number.isdigit() and int(number[:9]) > 1)
    return [_line(entry, entry, whole, account, is_batch=is_batch)]


def _sum(entry: Element, details: list[Element], amounts: list[Money]) -> Money | None:
    """What the transfers move together, in the direction of their entry."""
    whole = Money.zero(amounts[0].currency)
    for one, amount in zip(details, amounts, strict=True):
        if amount.currency != whole.currency:
            return None
        whole += amount if _is_credit(one, entry) == _is_credit(entry) else -amount
    return whole


def _line(
    entry: Element, details: Element, amount: Money, account: str, *, is_batch: bool = False
) -> BankLine:
    parties = _children(details, "RltdPties")
    is_credit = _is_credit(details, entry)
    payer = "Dbtr" if is_credit else "Cdtr"
    names = [text for party in parties for text in _below(party, payer, "Nm")]
    numbers = [
        text
        for party in parties
        for at in ("IBAN", "Id")
        for text in _below(party, f"{payer}Acct", at)
    ]
    reference = _text(entry, "AcctSvcrRef") or _text(details, "Refs", "AcctSvcrRef")
    texts = [text for name in _TEXTS for text in _all(details, name)]
    if details is not entry:
        texts += [text for one in _children(entry, "AddtlNtryInf") for text in _own(one)]
    return BankLine(
        account=account,
        key="",
        bank_ref=reference_of(reference),
        amount=amount,
        is_credit=is_credit,
        is_reversal=_text(entry, "RvslInd") in {"true", "1"},
        is_batch=is_batch,
        booked_on=_day(entry, "BookgDt", "ValDt"),
        payer_name=clean(" ".join(names[:1])),
        payer_account=clean(" ".join(numbers[:1])),
        texts=tuple(clean(text) for text in texts if text != "NOTPROVIDED"),
    )


def _amount(element: Element) -> Money:
    amounts = _amounts(element)
    if not amounts:
        raise StatementUnreadable("an entry or balance of it has no amount")
    return money(amounts[0].text or "", amounts[0].get("Ccy", ""))


def _amount_of(details: Element) -> Money | None:
    """A transfer's own amount: of 001.02 it is inside AmtDtls."""
    amounts = _amounts(details) or _path(details, "AmtDtls", "TxAmt", "Amt")
    return money(amounts[0].text or "", amounts[0].get("Ccy", "")) if amounts else None


def _amounts(element: Element) -> list[Element]:
    return _children(element, "Amt")


def _is_credit(element: Element, parent: Element | None = None) -> bool:
    said = _text(element, "CdtDbtInd")
    if not said and parent is not None:
        return _is_credit(parent)
    if said not in {"CRDT", "DBIT"}:
        raise StatementUnreadable("an entry or balance of it is neither credit nor debit")
    return said == "CRDT"


def _day(element: Element, *names: str) -> date:
    for name in names:
        said = _text(element, name, "Dt") or _text(element, name, "DtTm")
        if said:
            return _parsed(said)
    raise StatementUnreadable("an entry or balance of it has no date")


def _parsed(said: str) -> date:
    try:
        return checked_day(datetime.fromisoformat(said).date())
    except ValueError:
        try:  # ISO 8601 lets a date have an offset, which Python's does not
            return checked_day(date.fromisoformat(said[:10]))
        except ValueError:
            raise StatementUnreadable(f"it has a date that is none: {clean(said)[:30]}") from None


# ------------------------------------------------------------------------------- XML


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: Element, name: str) -> list[Element]:
    return [child for child in element if _name(child) == name]


def _path(element: Element, *names: str) -> list[Element]:
    found = [element]
    for name in names:
        found = [child for one in found for child in _children(one, name)]
    return found


def _own(element: Element) -> list[str]:
    text = (element.text or "").strip()
    return [text] if text else []


def _text(element: Element, *names: str) -> str:
    """The first text at a path; empty where there is none."""
    return next((text for one in _path(element, *names) for text in _own(one)), "")


def _all(element: Element, name: str) -> list[str]:
    """Every text below that an element of this name has."""
    return [text for one in element.iter() if _name(one) == name for text in _own(one)]


def _below(element: Element, name: str, inner: str) -> list[str]:
    return [text for child in _children(element, name) for text in _all(child, inner)]
