"""What names lead to when a URL is saved, by a resolver that says anything (hostile: 26)."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from models.db import sql
from models.errors import Invalid, NotFound, RateLimited
from models.partners import endpoint, host, manage
from models.partners.address import target_of
from models.partners.host import HostNotPublic, addresses_of
from models.partners.manage import EndpointChange
from tests.support.factories import STAFF
from tests.support.providers import key, wire_provider
from tests.support.webhooks import URL, Names, a_partner, an_endpoint, any_document, as_it_is

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.partners.endpoint import WebhookEndpoint
    from models.partners.manage import GivenEndpoint

pytestmark = pytest.mark.usefixtures("provider")

NAME = "hooks.example.com"
NOT_FOUND = OSError("Name or service not known")
LEADS_NOWHERE: list[list[str] | Exception] = [
    NOT_FOUND,
    TimeoutError(),
    [],
    ["127.0.0.1"],
    ["127.8.8.8"],
    ["0.0.0.0"],  # noqa: S104 - nothing is bound
    ["10.0.0.1"],
    ["172.31.255.255"],
    ["192.168.1.1"],
    ["100.64.0.1"],
    ["100.127.255.254"],
    ["169.254.169.254"],
    ["168.63.129.16"],
    ["192.0.0.192"],
    ["192.88.99.1"],
    ["198.18.0.1"],
    ["224.0.0.1"],
    ["240.0.0.1"],
    ["255.255.255.255"],
    ["::"],
    ["::1"],
    ["::ffff:10.0.0.1"],
    ["::ffff:8.8.8.8"],
    ["::10.0.0.1"],
    ["64:ff9b::10.0.0.1"],
    ["64:ff9b:1::1"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    ["2002:a00:1::1"],
    ["2001:db8::1"],
    ["fe80::1"],
    ["fe80::1%eth0"],
    ["fec0::1"],
    ["fd00:ec2::254"],
    ["ff02::1"],
    ["8.8.8.8", "10.0.0.1"],
    ["10.0.0.1", "8.8.8.8"],
    ["2606:4700::1", "8.8.8.8", "8.8.4.4", "1.1.1.1", "::1"],
    ["8.8.8.8", "nonsense"],
]
LEADS_OUT = [
    ["8.8.8.8"],
    ["2606:4700:4700::1111", "1.1.1.1"],
    ["64:ff9b::8.8.8.8"],
]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a refusal as long as a partner does."""
    monkeypatch.setattr(host, "RESOLVE_SECONDS_MAX", 0.02)


def naming(found: list[str] | Exception, name: str = NAME) -> Names:
    return Names({name: found})


async def change(given: GivenEndpoint, by: Actor, names: Names, **wish: Any) -> WebhookEndpoint:
    how: dict[str, Any] = dict.fromkeys(("url", "events", "document", "enabled"))
    ours = {"check": any_document, "resolve": names}
    return await manage.update(given.endpoint.id, EndpointChange(**how | ours | wish), by)


async def refused(asked: Any) -> Invalid:
    with pytest.raises(Invalid) as no:
        await asked
    return no.value


async def rows() -> int:
    counted = 0
    for table in ("webhook_endpoint", "audit_entry", "idempotency_key"):
        counted += len(await sql.fetch(f"SELECT id FROM {table}"))
    return counted


@pytest.mark.parametrize("found", LEADS_NOWHERE, ids=str)
async def test_what_leads_inside_or_nowhere_is_refused_alike_when_it_is_saved(
    found: list[str] | Exception,
) -> None:
    partner = await a_partner()
    given = await an_endpoint(partner, url="https://other.example.com/")
    before = await rows()
    for by, asked in (
        (partner, an_endpoint(partner, resolve=naming(found))),
        (partner, change(given, partner, naming(found), url=URL, enabled=False)),
        (STAFF, change(given, STAFF, naming(found), url=URL)),
    ):
        no = await refused(asked)
        assert (no.field, no.problem) == (("url",), "webhook_host"), by
        assert set(no.facts) <= {"problem"}
    assert await rows() == before
    kept = await as_it_is(given)
    assert (kept.url, kept.enabled) == ("https://other.example.com/", True)


@pytest.mark.parametrize("found", LEADS_NOWHERE, ids=str)
async def test_when_it_is_saved_and_when_it_is_called_the_same_is_refused(
    found: list[str] | Exception,
) -> None:
    with pytest.raises(HostNotPublic):
        await addresses_of(target_of(URL), naming(found))


