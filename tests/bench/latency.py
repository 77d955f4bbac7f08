"""How long the event loop lets others wait, idle and while documents are rendered beside it.

`python -m tests.bench.latency` prints JSON: seconds by "idle" and "rendering", p50 and p99, and
how many documents were rendered meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from api.pdf.demo import in_status, order
from api.pdf.renderer import PdfRenderer

if TYPE_CHECKING:
    from collections.abc import Awaitable

_TICK_SECONDS: Final = 0.005
_SECONDS: Final = 5


async def measured() -> dict[str, Any]:
    """The loop by itself, and the same loop while its renderer is kept busy."""
    async with PdfRenderer(cache_bytes=0) as renderer:
        await renderer.render(in_status("PAID", order()))
        idle = await _lateness(asyncio.sleep(_SECONDS))
        count: list[int] = []
        rendering = await _lateness(_render_for(renderer, count))
    return {"idle": idle, "rendering": rendering, "documents": len(count)}


async def _render_for(renderer: PdfRenderer, count: list[int]) -> None:
    ends = perf_counter() + _SECONDS
    while perf_counter() < ends:
        number = f"INV-{len(count)}"
        await renderer.render(in_status("PAID", order(lines_count=28, number=number)))
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
    print(json.dumps(asyncio.run(measured())))
