"""Our accounts at banks: one account is one key, however somebody writes its number.

Banks write an account as IBAN, `BIC/IBAN`, IBAN and currency, BBAN, `bank code/number` or
`BIC/number`, with the number's leading zeros or without. Two that may be different accounts are
never taken for one: what does not say which is meant is `AccountUnclear`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate
from typing import Final

from stdnum import iban, numdb

from models.text import common_width

_SEPARATORS: Final = re.compile(r"[^0-9A-Z]", re.ASCII)
#: ISO 9362: four letters of the bank, two of the country, two of the place, perhaps a branch.
_BIC: Final = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)
_BIC_LENGTHS: Final = (11, 8)
_HEAD_OFFICE: Final = ("", "XXX")
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
#: The registry's BBAN structures: `8!n10!n`.
_FIELD: Final = re.compile(r"([0-9]+)!([nac])", re.ASCII)
_REGISTRY: Final = numdb.get("iban")
#: What is shorter is a check digit and no account's number.
_NUMBER_MIN: Final = 5
#: National check digits at the end, which some leave out.
_CHECK_DIGITS_MAX: Final = 2


class AccountUnclear(ValueError):
    """What is written may be the account `own`, and may be another bank's."""

    def __init__(self, written: str, own: str) -> None:
        super().__init__(f"{written} may be {own}, and does not name its bank")
        self.written = written
        self.own = own


class _Same(IntEnum):
    NO = 0
    UNCLEAR = 1
    NUMBER = 2
    "The number alone is the same; no bank is named."
    YES = 3


@dataclass(frozen=True, slots=True)
class Notation:
    """What somebody has written for an account, taken apart; `number` may be an IBAN."""

    bic: str
    bank: str
    number: str
    is_iban: bool

    @property
    def key(self) -> str:
        """What the account is known by where it is one of ours."""
        return self.bank + self.number

    @property
    def bban(self) -> str:
        """What an IBAN has after its check digits."""
        return self.number[4:]


def compact(written: str) -> str:
    """Capitals and digits alone."""
    return _SEPARATORS.sub("", common_width(written).upper())


@lru_cache(maxsize=1024)
def notation(written: str) -> Notation:
    """Take apart what is written for an account."""
    parts = [part for part in map(compact, common_width(written).split("/")) if part]
    if len(parts) > 1 and _CURRENCY.fullmatch(parts[-1]):
        parts.pop()
    *before, number = parts or [""]
    if not before:
        before, number = _joined(number)
    number = _without_currency(number)
    bic = before.pop(0) if before and _BIC.fullmatch(before[0]) else ""
    if iban.is_valid(number):
        return Notation(bic, "", number, is_iban=True)
    return Notation(bic, "".join(before), number, is_iban=False)


def with_bic(number: str, bic: str | None) -> str:
    """The number as one writes it whose bank is known."""
    known = compact(bic or "")
    return f"{known}/{number}" if _BIC.fullmatch(known) and not notation(number).bic else number


def _joined(number: str) -> tuple[list[str], str]:
    """`BIC/IBAN` of which the stroke is lost."""
    for length in _BIC_LENGTHS:
        bic, rest = number[:length], number[length:]
        if _BIC.fullmatch(bic) and iban.is_valid(_without_currency(rest)):
            return [bic], rest
    return [], number


def _without_currency(number: str) -> str:
    bare, currency = number[:-3], number[-3:]
    if _CURRENCY.fullmatch(currency) and (bare.isdigit() or iban.is_valid(bare)):
        return bare
    return number


# ------------------------------------------------------------------------------- which is meant


def own_account(written: str, ours: Collection[str], bic: str = "") -> str | None:
    """The key of the one of our accounts that is meant; None where none of them is.

    `bic` is the bank's, where it is told beside the number. Raises AccountUnclear.
    """
    return _found(written, ours, bic, least=_Same.YES)


def account_of_ours(written: str, ours: Collection[str]) -> str | None:
    """As `own_account`, where one of ours is meant for certain: then its number is enough."""
    return _found(written, ours, "", least=_Same.NUMBER)


def _found(written: str, ours: Collection[str], bic: str, *, least: _Same) -> str | None:
    said = notation(written)
    if bic and not said.bic:
        said = Notation(compact(bic), said.bank, said.number, said.is_iban)
    keys = own_keys(tuple(ours))
    if key := keys.get(compact(written)):
        return key
    alike: dict[str, _Same] = {}
    for one in ours:
        key = keys[compact(one)]
        alike[key] = max(_compared(notation(one), said), alike.get(key, _Same.NO))
    best = max(alike.values(), default=_Same.NO)
    found = [key for key, how in alike.items() if how == best]
    if best == _Same.NO:
        return None
    if best < least or len(found) > 1:
        raise AccountUnclear(written, found[0])
    return found[0]


