"""Days are the seller's: documents, their numbers, due days and overdue follow one calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from models.clock import now
from models.provider.provider import provider


def day_of(moment: datetime, zone: tzinfo | None = None) -> date:
    """The date that a moment has where the seller is (or in `zone`)."""
    return moment.astimezone(zone or provider().seller.zone).date()


def today() -> date:
    """The seller's date now."""
    return day_of(now())


def start_of(day: date) -> datetime:
    """The moment in UTC at which the seller's day begins."""
    return datetime.combine(day, time(), provider().seller.zone).astimezone(UTC)


def days_after(moment: datetime, days: timedelta) -> datetime:
    """The same time of day that many of the seller's days later, even where the clocks change."""
    return (moment.astimezone(provider().seller.zone) + days).astimezone(UTC)
