"""A real browser: the system's Chromium, driven by Playwright in a thread of its own."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from playwright.async_api import Browser, Page

T = TypeVar("T")

#: Nobody looks at what it draws: no graphics card is pretended for that. In a container root has no
#: sandbox to give it.
OPTIONS: Final = [
    "--disable-gpu",
    "--disable-gpu-compositing",
    "--disable-software-rasterizer",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]


@dataclass(frozen=True)
class Chromium:
    """A browser that tests drive as they do everything else: one thing after another."""

    _browser: Browser
    _portal: BlockingPortal

    def visit(self, what: Callable[[Page], Awaitable[T]]) -> T:
        """What `what` finds in a fresh window that knows nothing of the others."""

        async def visited() -> T:
            async with await self._browser.new_context() as context:
                return await what(await context.new_page())

        return self._portal.call(visited)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """It runs without a window. Skips where there is none."""
    playwright = pytest.importorskip("playwright.async_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium")
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(playwright.async_playwright()) as started,
    ):
        launch = started.chromium.launch
        browser = portal.call(lambda: launch(executable_path=path, args=OPTIONS))
        yield Chromium(browser, portal)
        portal.call(browser.close)
