"""Windows of time that attempts are counted in (`models.access.rate_limit`), as tests meet them."""

from __future__ import annotations

import time


def begin_early_in(window_seconds: int, *, needed_seconds: float) -> None:
    """Wait until what takes `needed_seconds` ends in the window that it begins in.

    Windows are of the clock on the wall, which a server in another process goes by, too: a test
    that counts attempts near the end of one would find some of them forgotten.
    """
    left = window_seconds - time.time() % window_seconds
    if left < needed_seconds:
        time.sleep(left + 0.01)
