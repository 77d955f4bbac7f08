"""The machine's resolver: asked without holding anybody up."""

from __future__ import annotations

import asyncio
import socket
from threading import Event
from typing import Any

import pytest

from api.webhooks.resolver import Resolver, saving, sending
from models.partners.attempt import LANES_MAX


@pytest.mark.parametrize(("host", "address"), [("8.8.8.8", "8.8.8.8"), ("::1", "::1")])
async def test_an_address_leads_to_itself(host: str, address: str) -> None:
    assert await Resolver(1)(host, 443) == [address]


async def test_what_is_saved_and_what_is_sent_wait_for_different_threads() -> None:
    assert saving._threads is not sending._threads
    # Each lane's own name, and what it has given up and the machine has not yet.
    assert sending._threads._max_workers == 3 * LANES_MAX


async def test_a_slow_name_holds_up_neither_the_loop_nor_other_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, began, resolver = Event(), asyncio.Event(), Resolver(2)
    loop = asyncio.get_running_loop()

    def answer(host: str, port: int, **_: Any) -> list[Any]:
        if host == "slow.example.com":
            loop.call_soon_threadsafe(began.set)
            assert gate.wait(60)
        elif host == "gone.example.com":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = ("8.8.8.8", "8.8.4.4", "8.8.8.8")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    slow = asyncio.create_task(resolver("slow.example.com", 443))
    await began.wait()
    assert await resolver("quick.example.com", 443) == ["8.8.8.8", "8.8.4.4"]
    with pytest.raises(OSError, match="not known"):
        await resolver("gone.example.com", 443)
    assert not slow.done()
    gate.set()
    assert await slow == ["8.8.8.8", "8.8.4.4"]
