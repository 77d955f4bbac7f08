"""Mails as messages: whole links, right MIME, and nothing that people wrote becomes a header."""

from __future__ import annotations

import email
import re
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import Any
from uuid import UUID

import pytest

from api.pdf.catalogue import translations
from api.pdf.frames import TEMPLATES
from models.mail.mailer import Letter
from models.mail.outgoing import MailKind
from tests.support.letters import FACTS, LINKED, TOKEN, a_letter, messages


def arrived(letter: Letter, **settings: Any) -> EmailMessage:
    """As whoever gets it reads it."""
    sent = messages(**settings).message(letter).as_bytes(policy=SMTP)
    message = email.message_from_bytes(sent, policy=default)
    for part in message.walk():
        assert part.defects == []
        assert all(value.defects == () for value in part.values())
    return message


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("locale", ["en", "de-AT", "fr", "ja", "tlh"])
@pytest.mark.parametrize("kind", MailKind)
def test_every_mail_has_its_words_and_its_link_in_each_language(
    kind: MailKind, locale: str
) -> None:
    message = arrived(a_letter(kind, locale))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text, html = text_of(message), text_of(message, "html")
    assert f"{kind.value}." not in text + html + message["Subject"]
    assert not re.search(r"[{}]", text)
    assert "Kaze" in text
    lines = [line for line in text.splitlines() if "token=" in line]
    if kind in LINKED:
        link = f"https://credit.example.com/billing/{LINKED[kind]}?token={TOKEN}"
        assert lines == [link]
        assert f'href="{link}"' in html
    else:
        assert lines == []
    assert "<script>" not in html


def test_all_languages_have_all_words() -> None:
    found = {
        path.parent.name: set(translations(path.parent.name, TEMPLATES, "mails")._catalog)
        for path in TEMPLATES.glob("locale/*/mails.po")
    }
    assert set(found) == {"en", "de", "fr", "ja"}
    assert len({frozenset(keys) for keys in found.values()}) == 1


def test_a_letter_has_one_date_and_one_message_id_however_often_it_is_sent() -> None:
    letter = a_letter(MailKind.SIGN_UP, id=UUID(int=7))
    first, second = arrived(letter), arrived(letter)
    assert first["Message-ID"] == second["Message-ID"] == f"<{UUID(int=7).hex}@credit.example.com>"
    assert first["Date"].datetime == letter.written_at
    assert str(first["From"]) == "Kaze <billing@kaze.example>"
    assert first["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "evil",
    [
        "Ada\r\nBcc: eve@example.com",
        "Ada\nSubject: x\n\nbody",
        "Ada\u2028\u0085\x0bBcc: eve@example.com",
        "\x00\x1b[31m" * 200,
        "=?utf-8?q?=0d=0aBcc:_eve@example.com?=",
        "\u202eevil\u2066",
        "{seller.__class__} %(x)s {0}",
        "A" * 5000,
        "\ud800",
    ],
)
def test_nothing_that_people_wrote_becomes_a_header_or_a_line(evil: str) -> None:
    for kind in (MailKind.MEMBER_INVITATION, MailKind.NEW_DEVICE):
        message = arrived(a_letter(kind, facts=dict.fromkeys(FACTS, evil)))
        assert set(message) == {
            *("From", "To", "Subject", "Date", "Message-ID", "Content-Language"),
            *("Auto-Submitted", "MIME-Version", "Content-Type"),
        }
        assert str(message["To"]) == "ada@example.com"
        assert not re.search(r"^(Bcc|Subject):", text_of(message), re.MULTILINE)


def test_addresses_of_every_script_are_written_as_headers_hold_them() -> None:
    message = arrived(a_letter(MailKind.SIGN_UP, recipient="ada@straße.example"))
    assert str(message["To"]) == "ada@strasse.example"
    named = arrived(a_letter(MailKind.SIGN_UP), mail_from="はるかぜ <info@haru.example>")
    assert named["From"].addresses[0].display_name == "はるかぜ"


def test_a_provider_s_own_templates_that_lack_the_mail_s_use_ours(tmp_path: Any) -> None:
    (tmp_path / "layout.html").write_text("")
    message = arrived(a_letter(MailKind.SIGN_UP, "ja"), document_templates=str(tmp_path))
    assert "token=" in text_of(message)
