"""Japanese statements: 入出金取引明細 (03) and 振込入金通知 (01) of the Zengin format.

After the Japanese Bankers Association's layouts (全銀協規定形式), as banks publish them: Awa Bank's
振込入金通知, Kiraboshi Bank's 入出金明細. Records have 200 characters of one byte each, with or
without line ends: a header (1), data (2), a trailer (8) that counts them, and last an end (9).
Numbers are padded with zeros, amounts are whole yen, years are those of the era.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from api.bank_files.lines import StatementUnreadable, at, checked_day, keyed, own_account
from api.bank_files.zengin_records import Record, records
from models.bank.reported import Balance, BankLine, ReportedStatement
from models.gateway import BankAccountType
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    Branches = Mapping[str, tuple[str, str | None]]

#: 令和 1 was 2019; of an older era nobody imports a statement any more.
_ERA: Final = 2018
_CORRECTION: Final = 19
_MINUS: Final = 2
#: How many digits the number of an account has, and the code of a branch.
_NUMBER: Final = 7
_BRANCH: Final = 3
_TYPES: Final = {1: BankAccountType.ORDINARY, 2: BankAccountType.CURRENT}
_BEGINNING: Final = re.compile(rb"1(?:01|03)[01][0-9]{18}")


def is_zengin(data: bytes) -> bool:
    """Whether a file begins with a header of a statement."""
    return bool(_BEGINNING.match(data.removeprefix(b"\xef\xbb\xbf")))


def read(data: bytes, accounts: Collection[str], branches: Branches) -> list[ReportedStatement]:
    """The statements in a file. Of an account in `branches` the branch's code and the account's
    type (`ordinary`, `current`) are checked too. Raises StatementUnreadable.
    """
    found, end = _grouped(records(data))
    statements = []
    for group in found:
        with at(f"record {group[0].number}:"):
            own = _own(group[0], accounts, branches)
            account = own_account(own, accounts)
            _check_branch(group[0], own, branches)
        statements.append(_statement(group, account))
    with at(f"record {end.number}:"):
        _check_end(end, len(found))
    return statements


def _grouped(all_records: list[Record]) -> tuple[list[list[Record]], Record]:
    """The records of each account, and the last one of all."""
    *body, end = all_records
    if end.kind != "9":
        raise StatementUnreadable(f"it ends at record {end.number}, without an end record (9)")
    groups: list[list[Record]] = []
    for record in body:
        is_open = bool(groups) and groups[-1][-1].kind != "8"
        if record.kind == "9" or (record.kind == "1") == is_open:
            raise StatementUnreadable(f"record {record.number}: a {record.kind} is out of place")
        groups = [*groups, [record]] if record.kind == "1" else groups
        if record.kind != "1":
            groups[-1].append(record)
    if not groups or groups[-1][-1].kind != "8":
        raise StatementUnreadable(f"record {end.number}: the trailer (8) before it is missing")
    return groups, end


def _own(header: Record, accounts: Collection[str], branches: Branches) -> str:
    """Which of our accounts it is, as we write it: by its number, before which we may have written
    the branch, the bank or the BIC; of two with one number by the branch.
    """
    number, bank, branch = (header.text(name) for name in ("number", "bank", "branch"))
    number = number.lstrip("0").zfill(_NUMBER)

    def is_alike(own: str) -> bool:
        before, its_number = _parts(own)
        return its_number == number and before[:-_BRANCH] in ("", bank)

    found = [own for own in accounts if is_alike(own)]
    found.sort(key=lambda own: _branch_of(own, branches) not in (branch, ""))
    return found[0] if found else f"{bank}-{branch}-{number}"


def _parts(own: str) -> tuple[str, str]:
    """What of bank and branch we have written before an account's number, and the number."""
    digits = re.sub(r"[ -]", "", own.rpartition("/")[2])
    if not digits.isdecimal():
        return "", ""
    return digits[:-_NUMBER], digits[-_NUMBER:].zfill(_NUMBER)


def _branch_of(own: str, branches: Branches) -> str:
    return branches[own][0] if own in branches else _parts(own)[0][-_BRANCH:]


def _check_branch(header: Record, own: str, branches: Branches) -> None:
    code, kind = _branch_of(own, branches), branches.get(own, ("", None))[1]
    said = header.digits("type")
    if code not in ("", header.text("branch")):
        raise StatementUnreadable(
            f"its branch is {header.text('branch')}, but the account's is {code}"
        )
    if said not in {1, 2, 4} or (kind is not None and _TYPES.get(said) != kind):
        raise StatementUnreadable(f"its type of account (預金種目) is {said}, not the account's")


