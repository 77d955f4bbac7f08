"""What the reference clients share goes on after every interruption, and gives up where it must."""

from __future__ import annotations

from tests.support.browser.client_builds import SOURCES, WHY
from tests.support.javascript import run


def test_subscriptions_go_on_from_the_last_version() -> None:
    done = run("shared/live.check.ts", SOURCES, WHY)
    assert done.returncode == 0, done.stderr
