"""Sending by SMTP (RFC 5321)."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from models.mail.mailer import MailDelayed, MailRefused

if TYPE_CHECKING:
    from api.mail.message import Messages
    from models.mail.mailer import Letter

#: For each step, and for all of them: a mail is claimed for longer (models.accounts.mail_delivery).
_TIMEOUT_SECONDS: Final = 10
_SECONDS_MAX: Final = 30
_PORTS: Final = {"smtp": 587, "smtps": 465}
#: Replies from here on are for good (RFC 5321, 4.2.1).
_FOR_GOOD: Final = 500


class SmtpMailer:
    """Sends each letter on a connection of its own.

    `smtps://` speaks TLS from the start. `smtp://` changes to TLS where that is offered, and where
    it is not only sends to this machine: a link in the clear is anybody's who listens.
    """

    def __init__(self, url: str, messages: Messages, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._tls_at_once = parts.scheme == "smtps"
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._messages = messages
        self._tls = tls or ssl.create_default_context()

    async def send(self, letter: Letter) -> None:
        """See Mailer."""
        try:
            message = self._messages.message(letter)
        except ValueError as error:
            raise MailRefused("the address cannot be written in a header") from error
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=_TIMEOUT_SECONDS,
            use_tls=self._tls_at_once,
            start_tls=False,
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(_SECONDS_MAX), client:
                await self._secure(client)
                if self._user:
                    await client.login(self._user, self._password)
                await client.send_message(message)
        except aiosmtplib.SMTPNotSupported as error:
            raise MailRefused("the mail server takes no address like this") from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _outcome([refused.code for refused in error.recipients]) from error
        except aiosmtplib.SMTPDataError as error:
            raise _outcome([error.code]) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailDelayed(type(error).__name__) from error

    async def _secure(self, client: aiosmtplib.SMTP) -> None:
        if self._tls_at_once:
            return
        await client.ehlo()
        if client.supports_extension("starttls"):
            await client.starttls(tls_context=self._tls)
        elif not _is_loopback(self._host):
            raise MailDelayed("the server offers no STARTTLS")


def _outcome(codes: list[int]) -> MailDelayed | MailRefused:
    """What the server said of this mail: of us, it may think otherwise in an hour."""
    said = f"the mail server said {codes[0]}"
    return MailRefused(said) if min(codes) >= _FOR_GOOD else MailDelayed(said)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
