"""References that clients quote with a transfer (ISO 11649): made, and found in texts of banks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final

from stdnum import iso11649
from stdnum.iso7064 import mod_97_10

from models.text import common_width

#: Without I and O, which people read as digits.
_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
#: RF, two check digits and twelve characters.
_FORM: Final = re.compile(r"(?=(RF[0-9]{2}[0-9A-Z]{12}))", re.ASCII)
_NOT_IN_IT: Final = re.compile(r"[^0-9A-Z]", re.ASCII)
#: Letters that no reference of ours has after its RF, and the digits that they were.
_MISREAD: Final = str.maketrans("OI", "01")


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
    wide = common_width(text).upper()
    return _NOT_IN_IT.sub("", wide).translate(_MISREAD)