def _statement(group: Sequence[Record], account: str) -> ReportedStatement:
    header, *data, trailer = group
    lines = []
    for record in data:
        with at(f"record {record.number}:"):
            lines.append(_line(record, account))
    with at(f"record {header.number}:"):
        opening = _balance(header, "begin", header)
        reference = f"{header.text('bank')}-{header.text('branch')} {_day(header, 'begin')}"
    with at(f"record {trailer.number}:"):
        closing = _balance(trailer, "end", header)
        _check_sums(trailer, data, lines)
    if closing is None or opening is None:
        opening = closing = None
    statement = ReportedStatement(
        form="Zengin",
        reference=reference,
        account=account,
        currency="JPY",
        number=None,
        opening=opening,
        closing=closing,
        lines=keyed(lines, f"Zengin {header.of} {reference} {opening} {closing}"),
    )
    if statement.missing:
        raise StatementUnreadable(
            f"record {trailer.number}: the statement does not add up: its lines are "
            f"{statement.missing.amount} JPY short of the balance (取引後残高)"
        )
    return statement


def _line(record: Record, account: str) -> BankLine:
    is_credit, is_reversal = _direction(record)
    texts = [record.text(name) for name in ("payer", "summary", "edi") if record.has(name)]
    return BankLine(
        account=account,
        key="",
        # The number by which a bank answers questions (照会番号) is not the same in every export.
        bank_ref="",
        amount=Money(_amount(record), "JPY"),
        is_credit=is_credit,
        is_reversal=is_reversal,
        is_batch=False,
        booked_on=_day(record, "day"),
        payer_name=record.text("payer"),
        payer_account="",
        texts=tuple(text for text in texts if text),
    )


def _direction(record: Record) -> tuple[bool, bool]:
    """Whether money came in, and whether that takes something back. A notification (01) is of what
    came in, and of transfers that are canceled.
    """
    if record.of == "01":
        is_canceled = record.digits("cancelled") == 1
        return not is_canceled, is_canceled
    direction = record.digits("direction")
    if direction not in {1, 2}:
        raise StatementUnreadable(f"its direction (入払区分) is {direction}, neither 1 nor 2")
    return direction == 1, record.digits("reason") == _CORRECTION


def _amount(record: Record) -> int:
    """Whole yen. Of the two fields that 01 may have, one is used."""
    names = [name for name in ("amount", "large_amount") if record.has(name)]
    amounts = [amount for amount in map(record.digits, names) if amount]
    if len(amounts) > 1 or not any(record.digits(name) is not None for name in names):
        raise StatementUnreadable("its amount (金額) isn't given exactly once")
    return sum(amounts)


def _balance(record: Record, day: str, header: Record) -> Balance | None:
    """A balance; banks that do not tell it leave it blank, or zero without a sign."""
    amount = record.digits("balance") if record.has("balance") else None
    sign = record.digits("sign") if record.has("sign") else None
    if amount is None or (not amount and not sign):
        return None
    if sign not in {None, 0, 1, _MINUS}:
        raise StatementUnreadable(f"the sign of its balance (貸越区分) is {sign}")
    return Balance(-amount if sign == _MINUS else amount, _day(header, day))


def _day(record: Record, field: str) -> date:
    written = record.characters[record.layout[field]]
    if record.digits(field) is None:
        raise StatementUnreadable(f"it has no date ({field})")
    try:
        day = date(_ERA + int(written[:2]), int(written[2:4]), int(written[4:]))
    except ValueError:
        raise StatementUnreadable(f"the date {written} isn't valid") from None
    with at(f"the date {written} is of the era's year {written[:2]}:"):
        return checked_day(day)


# ------------------------------------------------------------------------------- sums


def _check_sums(trailer: Record, data: Sequence[Record], lines: Sequence[BankLine]) -> None:
    """Whether the trailer counts and adds up what is there. Raises StatementUnreadable."""
    came = [line.amount.minor for line in lines if line.is_credit]
    went = [line.amount.minor for line in lines if not line.is_credit]
    if trailer.of == "03":
        right = [
            _numbers(trailer, "credits", "credited") == (len(came), sum(came)),
            _numbers(trailer, "debits", "debited") == (len(went), sum(went)),
            trailer.digits("records") in {None, len(data)},
        ]
    else:  # some banks count what was canceled with the rest
        whole = (len(lines), sum(came) + sum(went))
        right = [
            _numbers(trailer, "credits", "credited") in {(len(came), sum(came)), whole},
            _numbers(trailer, "cancels", "cancelled") in {(0, 0), (len(went), sum(went))},
        ]
    if not all(right):
        raise StatementUnreadable("its counts and sums don't match the records before it")


def _numbers(trailer: Record, *names: str) -> tuple[int, ...]:
    return tuple(trailer.digits(name) or 0 for name in names)


def _check_end(end: Record, accounts: int) -> None:
    """Whether the end counts what is there; of the records some count the last too."""
    if end.of == "03" and (
        (end.digits("accounts") or accounts) != accounts
        or (end.digits("records") or end.number) not in {end.number, end.number - 1}
    ):
        raise StatementUnreadable("its counts don't match the file")
