"""Spending stops: a freeze by staff, an open dispute or a debt keeps an account from spending."""

from __future__ import annotations

from typing import Final

#: Account `a`, whatever the currency.
_ACCOUNT: Final = "(a.frozen OR a.open_disputes > 0)"
#: Balance `b` of account `a`, or none yet: a debt stops the currency that it is in.
BALANCE_STOPPED: Final = f"({_ACCOUNT} OR COALESCE(b.debt, 0) > 0)"
#: Account `a` in any of its currencies.
STOPPED_ANYWHERE: Final = f"""
({_ACCOUNT} OR EXISTS (SELECT 1 FROM balance b WHERE b.account_id = a.id AND b.debt > 0))
"""


def is_stopped(*, frozen: bool, open_disputes: int, debt: int) -> bool:
    """The same of what was read; `debt` in minor units."""
    return frozen or open_disputes > 0 or debt > 0
