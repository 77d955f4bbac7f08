"""Amounts as banks write them: understood whole, or refused.

XML has one notation (`decimal`). In the others banks group thousands, pad with zeros and use either
separator (`written`): what can be read in one way only is read, and what in two is refused.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from api.bank_files.lines import StatementUnreadable, clean
from models.errors import Refusal
from models.money import EXPONENTS, Money

#: Far more than any amount has, padded with zeros.
_LENGTH_MAX: Final = 100
#: XML Schema Part 2: decimal, and ISO 20022 has none below zero.
_DECIMAL: Final = re.compile(r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_SPACES: Final = " \u00a0\u2007\u202f"
_WHOLE: Final = re.compile(r"[0-9]*", re.ASCII)
_GROUPED: Final = re.compile(
    rf"[0-9]{{1,3}}(?:([.,'\u2019{_SPACES}])[0-9]{{3}})(?:\1[0-9]{{3}})*", re.ASCII
)
#: Those of the Bahraini dinar and its like; a group of thousands has as many digits.
_THREE: Final = 3


def decimal(text: str, currency: str) -> Money:
    """An amount of ISO 20022, exactly. Raises StatementUnreadable."""
    stripped = text.strip()
    if len(stripped) > _LENGTH_MAX or not _DECIMAL.fullmatch(stripped):
        raise _no_amount(text)
    return _money(Decimal(stripped), currency)


def written(text: str, currency: str, *, separator: str = "") -> Money:
    """An amount without sign as people write it: `1234,56`, `1.234,56`, `1 234.56`, `12,`.

    `separator` is the one before the decimals, where it is known. Without it `1,234`, which may be
    a thousand and more or one and a bit, is refused, unless the currency has three decimals. Raises
    StatementUnreadable.
    """
    stripped = text.strip()
    if not stripped or len(stripped) > _LENGTH_MAX:
        raise _no_amount(text)
    whole, mark, fraction = _split(stripped, separator)
    whole = whole.lstrip("0") or whole[:1]
    # A comma is MT940's own, and so it is before decimals where there are three.
    is_sure = separator or (EXPONENTS.get(currency) == _THREE and mark == ",")
    if mark and not is_sure and _is_group(whole, fraction):
        raise StatementUnreadable(f"the amount {_shown(text)} can be read in two ways")
    digits = _digits(whole)
    if (
        digits is None
        or (mark and mark in whole)
        or not _WHOLE.fullmatch(fraction)
        or not digits + fraction
    ):
        raise _no_amount(text)
    return _money(Decimal(f"{digits or 0}.{fraction}"), currency)


def _split(text: str, separator: str) -> tuple[str, str, str]:
    """What stands before the decimals, their separator (empty if there is none), and they."""
    marks = [character for character in text if character in ".,"]
    if separator:
        mark = separator
    elif not marks or (len(marks) > 1 and len(set(marks)) == 1):
        mark = ""  # separators that come again are of thousands
    else:
        mark = marks[-1]
    if not mark or mark not in text:
        return text, "", ""
    whole, _, fraction = text.rpartition(mark)
    return whole, mark, fraction


def _is_group(whole: str, fraction: str) -> bool:
    """Whether a single separator may be one of thousands: `1,234`, not `0,234` or `1234,567`."""
    return bool(re.fullmatch(r"[1-9][0-9]{0,2}", whole) and re.fullmatch(r"[0-9]{3}", fraction))


def _digits(whole: str) -> str | None:
    if _WHOLE.fullmatch(whole):
        return whole
    return re.sub(r"[^0-9]", "", whole) if _GROUPED.fullmatch(whole) else None


def _money(amount: Decimal, currency: str) -> Money:
    try:
        return Money.parse(amount, currency)
    except Refusal:
        shown = f"{amount:f}"[:30] + f" {clean(currency)[:10]}".rstrip()
        raise StatementUnreadable(f"the amount {shown} isn't possible") from None


def _no_amount(text: str) -> StatementUnreadable:
    return StatementUnreadable(f"the amount {_shown(text)} isn't valid")


def _shown(text: str) -> str:
    return repr(clean(text)[:30])
