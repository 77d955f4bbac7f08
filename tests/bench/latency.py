"""How long the event loop lets others wait, idle and while documents are rendered beside it.

`python -m tests.bench.latency` prints JSON: seconds by "idle" and "rendering", p50 and p99, and
how many documents were rendered meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import uvloop

from api.pdf.documents.samples import in_status, order
from api.pdf.renderer import PdfRenderer

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from api.pdf.documents.invoice import InvoiceDocument

_TICK_SECONDS: Final = 0.005
_SECONDS: Final = 5
_MANY: Final = 500


async def measured() -> dict[str, Any]:
    """The loop by itself, and the same loop while its renderer is kept busy."""
    async with PdfRenderer(cache_bytes=0) as renderer:
        await renderer.render(in_status("PAID", order()))
        idle = await _lateness(asyncio.sleep(_SECONDS))
        # Made before: pricing them takes longer than all that rendering leaves to the loop.
        documents = [
            in_status("PAID", order(lines_count=28, number=f"INV-{n}")) for n in range(_MANY)
        ]
        count: list[int] = []
        rendering = await _lateness(_render_for(renderer, documents, count))
    return {"idle": idle, "rendering": rendering, "documents": len(count)}


async def _render_for(
    renderer: PdfRenderer, documents: list[InvoiceDocument], count: list[int]
) -> None:
    ends = perf_counter() + _SECONDS
    for document in documents:
        if perf_counter() > ends:
            return
        await renderer.render(document)
        count.append(1)


async def _lateness(work: Awaitable[None]) -> dict[str, float]:
    """How much later than asked a timer rings, until `work` is done."""
    late: list[float] = []
    doing = asyncio.ensure_future(work)
    while not doing.done():
        begun = perf_counter()
        await asyncio.sleep(_TICK_SECONDS)
        late.append(perf_counter() - begun - _TICK_SECONDS)
    await doing
    late.sort()
    return {"p50": late[len(late) // 2], "p99": late[len(late) * 99 // 100]}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measured())))  # as the server runs
