"""What people read: sentences from the catalogues in locale/, and amounts as locales write them.

A language is one file, `locale/<language>.po` (`pt.po`, `pt-BR.po`), and needs no code.
`locale/en.po` has every key; what another language lacks is said in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from babel import Locale, UnknownLocaleError

from models.errors import Refusal
from models.money import Money, exponent

if TYPE_CHECKING:
    from babel.numbers import NumberPattern

FALLBACK: Final = "en"
# BCP 47 in the form that CLDR's names have; longer tags only carry what we could not use.
_TAG: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
#: Where CLDR's currency spacing (UTS #35, part 3) wants a space that Babel leaves out: `KWD 1.000`.
_LETTER_AT_DIGIT: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_TAG_CHARS_MAX: Final = 35
_ACCEPT_CHARS_MAX: Final = 500


class Catalogues(Mapping[str, Mapping[str, str]]):
    """The sentences of every language that has a file there, by language and key. A file is read
    when its language is first spoken.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {path.stem: path for path in sorted(folder.glob("*.po"))}
        self._read: dict[str, dict[str, str]] = {}

    def __getitem__(self, language: str) -> Mapping[str, str]:
        if language not in self._read:
            self._read[language] = _sentences(self._files[language])
        return self._read[language]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _sentences(file: Path) -> dict[str, str]:
    from babel.messages.pofile import read_po  # noqa: PLC0415 - only with the first sentence

    with file.open("rb") as opened:
        return {str(m.id): str(m.string) for m in read_po(opened) if m.id and m.string}


CATALOGUES: Final = Catalogues(Path(__file__).parents[1] / "locale")


def best_locale(*wanted: str | None) -> str:
    """The first of `wanted` that is a locale we know, as a BCP 47 tag; `en` where none is."""
    known = (_known(text) for text in wanted if text)
    return next(filter(None, known), FALLBACK)


def accepted(header: str) -> str:
    """The locale that an Accept-Language header likes best (RFC 9110, 12.5.4); empty where none."""
    ranges = []
    for part in header[:_ACCEPT_CHARS_MAX].split(","):
        tag, _, quality = part.partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", quality)
        ranges.append((-float(weight[1]) if weight else -1.0, tag.strip()))
    ordered = sorted((item for item in ranges if item[0]), key=lambda item: item[0])
    return next(filter(None, (_known(text) for _, text in ordered)), "")


def say(key: str, locale: str, **facts: object) -> str:
    """The sentence `key` in the language of `locale`, with `facts` written as that locale does."""
    return _sentence(key, locale).format_map(
        {name: _written(fact, locale) for name, fact in facts.items()}
    )


def explain(refusal: Refusal, locale: str) -> str:
    """Why a rule said no: the most exact sentence that there is for this refusal's facts."""
    facts = {name: fact for name, fact in refusal.facts.items() if fact is not None}
    key = next(key for key in _keys(refusal.code, facts) if key in CATALOGUES[FALLBACK])
    return say(key, locale, **facts)


def gateway(code: str, locale: str) -> str:
    """What clients call a way to pay of ours, configured or not; the code where it is not ours.
    `locale` is BCP 47, in any spelling.
    """
    key = f"gateway.{code}"
    return say(key, best_locale(locale)) if key in CATALOGUES[FALLBACK] else code


def failure(code: str, locale: str) -> str:
    """Why a payment failed, where there is a sentence for the gateway's code; else that it did."""
    key = f"failure.{code}"
    return say(key if key in CATALOGUES[FALLBACK] else "failure", locale)


def _keys(code: str, facts: Mapping[str, object]) -> Iterator[str]:
    for fact in facts.values():
        if isinstance(fact, str):
            yield f"{code}.{fact}"  # INVALID.too_long
    yield ".".join((code, *sorted(facts)))  # AMOUNT_OUT_OF_RANGE.maximum.minimum
    yield code


def language_of(key: str, locale: str) -> str:
    """The language that says it: the nearest that has it, `pt-BR`, `pt`, and then English."""
    parts = locale.split("-")
    nearest = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((one for one in nearest if CATALOGUES.get(one, {}).get(key)), FALLBACK)


def _sentence(key: str, locale: str) -> str:
    return CATALOGUES[language_of(key, locale)][key]


def _written(fact: object, locale: str) -> object:
    return written_money(fact, locale) if isinstance(fact, Money) else fact


def written_money(money: Money, locale: str) -> str:
    """For people: `¥1,235`, `$25.00`. All decimals of the currency are there; none is rounded."""
    amount, known = money.amount, _babel(locale)
    text: str = _pattern(locale, exponent(money.currency)).apply(
        amount, known, currency=money.currency, currency_digits=False
    )
    # CLDR's Japanese writes the sign as wide as a kanji, which no column of amounts wants.
    text = text.replace("\N{FULLWIDTH YEN SIGN}", "\N{YEN SIGN}")
    return _LETTER_AT_DIGIT.sub("\N{NO-BREAK SPACE}", text)


@lru_cache(maxsize=256)
def _pattern(locale: str, decimals: int) -> NumberPattern:
    # The decimals are ISO 4217's; CLDR's differ for some currencies (HUF).
    pattern: NumberPattern = copy(_babel(locale).currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    return pattern


@lru_cache(maxsize=256)
def _babel(locale: str) -> Locale:
    return Locale.parse(locale, sep="-")


@lru_cache(maxsize=1024)
def _known(text: str) -> str | None:
    """`text` as a tag that CLDR has: `ja-JP`, or `ja` where its country is unknown."""
    if len(text) > _TAG_CHARS_MAX or not _TAG.fullmatch(text):
        return None
    tag = text.replace("_", "-")
    for candidate in (tag, tag.partition("-")[0]):
        try:
            return str(Locale.parse(candidate, sep="-")).replace("_", "-")
        except (UnknownLocaleError, ValueError):
            continue
    return None
