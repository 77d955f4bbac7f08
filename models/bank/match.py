"""Matching: whether what a bank reports is a line that has come before.

A bank's reference is not unique: some give one to all that they book. So a line is known already
only where nothing of it says otherwise (account, amount, day, reference, payer and text); where it
may be known, people decide.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from models.bank.line import BY_HAND, BankCredit
from models.bank.notation import compact
from models.payments.payment import Payment
from models.reference import candidates
from models.text import common_width

#: SWIFT's fields for references have 16 characters: longer ones are cut off.
_CUT_REFERENCE: Final = 16
#: How MT940 cuts names off: one subfield of 27 characters, SWIFT's 35, two subfields.
_CUT_NAMES: Final = (27, 35, 54, 65, 70)
#: Words that only some forms put before what payers write: `SVWZ+`, `/REMI/`.
_LABELS: Final = re.compile(r"\b[A-Z]{3,4}\+|/[A-Z]{2,6}/", re.ASCII)
_NOT_TEXT: Final = re.compile(r"[\W_]+")
#: The code for the kind of an entry, which MT940 has in front (GVC).
_CODE: Final = re.compile(r"[0-9]{3}", re.ASCII)
#: Banks write letters that they lack as they like: ü as U or UE, ß as SS.
_SPELLINGS: Final = (("AE", "A"), ("OE", "O"), ("UE", "U"), ("SS", "S"))
_ACCOUNT_MIN: Final = 5


def same(known: BankCredit, told: BankCredit, payment: Payment | None) -> bool:
    """Whether `told`, which a statement of the account says, is the line `known` for certain.

    `payment` is the one that it quotes, where it is one.
    """
    if (known.kind, known.currency, known.amount) != (told.kind, told.currency, told.amount):
        return False
    if known.forms == BY_HAND:
        named = bool(told.bank_ref) and same_reference(known.line_key, told.bank_ref)
        return named and payment is not None and known.payment_id == payment.id
    if known.booked_on != told.booked_on or not same_reference(known.bank_ref, told.bank_ref):
        return False
    if told.forms == known.forms.partition(" ")[0]:
        return _is_word_for_word(known, told)
    return _reads_the_same(known, told)


def _is_word_for_word(known: BankCredit, told: BankCredit) -> bool:
    return all(
        "".join(one.split()) == "".join(other.split())
        for one, other in (
            (known.text, told.text),
            (known.payer_name, told.payer_name),
            (known.payer_account, told.payer_account),
        )
    )


def _reads_the_same(known: BankCredit, told: BankCredit) -> bool:
    """As far as another form tells it: forms cut, spell and label texts in ways of their own."""
    alike = (
        _same_name(known.payer_name, told.payer_name)
        and _same_payer_account(known.payer_account, told.payer_account)
        and _same_text(known, told)
    )
    # Without a reference silence proves nothing.
    spoken = bool(known.bank_ref) or (
        all((known.text, told.text))
        and (all((known.payer_name, told.payer_name)) or _quotes(known) == _quotes(told) != set())
    )
    return alike and spoken


# ------------------------------------------------------------------------------- references


def folded(reference: str) -> str:
    """A reference as it is compared: whatever its case, width, spaces and punctuation."""
    wide = common_width(reference).upper()
    return (_NOT_TEXT.sub("", wide) or "".join(wide.split()))[: BankCredit.FOLDED_MAX]


def same_reference(one: str, other: str) -> bool:
    """Whether a bank may mean the same by both; two that are empty are the same."""
    short, long = sorted((folded(one), folded(other)), key=len)
    cut = min(one, other, key=len)
    return short == long or (len(cut) == _CUT_REFERENCE and long.startswith(short))


def other_reference(known: BankCredit, told: BankCredit) -> bool:
    """Whether the form that told of both names them differently: then they are two."""
    named = bool(known.bank_ref and told.bank_ref)
    both = named and not same_reference(known.bank_ref, told.bank_ref)
    return both and told.forms in known.forms.split()


def quote_others(known: BankCredit, told: BankCredit) -> bool:
    """Whether each quotes one reference of ours, and not the same: then they are two."""
    return bool(known.quoted and told.quoted) and known.quoted != told.quoted


def pays(known: BankCredit, payment: Payment) -> bool:
    """Whether a line is booked on the payment, or quotes it."""
    if known.is_booked:
        return known.payment_id == payment.id
    return known.quoted == payment.reference


# ------------------------------------------------------------------------------- texts


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.upper())
    letters = _NOT_TEXT.sub("", "".join(c for c in apart if not unicodedata.combining(c)))
    for written, meant in _SPELLINGS:
        letters = letters.replace(written, meant)
    return letters


def _same_name(one: str, other: str) -> bool:
    """Whether two names may be one, as far as both are told."""
    short, long = sorted((_plain(one), _plain(other)), key=len)
    cut = len(min(one, other, key=len)) in _CUT_NAMES
    if not short or short == long or (cut and long.startswith(short)):
        return True
    return sorted(map(_plain, one.split())) == sorted(map(_plain, other.split()))


def same_payer(known: BankCredit, told: BankCredit) -> bool:
    """Whether the payer may be the same, as far as both say who it is."""
    return _same_name(known.payer_name, told.payer_name) and _same_payer_account(
        known.payer_account, told.payer_account
    )


def _same_payer_account(one: str, other: str) -> bool:
    short, long = sorted((compact(one).lstrip("0"), compact(other).lstrip("0")), key=len)
    return not short or short == long or (len(short) >= _ACCOUNT_MIN and long.endswith(short))


def _same_text(known: BankCredit, told: BankCredit) -> bool:
    """Whether all that one form tells is in what the other does."""
    quoted, also = _quotes(known), _quotes(told)
    if quoted and also:
        return quoted == also
    return _is_within(known, told) or _is_within(told, known)


def _quotes(line: BankCredit) -> set[str]:
    return candidates((*line.text.split("\n"), line.payer_name))


def _is_within(small: BankCredit, large: BankCredit) -> bool:
    lines = _unlabelled(large.text.split("\n"))
    all_of_it = "".join(_plain(one) for one in (*lines, large.payer_name, large.payer_account))
    pieces = (_plain(piece) for piece in _unlabelled(small.text.split("\n")))
    return all(piece in all_of_it for piece in pieces if not _CODE.fullmatch(piece))


def _unlabelled(texts: Iterable[str]) -> list[str]:
    return [piece for text in texts for piece in _LABELS.split(text)]
