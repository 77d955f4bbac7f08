"""Our accounts at banks: one account is one key, however somebody writes its number.

Two that may be different accounts are never taken for one: what does not say which is meant is
`AccountUnclear`.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from models.bank.notation import Notation, Same, compact, compared, notation


class AccountUnclear(ValueError):
    """What is written may be the account `own`, and may be another bank's."""

    def __init__(self, written: str, own: str) -> None:
        super().__init__(f"{written} may be {own}, and does not name its bank")
        self.written = written
        self.own = own


def own_account(written: str, ours: Collection[str], bic: str = "") -> str | None:
    """The key of the one of our accounts that is meant; None where none of them is.

    `bic` is the bank's, where it stands beside the number. Raises AccountUnclear.
    """
    return _found(written, ours, bic, least=Same.YES)


def account_of_ours(written: str, ours: Collection[str]) -> str | None:
    """As `own_account`, where one of ours is meant for certain: then its number is enough."""
    return _found(written, ours, "", least=Same.NUMBER)


def _found(written: str, ours: Collection[str], bic: str, *, least: Same) -> str | None:
    said = notation(written)
    if bic and not said.bic:
        said = Notation(compact(bic), said.bank, said.number, said.is_iban)
    keys = own_keys(tuple(ours))
    if key := keys.get(compact(written)):
        return key
    alike: dict[str, Same] = {}
    for one in ours:
        key = keys[compact(one)]
        alike[key] = max(compared(notation(one), said), alike.get(key, Same.NO))
    best = max(alike.values(), default=Same.NO)
    found = [key for key, how in alike.items() if how == best]
    if best == Same.NO:
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
    alike = [(one, how) for one in distinct if (how := compared(one, said))]
    alike += [(one, Same.UNCLEAR) for one in distinct if not alike and one.key == said.key]
    best = max((how for _, how in alike), default=Same.NO)
    found = [one for one, how in alike if how == best]
    if found and (best == Same.UNCLEAR or len(found) > 1):
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
