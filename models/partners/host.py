"""Hosts: what the name in a URL leads to, asked when it is saved and at each connection.

Whoever may have names resolved by our resolver could ask it about names of our own network. So a
name that leads inside, one that is not there and one that is not answered in time are one refusal,
after one time; and so many of them are asked for, and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from models.access import rate_limit
from models.errors import Invalid
from models.partners.address import target_of

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.partners.address import Target

#: The port to the resolver: a name, for a port, to all its addresses. Raises OSError.
#: `api/webhooks` implements it, and does not hold up the event loop.
Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

#: When a URL is saved; a connection has the time of its call.
RESOLVE_SECONDS_MAX: Final = 3.0
#: Names that lead nowhere, of one partner and hour; staff know their own network.
_REFUSED_MAX: Final = 20
_WINDOW_SECONDS: Final = 3600


class HostNotPublic(Exception):
    """The name leads nowhere, or to an address that must not be connected to."""


async def addresses_of(target: Target, resolve: Resolve) -> list[str]:
    """The addresses that may be connected to: all that the name has, at this moment. Raises
    HostNotPublic.
    """
    try:
        found = await resolve(target.host, target.port)
    except OSError:
        raise HostNotPublic from None
    # One that is refused says enough of who chose it: not even the others are tried.
    if not found or not all(map(target.admits, found)):
        raise HostNotPublic
    return found


async def require_public(url: str, resolve: Resolve, by: Actor) -> None:
    """Look at what a URL leads to, before it is saved and outside any transaction.

    Raises Invalid at `url`, as `target_of`, and where its host's name does not lead to public
    addresses now. One that cannot be resolved is refused as well: it is mistyped, or not there yet,
    and whoever saves it is there to see that; accepted, it would look well and deliver nothing.
    Raises RateLimited where that has happened too often.
    """
    target = target_of(url)
    counters = [] if by.is_staff else [("webhook:host", by.principal)]
    limits = [(*counter, _REFUSED_MAX) for counter in counters]
    await rate_limit.spend_all(limits, window_seconds=_WINDOW_SECONDS)
    if not await _is_public(target, resolve):
        raise Invalid("url", problem="webhook_host")
    await rate_limit.give_back_all(counters)


async def _is_public(target: Target, resolve: Resolve) -> bool:
    """Whether it is; if not, it is always found out after the same time."""
    until = monotonic() + RESOLVE_SECONDS_MAX
    try:
        async with asyncio.timeout(RESOLVE_SECONDS_MAX):
            await addresses_of(target, resolve)
    except (HostNotPublic, TimeoutError):
        await asyncio.sleep(until - monotonic())
        return False
    return True


async def resolves_nothing(host: str, _port: int) -> list[str]:
    """The resolver where none is wired: no name is found."""
    raise OSError(f"nobody resolves {host}")
