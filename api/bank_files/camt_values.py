"""What entries and balances of ISO 20022 have in common: amounts, directions and dates."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from api.bank_files.amounts import decimal
from api.bank_files.lines import StatementUnreadable, at, checked_day, clean
from api.bank_files.xml_document import one_at, value_at

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from models.money import Money

#: ISO 8601, as XML Schema has it: a date or a time on it, and perhaps the offset from UTC. The day
#: is the one that the bank wrote, wherever that is.
_DAY: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)


def amount_at(element: Element, *names: str) -> Money | None:
    """The only amount at a path; None if there is none. Raises StatementUnreadable."""
    found = one_at(element, *names)
    if found is None:
        return None
    text = value_at(element, *names)
    with at(f"{'/'.join(names)}:"):
        if "Ccy" not in found.attrib:
            raise StatementUnreadable("it has no currency (Ccy)")
        return decimal(text, found.attrib["Ccy"])


def amount_of(element: Element) -> Money:
    """The amount of an entry or balance. Raises StatementUnreadable."""
    found = amount_at(element, "Amt")
    if found is None:
        raise StatementUnreadable("it has no amount (Amt)")
    return found


def is_credit(element: Element, parent: Element | None = None) -> bool:
    """The direction; what does not say its own has its parent's. Raises StatementUnreadable."""
    said = value_at(element, "CdtDbtInd")
    if not said and parent is not None:
        return is_credit(parent)
    if said not in {"CRDT", "DBIT"}:
        raise StatementUnreadable(f"CdtDbtInd: {clean(said)[:30]!r} is neither CRDT nor DBIT")
    return said == "CRDT"


def is_true(element: Element, name: str) -> bool:
    """A flag; what does not have it says no. Raises StatementUnreadable."""
    said = value_at(element, name)
    if said not in {"", "true", "false", "1", "0"}:
        raise StatementUnreadable(f"{name}: {clean(said)[:30]!r} is neither true nor false")
    return said in {"true", "1"}


def day_of(element: Element, *names: str) -> date:
    """The date at the first of these places that has one. Raises StatementUnreadable."""
    for name in names:
        said = value_at(element, name, "Dt") or value_at(element, name, "DtTm")
        if said:
            with at(f"{name}:"):
                return _day(said)
    raise StatementUnreadable(f"it has no date ({' or '.join(names)})")


def _day(said: str) -> date:
    found = _DAY.fullmatch(said)
    try:
        return checked_day(date.fromisoformat(found[1] if found else ""))
    except ValueError:
        raise StatementUnreadable(f"the date {clean(said)[:30]!r} isn't valid") from None
