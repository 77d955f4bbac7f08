"""The rendering service: processes, limits, the queue, the cache."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from api.pdf import frames, process
from api.pdf.documents.samples import in_status, order, statement
from api.pdf.pool import ProcessPool
from api.pdf.process import PdfUnavailable, RendererBusy, RenderFailed, RenderTimeout
from api.pdf.renderer import PdfRenderer, RenderedPdf
from api.pdf.store import DocumentStore
from tests.support.documents.views import needs_pango

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@needs_pango
async def test_a_render_that_takes_too_long_is_killed_and_the_next_one_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.pdf.pool.LONG", 1)
    async with PdfRenderer(ProcessPool(processes=1, timeout_seconds=2.5)) as renderer:
        with pytest.raises(RenderTimeout):
            await renderer.render(in_status("UNPAID", order(lines_count=1000)))
        rendered = await renderer.render(in_status("UNPAID", order()))
    assert rendered.bytes.startswith(b"%PDF-")


@needs_pango
async def test_when_a_process_dies_its_document_fails_and_the_next_one_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[process.RenderProcess] = []
    start = process.RenderProcess.start

    async def watched(**limits: Any) -> process.RenderProcess:
        started.append(await start(**limits))
        return started[-1]

    monkeypatch.setattr(process.RenderProcess, "start", watched)
    async with PdfRenderer(ProcessPool(processes=1)) as renderer:
        first = await renderer.render(in_status("PAID", order()))
        doomed = asyncio.create_task(renderer.render(in_status("PAID", order(lines_count=200))))
        await asyncio.sleep(0)
        await started[0].kill()
        with pytest.raises(RenderFailed):
            await doomed
        assert (await renderer.render(in_status("UNPAID", order()))).bytes
        assert await renderer.render(in_status("PAID", order())) is first
    assert [process.alive for process in started] == [False, False]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_a_rendering_process_cannot_take_all_memory() -> None:
    code = (
        "from api.pdf.printer import limit; limit(1 << 30)\n"
        "try: bytearray(1 << 30)\n"
        "except MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


@needs_pango
def test_a_rendering_process_loads_no_domain_and_no_server() -> None:
    code = (
        "import sys; from api.pdf.frames import TEMPLATES; from api.pdf.printer import Printer\n"
        "Printer(TEMPLATES)\n"
        "print({'models', 'schema', 'tortoise', 'starlette'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@needs_pango
async def test_who_asks_for_the_same_document_waits_for_the_same_render() -> None:
    document = in_status("UNPAID", order(number="INV-2026-000099"))
    async with PdfRenderer(ProcessPool(processes=1, warm=False, queue_max=1)) as renderer:
        impatient = asyncio.create_task(renderer.render(document))
        waiting = [asyncio.create_task(renderer.render(document)) for _ in range(5)]
        await asyncio.sleep(0)
        impatient.cancel()
        answers = await asyncio.gather(*waiting)
    assert all(answer is answers[0] for answer in answers)


@needs_pango
async def test_a_full_queue_refuses_at_once() -> None:
    documents = [in_status("UNPAID", order(number=f"INV-{i}")) for i in range(6)]
    async with PdfRenderer(ProcessPool(processes=1, queue_max=2)) as renderer:
        answers = await asyncio.gather(
            *(renderer.render(document) for document in documents), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [RenderedPdf] * 2 + [RendererBusy] * 4


@needs_pango
async def test_closing_refuses_who_still_waits_and_leaves_no_process() -> None:
    async with PdfRenderer():
        await asyncio.sleep(0)
    renderer = PdfRenderer(ProcessPool(processes=1))
    renderer.start()
    assert (await renderer.render(in_status("UNPAID", order()))).bytes
    waiting = asyncio.create_task(renderer.render(in_status("UNPAID", order(lines_count=200))))
    await asyncio.sleep(0)
    await renderer.aclose()
    with pytest.raises(PdfUnavailable, match="shutting down"):
        await waiting
    with pytest.raises(PdfUnavailable):
        await renderer.render(in_status("PAID", order()))


@needs_pango
async def test_the_cache_forgets_the_oldest_when_it_is_full() -> None:
    documents = [in_status("UNPAID", order(number=f"INV-{i}")) for i in range(2)]
    async with PdfRenderer(ProcessPool(processes=1), cache_bytes=40_000) as renderer:
        first = await renderer.render(documents[0])
        second = await renderer.render(documents[1])
        assert await renderer.render(documents[1]) is second
        assert await renderer.render(documents[0]) is not first


async def test_a_document_that_is_larger_than_the_cache_is_made_all_the_same() -> None:
    document = in_status("UNPAID", order())
    async with PdfRenderer(ProcessPool(processes=1), cache_bytes=1_000) as renderer:
        first = await renderer.render(document)
        assert len(first.bytes) > 1_000
        assert (await renderer.render(document)).etag == first.etag


async def test_without_pango_it_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "weasyprint.py").write_text("raise OSError('cannot load library')")
    monkeypatch.setattr(process, "ENVIRONMENT", process.ENVIRONMENT | {"PYTHONPATH"})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with PdfRenderer(ProcessPool(processes=1)) as renderer:
        assert renderer.problem is None
        for _ in range(2):
            with pytest.raises(PdfUnavailable, match=r"apt-get install libpango-1\.0-0"):
                await renderer.render(in_status("UNPAID", order()))
        assert renderer.problem == frames.MISSING


@needs_pango
def test_a_rendering_process_ends_when_the_server_is_killed() -> None:
    code = (
        "import asyncio\n"
        "from api.pdf.frames import TEMPLATES; from api.pdf.process import RenderProcess\n"
        "async def main():\n"
        "    process = await RenderProcess.start(memory_bytes=1 << 30, templates=TEMPLATES)\n"
        "    print(process._process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        worker = os.pidfd_open(int(server.stdout.readline()))
        server.send_signal(signal.SIGKILL)
    with os.fdopen(worker) as ended:
        assert select.select([ended], [], [], 10)[0], "it lives on"


@needs_pango
def test_a_rendering_process_that_nobody_can_kill_ends_itself() -> None:
    request = in_status("UNPAID", order(lines_count=3000)).encode()
    done = subprocess.run(
        [sys.executable, "-m", "api.pdf.printer", str(1 << 30), str(frames.TEMPLATES)],
        input=frames.frame(frames.DOCUMENT, frames.SECONDS.pack(1) + request),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGALRM


# --- the store


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@needs_pango
async def test_what_is_in_the_store_is_not_made_again(tmp_path: Path) -> None:
    document = in_status("PAID", order())
    async with PdfRenderer(
        ProcessPool(processes=1), store=DocumentStore(str(tmp_path))
    ) as renderer:
        made = await renderer.render(document)
        assert renderer.etag(document) == made.etag
    [kept] = (path for path in files(tmp_path) if path.suffix == ".pdf")
    assert kept.read_bytes() == made.bytes
    assert kept.stem == made.etag.strip('"')
    kept.write_bytes(b"%PDF- from the store")
    async with PdfRenderer(ProcessPool(warm=False), store=DocumentStore(str(tmp_path))) as other:
        assert (await other.render(document)).bytes == b"%PDF- from the store"


@needs_pango
async def test_a_statement_is_not_kept(tmp_path: Path) -> None:
    async with PdfRenderer(
        ProcessPool(processes=1), store=DocumentStore(str(tmp_path))
    ) as renderer:
        made = await renderer.render(statement())
        assert await renderer.render(statement()) is made
    assert files(tmp_path) == []


@needs_pango
async def test_servers_that_share_a_store_make_a_document_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, started = in_status("UNPAID", order(number="INV-2026-000098")), []
    start = process.RenderProcess.start

    async def counted(**how: Any) -> process.RenderProcess:
        started.append(how)
        return await start(**how)

    monkeypatch.setattr(process.RenderProcess, "start", counted)
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                PdfRenderer(
                    ProcessPool(processes=1, warm=False), store=DocumentStore(str(tmp_path))
                )
            )
            for _ in range(5)
        ]
        made = await asyncio.gather(*(server.render(document) for server in servers))
    assert len({one.bytes for one in made}) == 1
    assert len(started) == 1


@needs_pango
async def test_a_server_that_holds_a_document_for_ever_holds_nobody_up(tmp_path: Path) -> None:
    document, store = in_status("PAID", order()), DocumentStore(str(tmp_path))
    async with (
        PdfRenderer(ProcessPool(processes=1, timeout_seconds=5), store=store) as other,
        PdfRenderer(ProcessPool(processes=1, warm=False), store=store) as closing,
    ):
        key = other.etag(document).strip('"')
        async with store.alone(key, 0, lambda: False):
            assert (await other.render(document)).bytes.startswith(b"%PDF-")
            (tmp_path / key[:2] / f"{key}.pdf").unlink()
            waiting = asyncio.create_task(closing.render(document))
            await asyncio.sleep(0.01)
            await closing.aclose()
            with pytest.raises(PdfUnavailable, match="shutting down"):
                await waiting


async def test_a_folder_of_somebody_elses_is_no_place_for_locks(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
    async with DocumentStore(str(tmp_path)).alone("abcdef", 1, lambda: False):
        assert files(tmp_path) == []


async def test_what_is_in_the_store_needs_no_pango(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, store = in_status("PAID", order()), DocumentStore(str(tmp_path))
    pool = ProcessPool(warm=False)
    renderer = PdfRenderer(pool, store=store)
    monkeypatch.setattr(pool, "_problem", frames.MISSING)
    with pytest.raises(PdfUnavailable):
        await renderer.render(document)
    await store.put(renderer.etag(document).strip('"'), b"%PDF-")
    assert (await renderer.render(document)).bytes == b"%PDF-"


@needs_pango
async def test_where_the_store_fails_documents_are_made_all_the_same(tmp_path: Path) -> None:
    store = DocumentStore(str(tmp_path / "store"))
    (tmp_path / "store").write_text("no folder")
    async with PdfRenderer(ProcessPool(processes=1), store=store) as renderer:
        assert (await renderer.render(in_status("PAID", order()))).bytes.startswith(b"%PDF-")


# --- long documents


@needs_pango
async def test_a_long_document_is_made_meanwhile_and_leaves_a_process_to_the_others() -> None:
    long, short = statement(lines_count=450), in_status("PAID", order())
    assert long.is_long
    assert not short.is_long
    async with PdfRenderer(ProcessPool(processes=2)) as renderer:
        assert await renderer.soon(long, 0.01) is None
        other = statement(lines_count=451)
        assert await renderer.soon(other, 0.01) is None
        assert (await renderer.render(short)).bytes
        assert other.encode() not in [job.request for job in renderer._pool._queue._queue]  # type: ignore[attr-defined]
        made = await renderer.soon(long, 60)
    assert made is not None
    assert made.bytes.startswith(b"%PDF-")


async def test_a_long_document_that_failed_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    document = statement(lines_count=201)
    pool = ProcessPool(warm=False)
    renderer = PdfRenderer(pool)

    async def fail(_request: bytes, **_how: bool) -> bytes:
        await asyncio.sleep(0)
        raise RenderTimeout("It took too long.")

    monkeypatch.setattr(pool, "make", fail)
    assert await renderer.soon(document, 0) is None
    await asyncio.gather(*renderer._rendering.values(), return_exceptions=True)
    await asyncio.sleep(0)
    with pytest.raises(RenderTimeout):
        await renderer.soon(document, 0)
    assert await renderer.soon(document, 0) is None


async def test_too_many_long_documents_are_refused_at_once() -> None:
    renderer = PdfRenderer(ProcessPool(warm=False))
    renderer.start()
    waiting = [
        asyncio.create_task(renderer.render(statement(lines_count=201 + n))) for n in range(9)
    ]
    await asyncio.sleep(0.1)
    refused = [task for task in waiting if task.done()]
    assert [type(task.exception()) for task in refused] == [RendererBusy]
    await renderer.aclose()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(error) for error in ended} == {RendererBusy, PdfUnavailable}
