"""Calling endpoints that do their worst (recipes: hostile 26 and 27)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
import trustme

from api.webhooks.caller import HttpCaller
from models.partners.address import Target
from models.partners.attempt import KEPT_BYTES_MAX, READ_BYTES_MAX, Outcome

NAME = "hooks.example.com"
HEADERS = {"webhook-id": "evt_1"}
NOT_PUBLIC = "The host's name doesn't lead to public addresses."
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Resolver:
    """Resolves every name to the next of these, and the last again and again."""

    answers: list[list[str]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Far:
    """A server that was connected to, and what it got."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    sent: int = 0


Answer = Callable[[Far, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(*parts: bytes) -> Answer:
    async def answer(far: Far, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            far.sent += len(part)

    return answer


@asynccontextmanager
async def listening(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Far]:
    far, tasks = Far(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            far.requests.append(head + await reader.readexactly(length))
            await answer(far, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(Exception):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    far.port = server.sockets[0].getsockname()[1]
    try:
        yield far
    finally:
        server.close()
        # Each ends when its client hangs up.
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)


def here(far: Far, scheme: str = "http", host: str = NAME) -> Target:
    """A target that is on this machine, as in demo mode."""
    return Target(scheme, host, far.port, "/in?a=b", loopback=True)


async def call(target: Target, resolver: Resolver | None = None, **how: object) -> Outcome:
    caller = HttpCaller(resolver or Resolver([["127.0.0.1"]]), **how)  # type: ignore[arg-type]
    return await caller.post(target, HEADERS, b'{"id":"evt_1"}')


async def test_a_message_is_posted_as_it_is() -> None:
    async with listening(saying(OK)) as far:
        outcome = await call(here(far))
    assert (outcome.status, outcome.problem, outcome.answer) == (200, None, "ok")
    head, _, body = far.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /in?a=b HTTP/1.1\r\n")
    assert f"host: {NAME}:{far.port}".encode() in head.lower()
    assert b"webhook-id: evt_1" in head
    assert b"content-type: application/json" in head.lower()
    assert body == b'{"id":"evt_1"}'


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    async with listening(saying(OK)) as inside:
        location = f"http://127.0.0.1:{inside.port}/"
        answer = f"HTTP/1.1 {status} Go\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        async with listening(saying(answer.encode())) as far:
            outcome = await call(here(far))
        assert inside.requests == []
    assert (outcome.status, outcome.delivered) == (status, False)
    assert "redirect" in str(outcome.problem)


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("fd00:ec2::254", False),
    ],
)
async def test_a_name_that_leads_inside_is_not_connected_to(address: str, admitted: bool) -> None:  # noqa: FBT001
    async with listening(saying(OK)) as far:
        target = Target("https", NAME, far.port, "/", loopback=False)
        assert target.admits(address) is admitted
        outcome = await call(target, Resolver([[address]]))
    assert (far.requests, outcome.status) == ([], None)
    assert outcome.problem == NOT_PUBLIC


async def test_one_bad_address_among_good_ones_is_one_too_many() -> None:
    outcome = await call(
        Target("https", NAME, 443, "/", loopback=False), Resolver([["8.8.8.8", "127.0.0.1"]])
    )
    assert outcome.problem == NOT_PUBLIC


async def test_a_name_is_resolved_once_and_its_address_is_the_one_that_is_connected_to() -> None:
    resolver = Resolver([["127.0.0.1"], ["10.0.0.1"]])
    async with listening(saying(OK)) as far:
        assert (await call(here(far), resolver)).status == 200
    assert resolver.asked == [(NAME, far.port)]


async def test_a_name_that_changes_between_two_calls_is_looked_at_each_time() -> None:
    resolver = Resolver([["127.0.0.1"], ["10.0.0.1"]])
    async with listening(saying(OK)) as far:
        assert (await call(here(far), resolver)).delivered
        assert not (await call(here(far), resolver)).delivered
    assert len(far.requests) == 1


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async with listening(saying(OK)) as far:
        assert (await call(here(far), Resolver([["127.0.0.9", "127.0.0.1"]]))).status == 200


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_is_verified_against_the_name_and_not_the_address(authority: trustme.CA) -> None:
    async with listening(saying(OK), serving(authority, NAME)) as far:
        assert (await call(here(far, "https"), tls=trusting(authority))).status == 200
    for name in ("127.0.0.1", "other.example.com"):
        async with listening(saying(OK), serving(authority, name)) as far:
            outcome = await call(here(far, "https"), tls=trusting(authority))
        assert (outcome.status, far.requests) == (None, [])
        assert outcome.problem == "The TLS certificate isn't valid for this host."


async def test_a_certificate_that_nobody_vouches_for_is_refused(authority: trustme.CA) -> None:
    async with listening(saying(OK), serving(authority, NAME)) as far:
        outcome = await call(here(far, "https"))
    assert outcome.problem == "The TLS certificate isn't valid for this host."


async def test_of_a_huge_answer_little_is_read_and_less_is_kept() -> None:
    async def forever(far: Far, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oh\r\ncontent-length: 99999999999\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            far.sent += 65536

    async with listening(forever) as far:
        outcome = await call(here(far))
        assert outcome.status == 500
        assert outcome.answer == "x" * KEPT_BYTES_MAX
        # What the sockets' buffers hold is not read.
        assert far.sent < 100 * READ_BYTES_MAX


@pytest.mark.parametrize(
    ("beginning", "more", "status"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", None),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, None),
        (b"HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n" * 100, None),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1;" + b"x" * 4000 + b"\r\no\r\n",
            200,
        ),
    ],
    ids=["early hints", "continue", "headers", "extensions of chunks"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_is_sent_around_a_body_is_counted_too(
    authority: trustme.CA, scheme: str, beginning: bytes, more: bytes, status: int | None
) -> None:
    async def forever(far: Far, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while True:
            writer.write(more)
            await writer.drain()
            far.sent += len(more)

    over_tls = scheme == "https"
    async with listening(forever, serving(authority, NAME) if over_tls else None) as far:
        outcome = await call(here(far, scheme), tls=trusting(authority))
        # What the sockets' buffers hold is not read.
        assert far.sent < 100 * READ_BYTES_MAX
    assert outcome.status == status
    too_long = {"The answer's headers are too long.", "The answer wasn't HTTP."}
    assert outcome.problem in (too_long if status is None else {None})
    assert outcome.milliseconds < 10_000


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: ",
    ],
)
async def test_an_answer_that_does_not_come_is_not_waited_for(beginning: bytes) -> None:
    async def never(_: Far, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        await reader.read()

    async with listening(never) as far:
        outcome = await call(here(far), seconds_max=0.3)
    assert (outcome.delivered, outcome.problem) == (False, "No answer in time.")
    assert outcome.milliseconds < 10_000


async def test_an_answer_that_trickles_in_is_not_waited_for() -> None:
    async def trickle(far: Far, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: 1\r\n")
            await writer.drain()
            far.sent += 1
            await asyncio.sleep(0.02)

    async with listening(trickle) as far:
        outcome = await call(here(far), seconds_max=0.3)
    assert outcome.problem == "No answer in time."


async def test_a_resolver_that_does_not_answer_is_not_waited_for() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    target = Target("https", NAME, 443, "/", loopback=False)
    outcome = await HttpCaller(resolve, seconds_max=0.2).post(target, HEADERS, b"{}")
    assert outcome.problem == "No answer in time."


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\0\1\2\3" * 10,
        b"HTTP/1.1 999999 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    async with listening(saying(answer)) as far:
        outcome = await call(here(far))
    assert not outcome.delivered
    assert outcome.problem in {"The answer wasn't HTTP.", "The connection was lost."}


async def test_an_answer_that_is_no_text_is_kept_as_far_as_it_is() -> None:
    answer = b"HTTP/1.1 404 No\r\ncontent-length: 6\r\n\r\na\0\xff\xc3\xa9b"
    async with listening(saying(answer)) as far:
        outcome = await call(here(far))
    assert (outcome.status, outcome.answer) == (404, "a\ufffd\u00e9b")
    assert outcome.problem == "HTTP 404 Not Found"


async def test_a_machine_that_is_not_there_is_a_failure() -> None:
    async with listening(saying(OK)) as far:
        pass
    assert (await call(here(far))).problem == "No connection."


async def test_a_name_that_is_not_there_fails_exactly_as_one_that_leads_inside() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("Name or service not known")

    target = Target("https", NAME, 443, "/", loopback=False)
    missing = await HttpCaller(resolve).post(target, HEADERS, b"{}")
    inside = await call(target, Resolver([["10.0.0.1"]]))
    nothing = await call(target, Resolver([[]]))
    assert missing == inside == nothing == Outcome(0, problem=NOT_PUBLIC)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    async with listening(saying(OK)) as far:
        assert (await call(here(far))).status == 200
