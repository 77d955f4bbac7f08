"""Field 86 of MT940: who paid, and what for.

German and Polish banks number its parts after "DFÜ-Abkommen, Anlage 3" (`?20` to `?29` and `?60` to
`?63` are the purpose, `?31` or `?38` the account, `?32` and `?33` the name), each bank with a sign
of its own before the numbers. Others use SWIFT's words between slashes, or neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SIGNS: Final = re.escape("?>~^<|#*@$&%!;`\u2039\u203a\u00a7\u00ac\u00b4\u00a8")
_STRUCTURED: Final = re.compile(
    rf"\s*(?:[0-9]{{3}})?\s*([{_SIGNS}])(?:00|10|2[0-9]|3[0-4]|38|6[0-3])", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Details:
    """`pieces` are what was written, in its order."""

    pieces: tuple[str, ...]
    payer_name: str
    payer_account: str


def details(fields: list[str]) -> Details:
    """What the fields 86 of one line say together; there may be several, or none."""
    read = [_one(text) for text in fields]
    return Details(
        tuple(piece for one in read for piece in one.pieces),
        next((one.payer_name for one in read if one.payer_name), ""),
        next((one.payer_account for one in read if one.payer_account), ""),
    )


def _one(text: str) -> Details:
    found = _STRUCTURED.match(text)
    if found is None:
        return Details(tuple(text.split("\n")), _after("NAME", text), _after("IBAN", text))
    first, *rest = re.split(rf"{re.escape(found[1])}([0-9]{{2}})", text.replace("\n", ""))
    parts = list(zip(rest[::2], rest[1::2], strict=True))
    purpose = [part for tag, part in parts if tag[0] in "26"]
    name = "".join(part for tag, part in parts if tag in {"32", "33"})
    account = next((part for tag, part in parts if tag in {"31", "38"} and part.strip()), "")
    return Details((first, *purpose), name, account)


def _after(word: str, text: str) -> str:
    found = re.search(rf"/{word}/([^/]*)", text)
    return found[1] if found else ""
