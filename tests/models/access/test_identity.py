"""Who asks: what each role reaches, and whose e-mail address is whose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.access.identity import SCOPES, Actor, Role
from models.access.user import User, create_staff
from models.db.record import new_id
from models.errors import Forbidden, Invalid
from tests.support.identities import PASSWORD


def test_each_role_may_do_what_the_table_says() -> None:
    client = Actor(role=Role.CLIENT, user_id=new_id(), account_id=new_id())
    staff = Actor(role=Role.STAFF, user_id=new_id())
    writer = Actor(
        role=Role.PARTNER, user_id=new_id(), scopes=frozenset({"invoices:write"}), accounts=None
    )
    assert _allowed(client) == {"accounts:read", "credit:read", "invoices:read"}
    assert _allowed(staff) == set(SCOPES)
    assert _allowed(writer) == {"invoices:read", "invoices:write"}
    assert _allowed(replace(writer, scopes=frozenset({"invoices:read"}))) == {"invoices:read"}
    assert _allowed(replace(writer, scopes=frozenset())) == set()


def test_only_staff_are_staff_and_only_clients_have_an_account() -> None:
    own = new_id()
    client = Actor(role=Role.CLIENT, user_id=new_id(), account_id=own)
    staff = Actor(role=Role.STAFF, user_id=new_id())
    partner = Actor(role=Role.PARTNER, user_id=new_id(), scopes=frozenset(SCOPES), accounts=None)
    staff.require_staff()
    assert client.own_account() == own
    for other in (client, partner):
        with pytest.raises(Forbidden):
            other.require_staff()
    for other in (staff, partner):
        with pytest.raises(Forbidden):
            other.own_account()


def test_an_account_is_in_sight_of_its_client_its_partners_and_staff() -> None:
    mine, other = new_id(), new_id()
    client = Actor(role=Role.CLIENT, user_id=new_id(), account_id=mine, accounts=None)
    partner = Actor(role=Role.PARTNER, user_id=new_id(), accounts=frozenset({mine}))
    assert (client.sees(mine), client.sees(other)) == (True, False)
    assert (partner.sees(mine), partner.sees(other)) == (True, False)
    assert replace(partner, accounts=None).sees(other)
    assert not Actor(role=Role.PARTNER, user_id=new_id()).sees(mine)
    assert Actor(role=Role.STAFF, user_id=new_id()).sees(other)


def _allowed(actor: Actor) -> set[str]:
    def passes(scope: str) -> bool:
        try:
            actor.require_scope(scope)
        except Forbidden:
            return False
        return True

    return {scope for scope in SCOPES if passes(scope)}


@pytest.mark.usefixtures("db")
async def test_an_email_belongs_to_one_user_whatever_its_case() -> None:
    ada = await create_staff(" Ada@example.com", PASSWORD)
    assert (ada.email, ada.email_key) == ("Ada@example.com", None)
    with pytest.raises(Invalid) as refusal:
        await create_staff("ada@EXAMPLE.com", PASSWORD)
    assert (refusal.value.field, refusal.value.problem) == (("email",), "taken")
    assert await User.all().count() == 1
