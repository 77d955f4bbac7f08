"""Notations of bank accounts: what somebody has written, taken apart, and whether two are of one.

Banks write an account as IBAN, `BIC/IBAN`, IBAN and currency, BBAN, `bank code/number` or
`BIC/number`, with the number's leading zeros or without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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


# ------------------------------------------------------------------------------- comparing


class Same(IntEnum):
    """Whether two notations are of one account, from no to yes."""

    NO = 0
    UNCLEAR = 1
    NUMBER = 2
    "The number alone is the same; no bank is named."
    YES = 3


def compared(own: Notation, said: Notation) -> Same:
    """Whether what was said is the account `own`."""
    if own.is_iban and said.is_iban:
        return Same.YES if own.number == said.number else Same.NO
    if own.is_iban:
        return _with_iban(own, said)
    if said.is_iban:
        return _with_iban(said, own)
    return _without_iban(own, said)


def _with_iban(known: Notation, said: Notation) -> Same:
    """Whether an IBAN is what somebody has written without one."""
    if said.bic and said.bic[4:6] != known.number[:2]:
        return Same.NO
    if _same_number(said.key, known.bban):
        return Same.YES
    for bank, number in _splits(known.number):
        if said.bank and said.bank == bank and _same_number(said.number, number):
            return Same.YES
        if not said.bank and said.number.startswith(bank):
            rest = said.number.removeprefix(bank)
            if bank and _same_number(rest, number):
                return Same.YES
    numbers = [number for _, number in _splits(known.number)]
    if said.bank or not any(_same_number(said.number, number) for number in numbers):
        return Same.NO
    return _same_bank(known, said) if said.bic else Same.NUMBER


def _same_bank(known: Notation, said: Notation) -> Same:
    """Whether a BIC is of the IBAN's bank, the number being the same."""
    if known.bic:
        if known.bic[:8] != said.bic[:8]:
            return Same.NO
        branches = {known.bic[8:], said.bic[8:]}
        alike = len(branches) == 1 or branches & set(_HEAD_OFFICE)
        return Same.YES if alike else Same.UNCLEAR
    bank = known.bban[:4]
    if bank.isalpha():  # the BIC begins with it
        return Same.YES if bank == said.bic[:4] else Same.NO
    return Same.UNCLEAR


def _without_iban(own: Notation, said: Notation) -> Same:
    if own.bic and said.bic and own.bic[:8] != said.bic[:8]:
        return Same.NO
    if own.bank and said.bank:
        alike = own.bank == said.bank and _same_number(own.number, said.number)
        return Same.YES if alike else Same.NO
    if own.bank or said.bank:
        return _without_bank(*((own, said) if own.bank else (said, own)))
    if not _same_number(own.number, said.number):
        return Same.NO
    return Same.UNCLEAR if said.bic and not own.bic else Same.YES


def _without_bank(told: Notation, bare: Notation) -> Same:
    """Whether a number alone is what another names the bank of as well."""
    rest = bare.number.removeprefix(told.bank)
    if rest != bare.number and _same_number(rest, told.number):
        return Same.YES
    if not _same_number(bare.number, told.number):
        return Same.NO
    return Same.YES if told.bic and bare.bic else Same.UNCLEAR


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
