"""Whether an account may spend: staff, an open dispute and a debt stop it."""

from __future__ import annotations

from typing import Final

#: Account `a`, whatever the currency.
ACCOUNT_STOPPED: Final = "(a.frozen OR a.open_disputes > 0)"
#: Balance `b` of account `a`: a debt stops the currency that it is in.
BALANCE_STOPPED: Final = f"({ACCOUNT_STOPPED} OR b.debt > 0)"


def is_stopped(*, frozen: bool, open_disputes: int, debt: int) -> bool:
    """The same of a book; `debt` in minor units."""
    return frozen or open_disputes > 0 or debt > 0
