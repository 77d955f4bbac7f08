"""Sending by SMTP, to a real server of the tests."""

from __future__ import annotations

import email
import ssl
from email.policy import default
from typing import TYPE_CHECKING, Any, Final

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from api.mail import smtp
from api.mail.smtp import SmtpMailer
from models.mail.mailer import MailDelayed, MailRefused
from models.mail.outgoing import MailKind
from tests.support.letters import a_letter, messages
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

USER: Final = "portal@example.com"
SECRET: Final = "p@ss/word:?"
URL_SECRET: Final = "p%40ss%2Fword%3A%3F"


class Mailboxes:
    """Takes what comes, or answers as it is told."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.over_tls: list[bool] = []
        self.answers = {"rcpt": "", "data": ""}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if not self.answers["rcpt"]:
            envelope.rcpt_tos.append(address)
        return self.answers["rcpt"] or "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answers["data"]:
            return self.answers["data"]
        self.envelopes.append(envelope)
        self.over_tls.append(session.ssl is not None)
        return "250 OK"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def boxes() -> Mailboxes:
    return Mailboxes()


class Running:
    """Servers that end with their test."""

    def __init__(self, boxes: Mailboxes) -> None:
        self.boxes = boxes
        self.controllers: list[Controller] = []

    def start(self, **how: Any) -> int:
        controller = Controller(self.boxes, hostname="127.0.0.1", port=free_port(), **how)
        controller.start()
        self.controllers.append(controller)
        return int(controller.port)


@pytest.fixture
def running(boxes: Mailboxes) -> Iterator[Running]:
    running = Running(boxes)
    yield running
    for controller in running.controllers:
        controller.stop()


def signed_in(
    _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any
) -> AuthResult:
    good = given == LoginPassword(USER.encode(), SECRET.encode())
    return AuthResult(success=good, handled=False)  # who is refused is told so


async def test_a_mail_arrives_as_it_was_written(running: Running, boxes: Mailboxes) -> None:
    mailer = SmtpMailer(f"smtp://127.0.0.1:{running.start()}", messages())
    await mailer.send(a_letter(MailKind.PASSWORD_RESET, "ja"))
    (envelope,) = boxes.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("billing@kaze.example", ["ada@example.com"])
    message: Any = email.message_from_bytes(envelope.content, policy=default)
    text = message.get_body(("plain",)).get_content()
    (link,) = [line for line in text.splitlines() if "token=" in line]
    assert link.startswith("https://")
    assert boxes.over_tls == [False]


async def test_tls_is_used_from_the_start_by_smtps_and_a_stranger_s_certificate_is_refused(
    running: Running,
    boxes: Mailboxes,
    client_tls: ssl.SSLContext,
    server_tls: ssl.SSLContext,
) -> None:
    url = f"smtps://localhost:{running.start(ssl_context=server_tls)}"
    with pytest.raises(MailDelayed):
        await SmtpMailer(url, messages()).send(a_letter(MailKind.SIGN_UP))
    assert boxes.envelopes == []
    await SmtpMailer(url, messages(), tls=client_tls).send(a_letter(MailKind.SIGN_UP))
    assert len(boxes.envelopes) == 1  # that server speaks nothing but TLS


async def test_starttls_is_used_where_it_is_offered_and_the_password_only_then(
    running: Running,
    boxes: Mailboxes,
    client_tls: ssl.SSLContext,
    server_tls: ssl.SSLContext,
) -> None:
    port = running.start(
        tls_context=server_tls, require_starttls=True, authenticator=signed_in, auth_required=True
    )
    url = f"smtp://portal%40example.com:{URL_SECRET}@localhost:{port}"
    await SmtpMailer(url, messages(), tls=client_tls).send(a_letter(MailKind.SIGN_UP))
    assert boxes.over_tls == [True]
    with pytest.raises(MailDelayed):  # nor does it go on in the clear
        await SmtpMailer(url, messages()).send(a_letter(MailKind.SIGN_UP))
    wrong = f"smtp://portal%40example.com:wrong@localhost:{port}"
    with pytest.raises(MailDelayed):
        await SmtpMailer(wrong, messages(), tls=client_tls).send(a_letter(MailKind.SIGN_UP))
    assert len(boxes.envelopes) == 1


async def test_nothing_goes_in_the_clear_to_another_machine(
    running: Running, boxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = running.start()
    monkeypatch.setattr(smtp, "_is_loopback", lambda _host: False)
    with pytest.raises(MailDelayed):
        await SmtpMailer(f"smtp://127.0.0.1:{port}", messages()).send(a_letter(MailKind.SIGN_UP))
    assert boxes.envelopes == []


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        *[(host, True) for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9")],
        *[(host, False) for host in ("10.0.0.1", "localhost.example.com", "mail")],
    ],
)
def test_only_this_machine_is_loopback(host: str, is_ours: bool) -> None:  # noqa: FBT001
    assert smtp._is_loopback(host) is is_ours


@pytest.mark.parametrize(
    ("where", "answer", "outcome"),
    [
        ("rcpt", "550 no such mailbox", MailRefused),
        ("rcpt", "450 greylisted", MailDelayed),
        ("data", "554 spam", MailRefused),
        ("data", "451 try later", MailDelayed),
    ],
)
async def test_what_is_for_good_is_not_tried_again(
    running: Running, boxes: Mailboxes, where: str, answer: str, outcome: type[Exception]
) -> None:
    boxes.answers[where] = answer
    mailer = SmtpMailer(f"smtp://127.0.0.1:{running.start()}", messages())
    with pytest.raises(outcome):
        await mailer.send(a_letter(MailKind.SIGN_UP))
    assert boxes.envelopes == []


async def test_a_server_that_is_away_is_tried_again(running: Running) -> None:
    port = running.start()
    running.controllers.pop().stop()
    with pytest.raises(MailDelayed):
        await SmtpMailer(f"smtp://127.0.0.1:{port}", messages()).send(a_letter(MailKind.SIGN_UP))


@pytest.mark.parametrize("recipient", ["ädä@example.com", f"a@{'x' * 64}.example"])
async def test_an_address_that_cannot_be_sent_to_is_refused_for_good(
    running: Running, recipient: str
) -> None:
    mailer = SmtpMailer(f"smtp://127.0.0.1:{running.start(enable_SMTPUTF8=False)}", messages())
    with pytest.raises(MailRefused):
        await mailer.send(a_letter(MailKind.SIGN_UP, recipient=recipient))