@lru_cache(maxsize=64)
def own_keys(ours: tuple[str, ...]) -> dict[str, str]:
    """The key of each of our accounts, by what is written for it (`compact`) and by key: an account
    that is named twice has one, its IBAN where that is written. Raises AccountUnclear.
    """
    distinct: list[Notation] = []
    keys: dict[str, str] = {}
    # IBANs first: of other notations it can be told whether they are one of those.
    for one in sorted(ours, key=lambda text: not notation(text).is_iban):
        said = notation(one)
        known = _among(distinct, said, one)
        if known is None:
            distinct.append(said)
            known = said
        keys[compact(one)] = keys[known.key] = known.key
    return keys


def _among(distinct: Collection[Notation], said: Notation, written: str) -> Notation | None:
    alike = [(one, how) for one in distinct if (how := _compared(one, said))]
    alike += [(one, _Same.UNCLEAR) for one in distinct if not alike and one.key == said.key]
    best = max((how for _, how in alike), default=_Same.NO)
    found = [one for one, how in alike if how == best]
    if found and (best == _Same.UNCLEAR or len(found) > 1):
        raise AccountUnclear(written, found[0].key)
    return found[0] if found else None


def same_account(written: str, key: str, ours: Collection[str]) -> bool:
    """Whether what was written once is the account that has this key now."""
    if compact(written) == key:
        return True
    try:
        return account_of_ours(written, [*ours, key]) == key
    except AccountUnclear:
        return False


# ------------------------------------------------------------------------------- comparing


def _compared(own: Notation, said: Notation) -> _Same:
    if own.is_iban and said.is_iban:
        return _Same.YES if own.number == said.number else _Same.NO
    if own.is_iban:
        return _with_iban(own, said)
    if said.is_iban:
        return _with_iban(said, own)
    return _without_iban(own, said)


def _with_iban(known: Notation, said: Notation) -> _Same:
    """Whether an IBAN is what somebody has written without one."""
    if said.bic and said.bic[4:6] != known.number[:2]:
        return _Same.NO
    if _same_number(said.key, known.bban):
        return _Same.YES
    for bank, number in _splits(known.number):
        if said.bank and said.bank == bank and _same_number(said.number, number):
            return _Same.YES
        if not said.bank and said.number.startswith(bank):
            rest = said.number.removeprefix(bank)
            if bank and _same_number(rest, number):
                return _Same.YES
    numbers = [number for _, number in _splits(known.number)]
    if said.bank or not any(_same_number(said.number, number) for number in numbers):
        return _Same.NO
    return _same_bank(known, said) if said.bic else _Same.NUMBER


def _same_bank(known: Notation, said: Notation) -> _Same:
    """Whether a BIC is of the IBAN's bank, the number being the same."""
    if known.bic:
        if known.bic[:8] != said.bic[:8]:
            return _Same.NO
        branches = {known.bic[8:], said.bic[8:]}
        alike = len(branches) == 1 or branches & set(_HEAD_OFFICE)
        return _Same.YES if alike else _Same.UNCLEAR
    bank = known.bban[:4]
    if bank.isalpha():  # the BIC begins with it
        return _Same.YES if bank == said.bic[:4] else _Same.NO
    return _Same.UNCLEAR


def _without_iban(own: Notation, said: Notation) -> _Same:
    if own.bic and said.bic and own.bic[:8] != said.bic[:8]:
        return _Same.NO
    if own.bank and said.bank:
        alike = own.bank == said.bank and _same_number(own.number, said.number)
        return _Same.YES if alike else _Same.NO
    if own.bank or said.bank:
        return _without_bank(*((own, said) if own.bank else (said, own)))
    if not _same_number(own.number, said.number):
        return _Same.NO
    return _Same.UNCLEAR if said.bic and not own.bic else _Same.YES


def _without_bank(told: Notation, bare: Notation) -> _Same:
    """Whether a number alone is what another names the bank of as well."""
    rest = bare.number.removeprefix(told.bank)
    if rest != bare.number and _same_number(rest, told.number):
        return _Same.YES
    if not _same_number(bare.number, told.number):
        return _Same.NO
    return _Same.YES if told.bic and bare.bic else _Same.UNCLEAR


def _same_number(one: str, other: str) -> bool:
    bare = one.lstrip("0")
    return bool(bare) and bare == other.lstrip("0")


@lru_cache(maxsize=256)
def _splits(number: str) -> list[tuple[str, str]]:
    """An IBAN's bank code and account number, in each of the ways in which its BBAN can be cut."""
    return list(_cut(number[:2], number[4:]))


def _cut(country: str, bban: str) -> Iterator[tuple[str, str]]:
    structure = _REGISTRY.info(country)[0][1].get("bban", "")
    lengths = [int(length) for length, _ in _FIELD.findall(structure)]
    check = lengths[-1] if lengths and lengths[-1] <= _CHECK_DIGITS_MAX else 0
    for cut in list(accumulate(lengths))[:-1]:
        for end in {len(bban), len(bban) - check}:
            if end - cut >= _NUMBER_MIN:
                bank, number = bban[:cut], bban[cut:end]
                yield bank, number
                # Britain's sort codes and Italy's ABI and CAB come after letters.
                yield bank.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), number
