"""A renderer for a whole file: its process takes a second to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.pdf.pool import ProcessPool
from api.pdf.renderer import PdfRenderer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="module")
async def renderer() -> AsyncIterator[PdfRenderer]:
    async with PdfRenderer(ProcessPool(processes=1)) as renderer:
        yield renderer
