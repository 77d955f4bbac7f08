"""The scalars of the API: strings on the wire, exact values inside.

Reading a value checks its form only; whether an amount is in range, or a currency is supported,
is a rule's to say. Everything that cannot be read is BAD_USER_INPUT.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NewType
from urllib.parse import urlsplit

import strawberry
from graphql import GraphQLError, StringValueNode, ValueNode
from strawberry.types.scalar import ScalarDefinition

CurrencyCode = NewType("CurrencyCode", str)
URL = NewType("URL", str)

DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", re.ASCII)
DECIMAL_CHARS_MAX: Final = 26
CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
# RFC 3339, 5.6: the offset is required; "T" and "Z" may be small letters, a space may be the "T".
MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
#: The day after the last has a date too.
YEAR_MIN, YEAR_MAX = 1970, 9998
MOMENT_CHARS_MAX: Final = 35
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
URL_CHARS_MAX: Final = 2048


def bad_input(message: str) -> GraphQLError:
    """An error that says: this cannot be read as its type."""
    return GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})


def parse_decimal(value: object) -> Decimal:
    """`"25.00"`. Numbers are refused: a JSON number has been a float by the time it is here."""
    if not isinstance(value, str):
        raise bad_input('A Decimal must be a string, such as "25.00".')
    if len(value) > DECIMAL_CHARS_MAX or not DECIMAL.fullmatch(value):
        raise bad_input("A Decimal has at most 15 integer and 9 fraction digits, and no exponent.")
    return Decimal(value)


def serialize_decimal(value: object) -> str:
    """All the digits that it has, never an exponent."""
    assert isinstance(value, Decimal), value
    return format(value, "f")


def parse_currency(value: object) -> CurrencyCode:
    """`"JPY"`. Whether there is such a currency is another question."""
    if not isinstance(value, str) or not CURRENCY.fullmatch(value):
        raise bad_input('A CurrencyCode must be three capital letters, such as "JPY".')
    return CurrencyCode(value)


def parse_moment(value: object) -> datetime:
    """An RFC 3339 moment with its offset, from 1970 to 9999, in UTC."""
    match = (
        MOMENT.fullmatch(value)
        if isinstance(value, str) and len(value) <= MOMENT_CHARS_MAX
        else None
    )
    if match is None:
        raise bad_input(
            'A DateTime must be RFC 3339 with an offset, such as "2026-01-31T09:30:00Z".'
        )
    day, time, fraction, offset = match.groups()
    microseconds = f".{(fraction or '.0')[1:7]:0<6}"
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{microseconds}{offset.upper()}")
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_input("This DateTime doesn't exist.") from None
    if moment < EARLIEST:
        raise bad_input("A DateTime must be between the years 1970 and 9999.")
    return moment


def serialize_moment(value: object) -> str:
    """In UTC: `2026-01-31T09:30:00.123456Z`."""
    assert isinstance(value, datetime), value
    text = value.isoformat() if value.tzinfo is UTC else value.astimezone(UTC).isoformat()
    return text.replace("+00:00", "Z")


def parse_date(value: object) -> date:
    """A day of the years 1970 to 9998, ISO 8601: `2026-01-31`."""
    if not isinstance(value, str) or not DATE.fullmatch(value):
        raise bad_input('A Date must be ISO 8601, such as "2026-01-31".')
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise bad_input("This Date doesn't exist.") from None
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise bad_input("A Date must be between the years 1970 and 9998.")
    return day


def parse_url(value: object) -> URL:
    """An absolute http(s) URL without user name and password."""
    if not isinstance(value, str) or len(value) > URL_CHARS_MAX or not _is_url(value):
        raise bad_input("A URL must be absolute, http or https, and at most 2048 characters long.")
    return URL(value)


def _is_url(text: str) -> bool:
    # urlsplit() drops tabs and line ends and keeps backslashes, which browsers read as slashes.
    if not text.isprintable() or " " in text or "\\" in text:
        return False
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.username is None
            and parts.port != 0
        )
    except ValueError:
        return False


def _literal(parse: Callable[[object], object]) -> Callable[..., object]:
    def parse_literal(node: ValueNode, _variables: object = None) -> object:
        return parse(node.value if isinstance(node, StringValueNode) else None)

    return parse_literal


def _scalar(
    name: str,
    description: str,
    url: str,
    parse: Callable[[object], object],
    serialize: Callable[[Any], str] = str,
) -> ScalarDefinition:
    definition: ScalarDefinition = strawberry.scalar(
        name=name,
        description=description,
        specified_by_url=url,
        serialize=serialize,
        parse_value=parse,
        parse_literal=_literal(parse),
    )
    return definition


SCALARS: Final[dict[object, ScalarDefinition]] = {
    Decimal: _scalar(
        "Decimal",
        'A decimal number as a string, never a float: `"25.00"`. '
        "At most 15 integer and 9 fraction digits, ASCII.",
        "https://speleotrove.com/decimal/daconvs.html",
        parse_decimal,
        serialize_decimal,
    ),
    CurrencyCode: _scalar(
        "CurrencyCode",
        "An ISO 4217 currency code in capitals: `JPY`.",
        "https://www.iso.org/iso-4217-currency-codes.html",
        parse_currency,
    ),
    datetime: _scalar(
        "DateTime",
        "A point in time, RFC 3339 with an offset; always UTC in responses.",
        "https://scalars.graphql.org/andimarek/date-time.html",
        parse_moment,
        serialize_moment,
    ),
    date: _scalar(
        "Date",
        "A day, ISO 8601: `2026-01-31`.",
        "https://scalars.graphql.org/andimarek/local-date.html",
        parse_date,
        date.isoformat,
    ),
    URL: _scalar(
        "URL",
        "An absolute http(s) URL.",
        "https://url.spec.whatwg.org/",
        parse_url,
    ),
}