@pytest.mark.parametrize("found", LEADS_OUT, ids=str)
async def test_what_leads_out_is_saved_and_resolved_once(found: list[str]) -> None:
    names = naming(found)
    given = await an_endpoint(await a_partner(), url=f"https://{NAME}:8443/in", resolve=names)
    assert names.asked == [(NAME, 8443)]
    assert (await as_it_is(given)).url == f"https://{NAME}:8443/in"
    assert await addresses_of(target_of(URL), names) == found


async def test_a_refusal_takes_the_same_time_whatever_it_is_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How soon our resolver knows a name would tell whether it is one of ours."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        if seconds:
            waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(host, "RESOLVE_SECONDS_MAX", 30.0)
    monkeypatch.setattr(asyncio, "sleep", slept)
    partner = await a_partner()
    for found in (NOT_FOUND, ["10.0.0.1"], []):
        await refused(an_endpoint(partner, resolve=naming(found)))
    assert len(waits) == 3
    assert all(20 < wait <= 30 for wait in waits)
    await an_endpoint(partner)
    assert len(waits) == 3


async def test_a_resolver_that_does_not_answer_is_not_waited_for_and_holds_up_nobody() -> None:
    partner, other = await a_partner(), await a_partner()
    began = monotonic()
    never = Names(held=asyncio.Event())
    asked = asyncio.create_task(an_endpoint(partner, resolve=never))
    await never.came.get()
    assert (await an_endpoint(other)).secret is not None
    assert (await refused(asked)).problem == "webhook_host"
    assert monotonic() - began < 60
    assert await endpoint.managed(partner) == []


async def test_nothing_is_resolved_inside_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a name is resolved everybody else writes: on SQLite there is one writer."""
    slow, partner = Names(held=asyncio.Event()), await a_partner()
    given = await an_endpoint(partner, url="https://other.example.com/")
    assert slow.held is not None
    monkeypatch.setattr(host, "RESOLVE_SECONDS_MAX", 60.0)
    both = [
        asyncio.create_task(an_endpoint(partner, resolve=slow)),
        asyncio.create_task(change(given, partner, slow, url=URL)),
    ]
    for _ in both:
        await slow.came.get()
    await an_endpoint(await a_partner())
    slow.held.set()
    await asyncio.gather(*both)


async def test_who_has_many_names_refused_waits_and_good_ones_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch, webhook_endpoints=100)
    partner, other = await a_partner(), await a_partner()
    for _ in range(30):
        await an_endpoint(partner)
    inside = naming(["10.0.0.1"])
    for _ in range(20):
        await refused(an_endpoint(partner, resolve=inside))
    for names in (inside, Names()):
        with pytest.raises(RateLimited):
            await an_endpoint(partner, resolve=names)
    assert len(inside.asked) == 20
    await an_endpoint(other)


async def test_a_repeated_click_is_answered_whatever_the_name_leads_to_by_then() -> None:
    partner, again = await a_partner(), key()
    first = await an_endpoint(partner, again=again)
    for found in (NOT_FOUND, ["10.0.0.1"]):
        second = await an_endpoint(partner, again=again, resolve=naming(found))
        assert (second.endpoint.id, second.secret) == (first.endpoint.id, None)
    assert len(await endpoint.managed(partner)) == 1


async def test_an_endpoint_whose_name_is_gone_is_changed_and_disabled_where_its_url_stays() -> None:
    partner = await a_partner()
    given, gone = await an_endpoint(partner), naming(NOT_FOUND)
    assert not (await change(given, partner, gone, url=URL, enabled=False)).enabled
    changed = await change(given, partner, gone, events=("invoice.*",), enabled=True)
    assert (changed.events, changed.enabled, gone.asked) == (["invoice.*"], True, [])


async def test_nobodys_name_is_resolved_for_who_may_not_save_it() -> None:
    given, names = await an_endpoint(await a_partner()), Names()
    with pytest.raises(NotFound):
        await change(given, await a_partner(), names, url="https://new.example.com/")
    assert names.asked == []


async def test_in_demo_mode_this_machine_is_saved_and_nothing_else_that_it_leads_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch, webhooks_to_loopback=True)
    partner, here = await a_partner(), "http://localhost:8080/"
    await an_endpoint(partner, url=here, resolve=naming(["127.0.0.1", "::1"], "localhost"))
    for found in (["8.8.8.8"], ["127.0.0.1", "10.0.0.1"]):
        await refused(an_endpoint(partner, url=here, resolve=naming(found, "localhost")))
    await refused(an_endpoint(partner, resolve=naming(["127.0.0.1"])))
