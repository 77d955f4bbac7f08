"""Signing up: an account of one's own making, once its address has been confirmed.

Nothing exists before that but a one-use token, which keeps what was entered, and a mail. Both are
written for every address alike; what the mail says depends on who has the address, and that is only
looked up when it is sent (models.accounts.mail_delivery).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from models import email as emails
from models.access import one_use_token
from models.access import password as passwords
from models.access.one_use_token import OneUseToken, Purpose, new_token
from models.access.user import User
from models.accounts.create import opened
from models.accounts.new_password import limit_mails
from models.accounts.person import is_taken
from models.db import sql
from models.db.record import new_id
from models.db.transactions import transaction
from models.errors import IdempotencyKeyReused, Invalid, SignUpClosed, TokenRefused
from models.journal import idempotency
from models.journal.idempotency import Use
from models.journal.journal import Journal
from models.locale_tag import language_tag
from models.mail.outgoing import MailKind, mail
from models.provider.provider import provider
from models.text import clean_text

#: Principals are users' ids but for this one.
_PRINCIPAL: Final = "sign-up"


@dataclass(frozen=True, slots=True)
class SignUp:
    """What somebody enters who wants an account."""

    email: str
    # Not in the fingerprint: of a password not even a plain hash may be kept.
    password: str = field(compare=False, repr=False)
    name: str
    currency: str
    locale: str | None


async def sign_up(asked: SignUp, key: str, *, locale: str, address: str) -> None:
    """Have a link sent that opens the account; `locale` is what the caller reads.

    A repeated `key` sends nothing more. Raises SignUpClosed; Invalid at `email`, `password`,
    `name` or `locale`; WeakPassword at `password`; CurrencyNotSupported at `currency`;
    IdempotencyKeyReused; RateLimited.
    """
    if provider().sign_up == "off":
        raise SignUpClosed
    idempotency.checked(key)
    written, email_key = emails.written(asked.email), emails.key_of(asked.email)
    if written is None or email_key is None:
        raise Invalid("email", problem="email_form")
    name = clean_text(asked.name, "name", maximum=200)
    language = locale if asked.locale is None else language_tag(asked.locale, "locale")
    provider().limits_of(asked.currency, "currency")
    # Before the hash, which costs too much to be free.
    await limit_mails("sign_up", email_key, address)
    hashed = await passwords.hashed(asked.password, "password", known=[written, name])
    facts = {"name": name, "currency": asked.currency, "locale": language, "password_hash": hashed}
    await _write(new_token(Purpose.SIGN_UP, written, None, **facts), _use(asked, email_key, key))


async def _write(token: OneUseToken, use: Use) -> None:
    letter = mail(MailKind.SIGN_UP, token.email, token.facts["locale"], token_id=token.id)

    async def write() -> None:
        if await idempotency.claim(use):
            await sql.add(token)
            await sql.add(letter)
        elif not await _is_the_same(use):
            raise IdempotencyKeyReused("idempotency_key")

    await transaction(write)


def _use(asked: SignUp, email_key: str, key: str) -> Use:
    """The key is the address's: whoever has another address may use the same one."""
    fingerprint = idempotency.fingerprint("signUp", asked)
    secret = provider().key_for(b"sign-up")
    whose = hmac.new(secret, email_key.encode(), hashlib.sha256).hexdigest()[:32]
    return Use(f"{_PRINCIPAL}-{whose}", key, fingerprint, {})


async def _is_the_same(use: Use) -> bool:
    row = await sql.fetch_one(
        "SELECT fingerprint FROM idempotency_key WHERE principal = $1 AND key = $2",
        use.principal,
        use.key,
    )
    return row is not None and row["fingerprint"] == use.fingerprint


async def confirm(token: OneUseToken) -> User:
    """Open the account that a token of `sign_up` is for; its user, whose address is confirmed.

    Raises TokenRefused at `token`; so too where the address has been taken meanwhile.
    """
    facts = token.facts

    async def open_it() -> User:
        if provider().sign_up != "open" or await is_taken(token.email):
            raise TokenRefused("token")
        await one_use_token.use(token)
        journal = Journal()
        account, user = opened(
            journal,
            new_id(),
            name=facts["name"],
            email=token.email,
            currency=facts["currency"],
            locale=facts["locale"],
            password_hash=facts["password_hash"],
        )
        journal.log(user.actor(), "account.sign_up", account.public_id)
        await journal.write()
        return user

    return await transaction(open_it)
