from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from api.gateways.sandbox.gateway import SandboxGateway
from api.gateways.sandbox.messages import Notice
from api.gateways.webhooks import BODY_BYTES_MAX, webhook_route
from models.clock import now
from models.db import sql
from models.gateway import GatewayEvent, MessageRefused
from models.payments import inbox, transmission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

pytestmark = pytest.mark.once

SECRET = f"whsec_{base64.b64encode(b'a secret of 24 bytes ...').decode()}"
DATA = {"payment": f"pay_{'0' * 32}", "capture": "cap_1", "amount": "25.00", "currency": "USD"}


class Intake:
    """Stands in for the domain: remembers what it was given, or fails."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str]] = []
        self.problem: Exception | None = None

    async def take_in(self, gateway: str, events: Sequence[GatewayEvent]) -> None:
        if self.problem is not None:
            raise self.problem
        self.taken += [(gateway, event.event_id, event.kind) for event in events]


@pytest.fixture
def gateway() -> SandboxGateway:
    return SandboxGateway("https://credit.example", [SECRET], frozenset({"USD"}))


@pytest.fixture
def intake(monkeypatch: pytest.MonkeyPatch) -> Intake:
    intake = Intake()
    monkeypatch.setattr(inbox, "take_in", intake.take_in)
    return intake


@pytest.fixture
async def http(gateway: SandboxGateway) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[webhook_route({gateway.code: gateway})])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://credit.example") as client:
        yield client


def message(gateway: SandboxGateway, id_: str = "msg_1") -> tuple[dict[str, str], bytes]:
    return gateway.signed(Notice(id_, "payment.captured", DATA, now().isoformat()))


async def test_a_genuine_message_is_taken_and_answered(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake
) -> None:
    headers, body = message(gateway)
    answer = await http.post("/webhooks/sandbox", headers=headers, content=body)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert intake.taken == [("sandbox", "msg_1", "CAPTURED")]


async def test_a_body_that_was_written_anew_is_refused(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake
) -> None:
    headers, body = message(gateway)
    again = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    answer = await http.post("/webhooks/sandbox", headers=headers, content=again)
    assert answer.status_code == 401
    assert answer.json() == {"error": "The message isn't signed correctly."}
    assert intake.taken == []


async def test_an_unsigned_message_is_refused(http: httpx.AsyncClient, intake: Intake) -> None:
    answer = await http.post("/webhooks/sandbox", json={"type": "payment.captured", "data": DATA})
    assert answer.status_code == 401
    assert intake.taken == []


async def test_a_signed_message_that_cannot_be_read_is_refused_without_detail(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake
) -> None:
    odd = Notice("msg_1", "payment.captured", DATA | {"amount": "25.001"}, now().isoformat())
    headers, body = gateway.signed(odd)
    answer = await http.post("/webhooks/sandbox", headers=headers, content=body)
    assert (answer.status_code, answer.json()) == (400, {"error": "The message can't be read."})
    assert intake.taken == []


@pytest.mark.parametrize("name", ["stripe", "Sandbox", "sandbox%00", "..", "%F0%9F%92%A9"])
async def test_there_is_no_other_gateway(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake, name: str
) -> None:
    headers, body = message(gateway)
    answer = await http.post(f"/webhooks/{name}", headers=headers, content=body)
    assert answer.status_code == 404
    assert intake.taken == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_messages_are_posted(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, "/webhooks/sandbox")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_a_message_beyond_the_limit_is_refused(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 1024 + 1):
            yield b" " * 1024

    headers, _ = message(gateway)
    declared = await http.post("/webhooks/sandbox", content=b" " * (BODY_BYTES_MAX + 1))
    streamed = await http.post("/webhooks/sandbox", headers=headers, content=endless())
    assert (declared.status_code, streamed.status_code) == (413, 413)
    assert intake.taken == []


async def test_what_could_not_be_stored_is_to_be_sent_again(
    http: httpx.AsyncClient, gateway: SandboxGateway, intake: Intake
) -> None:
    intake.problem = ConnectionRefusedError("postgres://user:password@host")
    headers, body = message(gateway)
    answer = await http.post("/webhooks/sandbox", headers=headers, content=body)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert "password" not in answer.text
    intake.problem = None
    answer = await http.post("/webhooks/sandbox", headers=headers, content=body)
    assert answer.status_code == 200


async def test_a_message_can_be_handed_in_by_a_call(
    gateway: SandboxGateway, intake: Intake
) -> None:
    headers, body = message(gateway)
    await transmission.receive(gateway, headers, body)
    with pytest.raises(MessageRefused):
        await transmission.receive(gateway, headers, body + b" ")
    assert len(intake.taken) == 1


@pytest.mark.usefixtures("db")
async def test_a_message_that_comes_twenty_times_at_once_is_stored_once(
    http: httpx.AsyncClient, gateway: SandboxGateway
) -> None:
    headers, body = message(gateway)
    answers = await asyncio.gather(
        *(http.post("/webhooks/sandbox", headers=headers, content=body) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}
    rows = await sql.fetch("SELECT gateway, event_ref, amount, currency FROM receipt")
    assert rows == [{"gateway": "sandbox", "event_ref": "msg_1", "amount": 2500, "currency": "USD"}]
