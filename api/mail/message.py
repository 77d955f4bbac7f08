"""A letter as a message: its words by a gettext catalogue, its HTML by a template.

Both are in `pdf_templates`: `locale/<language>/mails.po` and `mail.html`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from api.pdf.catalogue import negotiate, translations
from api.pdf.colours import on_colour
from api.pdf.frames import TEMPLATES
from models.mail.outgoing import MailKind

if TYPE_CHECKING:
    from pathlib import Path

    from api.settings.settings import Settings
    from models.mail.mailer import Letter

#: Where the link of each kind leads, below the server's public URL; `{token}` is the letter's.
_LINKS: Final = {
    MailKind.INVITATION: "/billing/set-password?token={token}",
    MailKind.MEMBER_INVITATION: "/billing/set-password?token={token}",
    MailKind.PASSWORD_RESET: "/billing/set-password?token={token}",
    MailKind.PASSWORD_CHANGED: "/billing/forgot-password",
    MailKind.SIGN_UP: "/billing/confirm-email?token={token}",
    MailKind.SIGN_UP_TAKEN: "/billing/forgot-password",
    MailKind.EMAIL_CONFIRMATION: "/billing/confirm-email?token={token}",
    MailKind.NEW_DEVICE: "/billing/forgot-password",
}
#: Whoever is there already has no password to choose.
_PORTAL: Final = "/"
_FACT_CHARS_MAX: Final = 400
_ACCENT: Final = "#1d4ed8"
# A header line of more than 998 octets is none (RFC 5322, 2.1.1), and the words need few.
_SUBJECT_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Words:
    """What a letter says, in its language."""

    language: str
    subject: str
    greeting: str
    paragraphs: list[str]
    action: str
    link: str
    closing: str

    @property
    def text(self) -> str:
        """The plain text: the link is whole, on a line of its own."""
        parts = [self.greeting, *self.paragraphs]
        if self.link:
            parts.append(f"{self.action}:\n{self.link}")
        return "\n\n".join([*parts, self.closing]) + "\n"


class Messages:
    """Makes the messages of one provider."""

    def __init__(self, settings: Settings, sender: str = "") -> None:
        self._templates = settings.templates
        self._public_url = settings.public_url
        self._accent = settings.seller.accent or _ACCENT
        self._seller = settings.seller.brand or settings.seller.name
        self._sender = sender
        self._domain = urlsplit(settings.public_url).hostname or "localhost"

    def words(self, letter: Letter) -> Words:
        """What it says, in the language of its locale; English where there is none."""
        language, _ = negotiate(letter.locale.replace("-", "_"), self._templates)
        say = translations(language, self._templates, "mails").gettext
        facts = {name: _plain(value) for name, value in letter.facts.items()}
        facts |= {"seller": self._seller}
        if "role" in facts:
            facts["role"] = say(f"role.{facts['role']}")
        # A member who is there already gets no token, and only goes to the portal.
        path = _LINKS.get(letter.kind, "")
        if "{token}" in path and not letter.token:
            path = _PORTAL
        kind = letter.kind.value
        bodies = [say(f"{kind}.text").format_map(facts)]
        if letter.token:
            bodies += [say("token").format_map(facts)]
        return Words(
            language=language,
            subject=say(f"{kind}.subject").format_map(facts),
            greeting=say("greeting"),
            paragraphs=bodies,
            action=say(f"{kind}.action") if path else "",
            link=f"{self._public_url}{path.format(token=letter.token)}" if path else "",
            closing=self._seller,
        )

    def html(self, words: Words) -> str:
        """The same with the provider's name and colour, for programs that show it."""
        return (
            _environment(self._templates)
            .get_template("mail.html")
            .render(
                words=words,
                seller=self._seller,
                accent=self._accent,
                on_accent=on_colour(self._accent),
            )
        )

    def message(self, letter: Letter) -> EmailMessage:
        """The message to be sent: the same each time, but for what the templates have become.

        Raises ValueError for an address that no header can hold.
        """
        words = self.words(letter)
        message = EmailMessage(policy=SMTP)
        name, address = parseaddr(self._sender)
        message["From"] = _address(address, name or self._seller)
        message["To"] = _address(letter.recipient)
        message["Subject"] = _header(words.subject)[:_SUBJECT_CHARS_MAX]
        message["Date"] = format_datetime(letter.written_at)
        message["Message-ID"] = f"<{letter.id.hex}@{self._domain}>"
        # RFC 3834: no vacation notes, please.
        message["Auto-Submitted"] = "auto-generated"
        # Quoted-printable would fold the link, and programs that look for it may not unfold it.
        message.set_content(words.text, cte="base64")
        message.add_alternative(self.html(words), subtype="html", cte="base64")
        message["Content-Language"] = words.language
        return message


def _address(email: str, name: str = "") -> Address:
    local, _, domain = email.rpartition("@")
    # Domains of other scripts travel as ASCII (RFC 5891), which every server knows.
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError("no address") from error
    return Address(_header(name), username=local, domain=ascii_domain)


def _plain(value: str) -> str:
    """One line of what people wrote: without control characters, and not too long."""
    text = "".join(" " if _is_break(character) else character for character in str(value))
    return " ".join(text.split())[:_FACT_CHARS_MAX]


def _header(value: str) -> str:
    """As `_plain`, and without what a header would be decoded from (RFC 2047)."""
    return _plain(value).replace("=?", "= ?")


def _is_break(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


@lru_cache
def _environment(templates: Path) -> Environment:
    return Environment(
        loader=ChoiceLoader([FileSystemLoader(templates), FileSystemLoader(TEMPLATES)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
