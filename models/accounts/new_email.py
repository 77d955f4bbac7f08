"""New e-mail addresses: used when they have been confirmed, and the old one is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise.exceptions import IntegrityError

from models import email as emails
from models.access import one_use_token
from models.access.one_use_token import OneUseToken, Purpose, new_token
from models.access.user import User
from models.accounts import members, person
from models.accounts.account import search_key
from models.accounts.new_password import limit_mails, proven_user
from models.db import sql
from models.db.transactions import Conflict, transaction
from models.errors import EmailTaken, Invalid, TokenRefused
from models.factors.proof import require_proof
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.mail.outgoing import MailKind, mail

if TYPE_CHECKING:
    from models.access.identity import Actor


async def change_email(email: str, password: str, by: Actor, *, notes: str = "") -> None:
    """Have a link sent to a new address of one's own.

    Raises InvalidCredentials at `password`, Invalid and EmailTaken at `email`, RateLimited,
    Forbidden for API keys, and StepUpRequired.
    """
    require_proof(by)
    written, key = emails.written(email), emails.key_of(email)
    if written is None or key is None:
        raise Invalid("email", problem="email_form")
    user = await proven_user(by, password, "password", notes=notes)
    # By the user, not by the address: whoever tries many is one.
    await limit_mails("change_email", by.user_id.hex, by.address)
    if await person.is_taken(written, but=user, of=await person.own_account(user)):
        raise EmailTaken("email")
    token = new_token(Purpose.CONFIRM_EMAIL, written, user.id, was=user.email)
    locale = await person.locale_of(user) or "en"
    letter = mail(MailKind.EMAIL_CONFIRMATION, written, locale, token_id=token.id)

    async def write() -> None:
        await sql.add(token)
        await sql.add(letter)

    await transaction(write)


async def confirm(token: OneUseToken) -> User:
    """Use the address that a token of `change_email` was sent to: the user's, and their account's
    where it was the same and is still theirs.

    Raises TokenRefused, and EmailTaken where somebody was faster, at `token`.
    """

    async def change() -> User:
        user = await person.locked(token.user_id)
        if user is None or user.email != token.facts.get("was"):
            raise TokenRefused("token")
        await one_use_token.use(token)
        try:
            await _change(user, token.email)
        except IntegrityError as error:  # another transaction was first: it is looked for anew
            raise Conflict from error
        return user

    return await transaction(change)


async def _change(user: User, email: str) -> None:
    account = await person.own_account(user)
    if await person.is_taken(email, but=user, of=account):
        raise EmailTaken("token")
    journal = Journal()
    journal.add(await person.letter_to(user, MailKind.EMAIL_CHANGED, email=email))
    key = emails.stored_key(email)
    await sql.execute(
        "UPDATE users SET email = $2, email_key = $3 WHERE id = $1", user.id, email, key
    )
    if account is not None and await members.is_owned_by(account.id, user.id):
        journal.watch(account).put(
            email=email, email_key=key, search_key=search_key(account.name, email)
        )
        journal.tell(FactKind.ACCOUNT_UPDATED, account.id, account.id)
    journal.log(user.actor(), "user.change_email", user.public_id)
    await journal.write()
    user.email, user.email_key = email, key
