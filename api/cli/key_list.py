"""API keys as the command line lists them: for people, and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.access.api_key import MARK
from models.accounts.account import Account
from models.clock import now
from models.db.record import public_id
from models.money import Money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from models.access.api_key import ListedKey

_HEADS = ("Key", "Prefix", "Partner", "Scopes", "Accounts", "Last used", "Expires", "State")


def as_json(listed: ListedKey) -> dict[str, Any]:
    """A key, without its secret, which is not stored."""
    key = listed.key
    accounts = listed.accounts
    return {
        "id": key.public_id,
        "partner": listed.partner,
        "prefix": f"{MARK}{key.prefix}",
        "scopes": key.scopes.split(),
        "accounts": None if accounts is None else [public_id(Account.PREFIX, a) for a in accounts],
        "dailyBudget": _budget(key.daily_budget),
        "paymentBudget": _budget(key.payment_budget),
        "createdAt": key.created_at.isoformat(),
        "lastUsedAt": _moment(key.used_at),
        "expiresAt": _moment(key.expires_at),
        "revokedAt": _moment(key.revoked_at),
    }


def table(keys: Sequence[ListedKey]) -> str:
    """A line for each."""
    rows = [_HEADS, *map(_row, keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(listed: ListedKey) -> tuple[str, ...]:
    key = listed.key
    return (
        key.public_id,
        f"{MARK}{key.prefix}",
        listed.partner,
        ",".join(key.scopes.split()),
        "all" if listed.accounts is None else str(len(listed.accounts)),
        _day(key.used_at) or "never",
        _day(key.expires_at) or "never",
        _state(listed),
    )


def _state(listed: ListedKey) -> str:
    key = listed.key
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    return "expired" if key.expires_at is not None and key.expires_at <= now() else "valid"


def _budget(budget: Mapping[str, int] | None) -> list[dict[str, str]]:
    """As the API writes amounts."""
    return [
        {"amount": str(Money(minor, currency).amount), "currency": currency}
        for currency, minor in sorted((budget or {}).items())
    ]


def _day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d}"


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
