"""Finding the references that we gave out in what payers and banks write."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from stdnum import iso11649
from stdnum.iso7064 import mod_97_10

from models import sql
from models.gateway import GatewayKind
from models.payment import Payment
from models.policy import house

#: Without I and O, which people read as digits.
_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
#: RF, two check digits and twelve characters.
_FORM: Final = re.compile(r"(?=(RF[0-9]{2}[0-9A-Z]{12}))", re.ASCII)
_NOT_IN_IT: Final = re.compile(r"[^0-9A-Z]", re.ASCII)
#: Letters that no reference of ours has after its RF, and the digits that they were.
_MISREAD: Final = str.maketrans("OI", "01")
#: SQLite takes at most 32,766 parameters.
_AT_ONCE: Final = 500


def new_reference() -> str:
    """What a client quotes with a transfer: an ISO 11649 creditor reference of fixed length."""
    body = "".join(secrets.choice(_LETTERS) for _ in range(12))
    return f"RF{mod_97_10.calc_check_digits(f'{body}RF')}{body}"


def candidates(texts: Iterable[str]) -> set[str]:
    """What in `texts` has the form of a reference of ours, check digits included.

    Case, spaces, hyphens and the width of letters do not matter. Banks cut text anywhere, so a
    reference is also found where it goes on in the text that follows. Some that are found were
    never given out.
    """
    pieces = [_squeezed(text) for text in texts]
    found = {match for piece in (*pieces, "".join(pieces)) for match in _FORM.findall(piece)}
    return {one for one in found if iso11649.is_valid(one)}


def _squeezed(text: str) -> str:
    wide = unicodedata.normalize("NFKC", text).upper()
    return _NOT_IN_IT.sub("", wide).translate(_MISREAD)


async def issued(references: Collection[str]) -> dict[str, Payment]:
    """Those of `references` that a client was given for a bank transfer, and their payments."""
    gateways = bank_gateways()
    found: dict[str, Payment] = {}
    for some in batches(sorted(references)):
        rows = await sql.records(
            Payment,
            f"SELECT * FROM payment WHERE reference IN ({sql.placeholders(len(some))})",
            *some,
        )
        found |= {row.reference: row for row in rows if row.gateway in gateways}
    return found


def bank_gateways() -> list[str]:
    """The codes of the gateways that are bank transfers."""
    return [code for code, one in house().gateways.items() if one.kind == GatewayKind.BANK_TRANSFER]


def batches(items: list[str]) -> Iterator[list[str]]:
    """In pieces that one statement takes."""
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
