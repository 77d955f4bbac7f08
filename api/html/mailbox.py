"""The demo's mailbox: the mails that were sent, with their links, for whoever opens it."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from models.accounts.mail_delivery import letter_of
from models.mail.outgoing import OutgoingMail, lately_sent

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.mail.message import Messages, Words
    from api.settings.settings import Settings

_SHOWN: Final = 50

_HTML: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailbox</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
</head>
<body>
<main>
<h1>Mailbox</h1>
<p>E-mails of this demo, newest first. Reload the page to see new ones.</p>
{mails}
</main>
</body>
</html>
"""
_MAIL: Final = """<article lang="{language}">
<h2>{subject}</h2>
<p>To: {recipient}<br>{sent}</p>
{text}
</article>"""
#: The links open accounts: no copy of the page stays anywhere.
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def mailbox_routes(settings: Settings) -> list[Route]:
    """`/mailbox`, for demo mode only."""
    assert settings.demo

    @cache
    def made() -> Messages:
        from api.mail.message import Messages  # noqa: PLC0415 - few ever open this page

        return Messages(settings)

    async def show(_request: Request) -> Response:
        messages = made()
        mails = [_mail(mail, messages) for mail in await lately_sent(_SHOWN)]
        page = _HTML.format(mails="\n".join(mails) or "<p>There are none yet.</p>")
        return HTMLResponse(page, headers=_HEADERS)

    return [Route("/mailbox", show)]


def _mail(mail: OutgoingMail, messages: Messages) -> str:
    words = messages.words(letter_of(mail))
    sent = "" if mail.sent_at is None else f"{mail.sent_at:%Y-%m-%d %H:%M:%S} UTC"
    return _MAIL.format(
        language=escape(words.language),
        subject=escape(words.subject),
        recipient=escape(mail.recipient),
        sent=sent,
        text="\n".join(_paragraphs(words)),
    )


def _paragraphs(words: Words) -> list[str]:
    """Its text; the link, which is on a line of its own, can be followed."""
    shown = []
    for paragraph in words.text.strip().split("\n\n"):
        lines = [_line(line, words.link) for line in paragraph.split("\n")]
        shown.append(f"<p>{'<br>'.join(lines)}</p>")
    return shown


def _line(line: str, link: str) -> str:
    if link and line == link:
        return f'<a href="{escape(link)}">{escape(link)}</a>'
    return escape(line)
