"""The demo's mailbox."""

from __future__ import annotations

import re
from html import unescape

import pytest

from models.access.one_use_token import Purpose, new_token
from models.access.user import create_staff
from models.db import sql
from models.db.transactions import transaction
from models.mail.outgoing import MailKind, mail
from tests.support.application import demo_settings, running
from tests.support.people import PASSWORD, Postbox, delivered

pytestmark = pytest.mark.once

EVIL = '"><script>alert(1)</script>\n<img src=x>'


async def write() -> str:
    """A mail with a link and one of hostile facts; the link's token."""
    user = await create_staff("ada@example.com", PASSWORD)
    token = new_token(Purpose.RESET, "ada@example.com", user.id)
    linked = mail(MailKind.PASSWORD_RESET, "ada@example.com", "en", token_id=token.id)
    whose = "o'a&b<i>@example.com"
    hostile = mail(MailKind.NEW_DEVICE, whose, "ja", address=EVIL, user_agent=EVIL)

    async def add() -> None:
        await sql.add(token)
        await sql.add(linked)
        await sql.add(hostile)

    await transaction(add)
    box = Postbox()
    await delivered(box, 10)
    return next(letter.token for letter in box.letters if letter.token)


async def test_it_shows_what_was_sent_with_its_links_and_nothing_of_it_is_html(
    database_url: str,
) -> None:
    async with running(demo_settings(database_url)) as client:
        assert "There are none yet." in (await client.get("/mailbox")).text
        token = await write()
        answer = await client.get("/mailbox")
    found = [unescape(link) for link in re.findall(r'href="([^"]*token=[^"]*)"', answer.text)]
    assert found == [f"http://127.0.0.1:8000/billing/set-password?token={token}"]
    assert "<script>" not in answer.text
    assert "<img" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "script-src" not in answer.headers["content-security-policy"]


async def test_only_the_demo_has_one(database_url: str) -> None:
    settings = demo_settings(database_url, account_credit_demo=False)
    async with running(settings) as client:
        assert (await client.get("/mailbox")).status_code == 404
