"""Several workers at one table of mails: each leaves once, and a slow one holds up no other."""

from __future__ import annotations

import asyncio
import threading
from asyncio.subprocess import DEVNULL
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiosmtpd.controller import Controller

from models.db import sql
from models.db.transactions import transaction
from models.mail.outgoing import MailKind, OutgoingMail, mail
from tests.support.server.demo_server import DemoServer
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.postgres_only

WORKERS: Final = 3
MAILS: Final = 60
SLOW: Final = "slow@client.example"


class Mailboxes:
    """Takes what comes; mail to SLOW once it is told to."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.slow_came = 0
        self.going = asyncio.Event()
        self._came = threading.Condition()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if envelope.rcpt_tos == [SLOW]:
            self.slow_came += 1
            await self.going.wait()
        with self._came:
            self.ids.append(message_from_bytes(envelope.content)["Message-ID"])
            self._came.notify_all()
        return "250 OK"

    async def all_came(self, count: int) -> None:
        assert await asyncio.to_thread(self._wait, count)

    def _wait(self, count: int) -> bool:
        with self._came:
            return self._came.wait_for(lambda: len(self.ids) >= count, 120)


@pytest.fixture
def boxes() -> Iterator[tuple[Mailboxes, Controller]]:
    boxes = Mailboxes()
    controller = Controller(boxes, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield boxes, controller
    controller.stop()


async def written(count: int, to: str = "ada@client.example") -> None:
    letters = [mail(MailKind.EMAIL_CHANGED, to, "en", email="n@x.example") for _ in range(count)]
    await transaction(lambda: sql.add(*letters))


async def test_several_workers_send_each_mail_once_beside_slow_ones(
    db: str, boxes: tuple[Mailboxes, Controller], tmp_path: Path
) -> None:
    came, controller = boxes
    mailer = f"smtp://127.0.0.1:{controller.port}"
    settings = {"SMTP_URL": mailer, "MAIL_FROM": "billing@kaze.example"}
    server = DemoServer(tmp_path, db, settings)
    await written(WORKERS, SLOW)
    await written(MAILS)
    workers = [
        await asyncio.create_subprocess_exec(
            *server._command("worker"), cwd=tmp_path, env=server._environment(), stderr=DEVNULL
        )
        for _ in range(WORKERS)
    ]
    try:
        await came.all_came(MAILS)
        await written(MAILS)  # while the slow ones hold their places still
        await came.all_came(2 * MAILS)
        assert came.slow_came > 0
        controller.loop.call_soon_threadsafe(came.going.set)
        await came.all_came(2 * MAILS + 1)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            await asyncio.wait_for(worker.wait(), 30)
    sent = await OutgoingMail.filter(recipient="ada@client.example")
    ids = {f"<{one.id.hex}@127.0.0.1>" for one in sent}
    assert sorted(one for one in came.ids if one in ids) == sorted(ids)
    assert all(one.sent_at is not None and one.tries == 1 for one in sent)
