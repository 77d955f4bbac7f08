"""Members and accounts through GraphQL, and one's own sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from models.access.identity import MemberRole
from models.access.member import Member
from models.access.session import open_session
from models.db import sql
from models.db.record import public_id
from models.db.transactions import transaction
from schema import make_schema
from schema.core.context import Context
from schema.core.watch import Watchers
from tests.support.identities import ADDRESS, a_client, an_account, wire_small_provider
from tests.support.staffed_provider import document_url

if TYPE_CHECKING:
    from models.access.identity import Actor

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("db")]

SCHEMA = make_schema()
VIEWER = "viewer { email name memberRole account { name } accounts { name } }"


class Browser(Context):
    """Notes whether it is to forget its session."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(
            actor=actor, watchers=Watchers(), document_url=document_url, address=ADDRESS
        )
        self.cleared = False

    def clear_session_cookie(self) -> None:
        self.cleared = True

    async def run(self, document: str, **variables: str) -> Any:
        result = await SCHEMA.execute(document, variables, self)
        assert result.errors is None, result.errors
        return result.data


@pytest.fixture(autouse=True)
def _wired(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_small_provider(monkeypatch)


async def a_guest() -> tuple[Browser, str]:
    """Ada, who also sees Bo's account; and its id."""
    ada, account = await a_client(), await an_account()
    await transaction(
        lambda: sql.add(Member(account_id=account.id, user_id=ada.id, role=MemberRole.VIEWER.value))
    )
    return Browser((await open_session(ada))[0]), account.public_id


async def test_a_viewer_knows_their_accounts_and_switches_between_them() -> None:
    browser, account_id = await a_guest()
    both = [{"name": "Ada"}, {"name": "Bo"}]
    at_home = {"memberRole": "OWNER", "account": {"name": "Ada"}, "accounts": both}
    who = {"email": "ada@example.com", "name": None}
    assert (await browser.run(f"{{ {VIEWER} }}"))["viewer"] == who | at_home
    switch = (
        "mutation ($id: ID!) { switchAccount(input: {accountId: $id})"
        f" {{ {VIEWER} userErrors {{ code field }} }} }}"
    )
    done = (await browser.run(switch, id=account_id))["switchAccount"]
    there = {"memberRole": "VIEWER", "account": {"name": "Bo"}, "accounts": both}
    assert done == {"viewer": who | there, "userErrors": []}
    assert (await browser.run(f"{{ {VIEWER} }}"))["viewer"] == who | there
    for wrong in (f"acc_{'0' * 32}", "acc_", "", "usr_x"):
        refused = (await browser.run(switch, id=wrong))["switchAccount"]
        assert refused["viewer"] is None
        assert refused["userErrors"] == [{"code": "NOT_FOUND", "field": ["accountId"]}]
    assert (await browser.run("{ viewer { account { name } } }"))["viewer"]["account"] == {
        "name": "Bo"
    }


async def test_members_are_seen_by_all_of_them_and_found_by_their_ids() -> None:
    browser, account_id = await a_guest()
    query = "{ viewer { account { members { id email role invited } } } }"
    [own] = (await browser.run(query))["viewer"]["account"]["members"]
    assert own == {
        "id": public_id("mem", browser.signed_in().user_id),
        "email": "ada@example.com",
        "role": "OWNER",
        "invited": False,
    }
    node = "query ($id: ID!) { node(id: $id) { id ... on Member { role } } }"
    assert (await browser.run(node, id=own["id"]))["node"] == {"id": own["id"], "role": "OWNER"}
    foreign = (await Member.all().first()) or Member()
    assert (await browser.run(node, id=foreign.public_id))["node"] is None
    switch = (
        "mutation ($id: ID!) { switchAccount(input: {accountId: $id}) { userErrors { code } } }"
    )
    await browser.run(switch, id=account_id)
    assert (await browser.run(node, id=foreign.public_id))["node"]["role"] == "VIEWER"
    assert (await browser.run(node, id=own["id"]))["node"] is None


async def test_ending_the_current_session_is_signing_out() -> None:
    browser, _ = await a_guest()
    other, _ = await open_session(await a_client("cy@example.com"))
    sessions = "{ sessions { id current } }"
    [own] = (await browser.run(sessions))["sessions"]
    assert own["current"] is True
    end = (
        "mutation ($id: ID!) { endSession(input: {sessionId: $id}) { userErrors { code field } } }"
    )
    assert other.session_id is not None
    for wrong in (public_id("ses", other.session_id), "ses_", "nothing"):
        refused = (await browser.run(end, id=wrong))["endSession"]["userErrors"]
        assert refused == [{"code": "NOT_FOUND", "field": ["sessionId"]}]
    assert [browser.cleared, browser.actor is None] == [False, False]
    assert (await browser.run(end, id=own["id"]))["endSession"]["userErrors"] == []
    assert [browser.cleared, browser.actor is None] == [True, True]
