"""Endpoints: whose they are, what they are told of, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.access.api_key import revoke_key
from models.access.credential import actor_of_credential
from models.access.rotation import rotate_key
from models.accounts.create import CreateAccount
from models.clock import now
from models.db import sql
from models.edge import registered_query
from models.errors import Forbidden, Invalid, NotAllowed, NotFound
from models.journal.audit_log import AuditEntry
from models.journal.command import run
from models.partners import delivery, endpoint, manage, sending
from models.partners.endpoint import WebhookEndpoint
from models.partners.manage import EndpointChange, RotateWebhookSecret
from tests.support.factories import STAFF, a_client
from tests.support.providers import key, wire_provider
from tests.support.webhooks import (
    URL,
    Names,
    Receiver,
    a_partner,
    an_endpoint,
    any_document,
    as_it_is,
    deliveries_of,
    heard,
    published,
    sent,
)

if TYPE_CHECKING:
    from models.access.identity import Actor
    from models.partners.manage import GivenEndpoint

pytestmark = pytest.mark.usefixtures("provider")


async def change(given: GivenEndpoint, by: Actor, **wish: Any) -> WebhookEndpoint:
    how: dict[str, Any] = dict.fromkeys(("url", "events", "document", "enabled"))
    what = EndpointChange(**how | {"check": any_document, "resolve": Names()} | wish)
    return await manage.update(given.endpoint.id, what, by)


async def test_a_secret_is_shown_once() -> None:
    partner, again = await a_partner(), key()
    first = await an_endpoint(partner, again=again)
    second = await an_endpoint(partner, again=again)
    assert (second.endpoint.id, second.secret) == (first.endpoint.id, None)
    assert str(first.secret).startswith("whsec_")
    rotated = [
        await run(RotateWebhookSecret(first.endpoint.id, 1), partner, again + "2") for _ in range(2)
    ]
    assert rotated[0].secret not in {None, first.secret}
    assert rotated[1].secret is None
    actions = await AuditEntry.filter(subject=first.endpoint.public_id).order_by("id")
    assert [one.action for one in actions] == [
        "webhook_endpoint.create",
        "webhook_endpoint.rotate_secret",
    ]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"url": "https://127.0.0.1/"}, ("url",)),
        ({"url": "http://hooks.example.com/"}, ("url",)),
        ({"events": ()}, ("events",)),
        ({"events": ("invoice.paid",) * 51}, ("events",)),
        ({"events": ("*", "invoice.lost")}, ("events", "1")),
        ({"events": ("invoice",)}, ("events", "0")),
        ({"events": ("invoice.*", "", "a")}, ("events", "1")),
        ({"events": ("*.paid",)}, ("events", "0")),
        ({"events": ("invoice.**",)}, ("events", "0")),
        ({"events": ("session.*",)}, ("events", "0")),
        ({"events": ("invoice.paid\0",)}, ("events", "0")),
        ({"document": "nobody-registered-this"}, ("document",)),
        ({"document": ""}, ("document",)),
        ({"document": "\ud800"}, ("document",)),
        ({"document": "a" * 10_000}, ("document",)),
    ],
)
async def test_bad_input_is_refused_at_its_field_and_leaves_nothing(
    wish: dict[str, Any], field: tuple[str, ...]
) -> None:
    partner = await a_partner()
    names = Names()
    ours: dict[str, Any] = {"check": any_document, "resolve": names}
    events = wish.pop("events", ("*",))
    with pytest.raises(Invalid) as refusal:
        await run(
            manage.CreateWebhookEndpoint(
                events=events, **{"url": URL, "document": None, **ours, **wish}
            ),
            partner,
            key(),
        )
    assert refusal.value.field == field
    assert names.asked == []
    assert await endpoint.managed(partner) == []
    given = await an_endpoint(partner, "invoice.paid")
    if wish.get("document") == "":
        return
    with pytest.raises(Invalid) as refusal:
        await change(given, partner, **(wish or {"events": events}))
    assert refusal.value.field == field
    assert (await as_it_is(given)).events == ["invoice.paid"]
    assert (await as_it_is(given)).url == URL


async def test_only_so_many_endpoints_are_made_and_not_one_more_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch, webhook_endpoints=3)
    partner = await a_partner()
    done = await asyncio.gather(*(an_endpoint(partner) for _ in range(6)), return_exceptions=True)
    refused = [one for one in done if isinstance(one, NotAllowed)]
    assert len(refused) == 3
    found = await endpoint.managed(partner)
    assert len(found) == 3
    await manage.delete(found[0].id, partner)
    await an_endpoint(partner)


async def test_endpoints_of_a_key_that_has_ended_take_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire_provider(monkeypatch, webhook_endpoints=1)
    name = key()
    first = await a_partner(name=name)
    given = await an_endpoint(first)
    second = await a_partner(name=name)
    with pytest.raises(NotAllowed):
        await an_endpoint(second)
    assert first.key_id is not None
    await revoke_key(first.key_id)
    await sending.disable_ended()
    assert (await as_it_is(given)).disabled_reason == "KEY_ENDED"
    await an_endpoint(second)


@pytest.mark.parametrize("scopes", [("accounts:read",), ("invoices:write", "credit:read")])
async def test_a_key_without_the_scope_manages_nothing(scopes: tuple[str, ...]) -> None:
    partner = await a_partner(scopes=scopes)
    with pytest.raises(Forbidden):
        await an_endpoint(partner)
    with pytest.raises(Forbidden):
        await endpoint.managed(partner)


async def test_clients_and_staff_make_no_endpoints() -> None:
    for nobody in ((await a_client()).actor, STAFF):
        with pytest.raises(Forbidden):
            await an_endpoint(nobody)


async def test_another_key_of_the_same_partner_can_neither_see_nor_redirect_an_endpoint() -> None:
    name = key()
    wide, narrow = await a_partner(name=name), await a_partner([(await a_client()).id], name=name)
    assert wide.user_id == narrow.user_id
    given = await an_endpoint(wide)
    assert await endpoint.find(given.endpoint.id, narrow) is None
    assert await endpoint.managed(narrow) == []
    for refused in (
        change(given, narrow, url="https://elsewhere.example.com/"),
        manage.delete(given.endpoint.id, narrow),
        run(RotateWebhookSecret(given.endpoint.id, 1), narrow, key()),
    ):
        with pytest.raises(NotFound) as refusal:
            await refused
        assert refusal.value.field == ("endpoint_id",)
    again = key()
    await an_endpoint(wide, again=again)
    with pytest.raises(NotFound):
        await an_endpoint(narrow, again=again)
    assert (await as_it_is(given)).url == URL


async def test_staff_see_and_change_those_of_all_and_it_is_logged() -> None:
    partner = await a_partner()
    given = await an_endpoint(partner)
    assert given.endpoint.id in {one.id for one in await endpoint.managed(STAFF)}
    assert not (await change(given, STAFF, enabled=False)).enabled
    entry = await AuditEntry.get(subject=given.endpoint.public_id, action="webhook_endpoint.update")
    assert entry.user_id == STAFF.user_id


async def test_an_endpoint_hears_of_the_accounts_and_scopes_of_its_key_alone() -> None:
    own, other = await a_client(), await a_client()
    given = await an_endpoint(await a_partner([own.id]))
    billing = await an_endpoint(await a_partner([own.id], ("invoices:write", "webhooks:manage")))
    everywhere = await an_endpoint(await a_partner())
    for client in (own, other):
        await client.given(5000)
        await client.spend(await client.order(2500))
    await published()
    told = {one["accountId"] for one in await heard(given)}
    assert told == {own.account.public_id}
    kinds = {one["type"].partition(".")[0] for one in await heard(billing)}
    assert kinds == {"invoice"}
    assert {one["accountId"] for one in await heard(everywhere)} >= {
        own.account.public_id,
        other.account.public_id,
    }


async def test_a_key_that_names_no_accounts_hears_of_those_that_its_partner_opens_later() -> None:
    partner = await a_partner()
    await sql.execute("UPDATE api_key SET all_accounts = FALSE WHERE id = $1", partner.key_id)
    given = await an_endpoint(replace(partner, accounts=frozenset()), "account.*")
    stranger = await a_client()
    account = await run(
        CreateAccount(name="Bo", email=f"{key()}@example.com", currency="USD"), STAFF, key()
    )
    await sql.execute(
        "UPDATE account SET partner_id = $1 WHERE id = $2", partner.user_id, account.id
    )
    told = [one["accountId"] for one in await heard(given)]
    assert told == [account.public_id]
    assert stranger.account.public_id not in told


async def test_only_what_matches_is_told() -> None:
    client = await a_client()
    given = await an_endpoint(await a_partner([client.id]), "invoice.paid", "credit.*")
    await client.given(5000)
    await client.spend(await client.order(2500))
    assert [one["type"] for one in await heard(given)].count("invoice.paid") == 1
    assert {"invoice.paid", "credit.changed"} == {one.kind for one in await deliveries_of(given)}


async def test_what_happened_before_there_was_an_endpoint_is_not_told() -> None:
    client = await a_client()
    await client.given(100)
    given = await an_endpoint(await a_partner([client.id]))
    await client.given(100)
    assert [one["type"] for one in await heard(given)] == ["credit.changed"]


async def test_a_deleted_endpoint_is_told_nothing_more_and_is_not_there() -> None:
    client, receiver = await a_client(), Receiver()
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    await client.given(100)
    await published()
    await manage.delete(given.endpoint.id, partner)
    assert await sent(given, receiver) == 0
    assert await endpoint.find(given.endpoint.id, partner) is None
    [one] = await deliveries_of(given)
    assert await delivery.find(one.id, partner) is None
    with pytest.raises(NotFound):
        await manage.delete(given.endpoint.id, partner)


async def test_an_endpoint_that_is_enabled_again_gets_what_waited() -> None:
    client, receiver = await a_client(), Receiver()
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    await client.given(100)
    await published()
    off = await change(given, partner, enabled=False)
    assert (off.enabled, off.disabled_reason) == (False, "REQUESTED")
    assert await sent(given, receiver) == 0
    on = await change(given, partner, enabled=True, url="https://new.example.com/")
    assert (on.enabled, on.disabled_reason, on.url) == (True, None, "https://new.example.com/")
    assert await sent(given, receiver) == 1


async def test_an_endpoint_whose_key_has_ended_is_not_enabled_again() -> None:
    partner = await a_partner()
    given = await an_endpoint(partner)
    await revoke_key(given.endpoint.line_id)
    await sending.disable_ended()
    with pytest.raises(NotAllowed):
        await change(given, STAFF, enabled=True)
    assert not (await as_it_is(given)).enabled


async def test_an_endpoint_goes_on_with_the_key_that_replaces_its_own_and_ends_with_the_line() -> (
    None
):
    client, receiver = await a_client(), Receiver()
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    assert partner.key_id is not None
    newer, token = await rotate_key(partner.key_id, 0)
    await client.given(100)
    await published()
    assert await sent(given, receiver) > 0
    assert await sending.disable_ended() == 0
    successor = await actor_of_credential(token, "192.0.2.1")
    assert successor is not None
    assert [one.id for one in await endpoint.managed(successor)] == [given.endpoint.id]
    await revoke_key(newer.id)
    assert await sending.disable_ended() == 1
    assert (await as_it_is(given)).disabled_reason == "KEY_ENDED"


async def test_a_document_is_named_and_taken_away_again() -> None:
    partner = await a_partner()
    await registered_query.register({"of-event": "query ($event: ID!) { node(id: $event) { id } }"})
    given = await an_endpoint(partner, document="of-event")
    assert given.endpoint.document == "of-event"
    assert (await change(given, partner, document="")).document is None
    assert (await change(given, partner, document="of-event")).document == "of-event"


async def test_what_is_old_is_forgotten() -> None:
    client = await a_client()
    partner = await a_partner([client.id])
    given, gone = await an_endpoint(partner), await an_endpoint(partner)
    await client.given(100)
    await heard(given)
    await manage.delete(gone.endpoint.id, partner)
    old = now() - timedelta(days=400)
    for table, column in (
        ("webhook_delivery", "created_at"),
        ("webhook_attempt", "created_at"),
    ):
        await sql.execute(f"UPDATE {table} SET {column} = $1", old)
    await sql.execute(
        "UPDATE webhook_endpoint SET deleted_at = $1 WHERE id = $2", old, gone.endpoint.id
    )
    assert await delivery.forget() >= 3
    assert await deliveries_of(given) == []
    assert (await as_it_is(given)).enabled


async def test_an_endpoint_is_not_forgotten_before_what_was_sent_to_it() -> None:
    """Else the audit would find deliveries that go nowhere."""
    client = await a_client()
    partner = await a_partner([client.id])
    given = await an_endpoint(partner)
    await client.given(100)
    await published()
    await manage.delete(given.endpoint.id, partner)
    old = now() - timedelta(days=400)
    await sql.execute(
        "UPDATE webhook_endpoint SET deleted_at = $1 WHERE id = $2", old, given.endpoint.id
    )
    await delivery.forget()
    assert (await as_it_is(given)).deleted_at == old
    await sql.execute(
        "UPDATE webhook_delivery SET created_at = $1 WHERE endpoint_id = $2", old, given.endpoint.id
    )
    await delivery.forget()
    assert await WebhookEndpoint.filter(id=given.endpoint.id).count() == 0
