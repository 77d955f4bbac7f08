"""Letters, and a provider that sends them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from api.mail.message import Messages
from api.settings.settings import load_settings
from models.db.record import new_id
from models.mail.mailer import Letter
from models.mail.outgoing import MailKind
from tests.support.application import SECRET

TOKEN: Final = "act_" + "x" * 43
LINKED: Final = {
    MailKind.INVITATION: "set-password",
    MailKind.MEMBER_INVITATION: "set-password",
    MailKind.PASSWORD_RESET: "set-password",
    MailKind.SIGN_UP: "confirm-email",
    MailKind.EMAIL_CONFIRMATION: "confirm-email",
}
FACTS: Final = {
    "account": "Kaze <GmbH>",
    "role": "BILLING",
    "email": "new@example.com",
    "address": "192.0.2.1",
    "user_agent": "Mozilla/5.0 <script>alert(1)</script>",
    "partner": "Order <desk>",
    "url": "https://hooks.example.com/in?a=<b>",
    "endpoint": "whe_0192f3",
}


def messages(**settings: Any) -> Messages:
    given = {
        "secret_key": SECRET,
        "public_url": "https://credit.example.com",
        "seller": '{"name": "Kaze Hosting GmbH", "brand": "Kaze", "email": "billing@kaze.example"}',
    }
    made = load_settings(**(given | settings))
    return Messages(made, made.sender)


def a_letter(kind: MailKind, locale: str = "en", **other: Any) -> Letter:
    given: dict[str, Any] = {
        "id": new_id(),
        "written_at": datetime(2026, 11, 30, 12, 0, 5, tzinfo=UTC),
        "recipient": "ada@example.com",
        "facts": FACTS,
        "token": TOKEN if kind in LINKED else "",
    }
    return Letter(kind=kind, locale=locale, **(given | other))
