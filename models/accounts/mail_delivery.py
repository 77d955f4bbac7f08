"""Mail delivery: what is due is claimed, handed to the mailer, and tried again.

A claim is an UPDATE that moves `next_at` into the future, committed before anything is sent: any
number of workers may run, and what one of them leaves behind when it ends is claimed again when
its time has come. So a mail leaves at least once. It is given up when its link works no more, a
day after it was written, or where nobody will ever take it.

Before sign-in, every address is answered alike and costs the same: what is asked for is written
down as a mail, and whether somebody has that address is only looked up here (`_letter`).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from models import email as emails
from models.access import one_use_token
from models.access.identity import Role
from models.access.one_use_token import OneUseToken, Purpose, new_token
from models.access.user import User, holder_of_email, user_of_email
from models.accounts.invitation import invitation_of
from models.accounts.person import is_taken, locale_of
from models.clock import now
from models.db import sql
from models.db.tasks import task_of
from models.db.transactions import transaction
from models.errors import Busy
from models.mail.mailer import Letter, MailDelayed, Mailer, MailRefused
from models.mail.outgoing import MailKind, OutgoingMail
from models.provider import retention
from models.provider.provider import provider

#: Longer than a mailer takes for one.
_CLAIMED: Final = timedelta(seconds=90)
_GAP_SECONDS: Final = 5
_GAP_MAX: Final = timedelta(hours=1)
_GIVEN_UP: Final = timedelta(days=1)

_IS_DUE: Final = "SELECT 1 AS due FROM mail WHERE next_at <= $1 LIMIT 1"
_CLAIM: Final = """
    UPDATE mail SET next_at = $2, tries = tries + 1
    WHERE id IN (SELECT id FROM mail WHERE next_at <= $1 ORDER BY next_at LIMIT $3 {lock})
    RETURNING *
"""
# Not what another worker has claimed meanwhile, as this one took too long.
_OVER: Final = "UPDATE mail SET next_at = $3, sent_at = $4 WHERE id = $1 AND tries = $2"
_BECAME: Final = (
    "UPDATE mail SET kind = $2, recipient = $3, locale = $4, token_id = $5 WHERE id = $1"
)
_FORGET: Final = "DELETE FROM mail WHERE created_at < $1"

log = structlog.get_logger(__name__)


class Delivery:
    """One worker's: `places` mails are under way at most. One that takes long keeps no other one
    waiting, as long as there is a place.
    """

    def __init__(self, mailer: Mailer, places: int) -> None:
        self._mailer, self._places = mailer, places
        self._under_way: set[asyncio.Task[None]] = set()

    async def begin(self) -> int:
        """Begin to send what is due, when there is a place; how many were begun."""
        if len(self._under_way) == self._places:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        # It is asked every second: where nothing is due nobody waits for the writer.
        if await sql.fetch_one(_IS_DUE, now()) is None:
            return 0
        claimed = await transaction(lambda: _claim(self._places - len(self._under_way)))
        for mail in claimed:
            task = task_of(_tried(self._mailer, mail))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return len(claimed)


async def forget() -> int:
    """Delete mails older than `retention.MAILS`; how many."""
    before = now() - retention.MAILS
    return await transaction(lambda: sql.execute(_FORGET, before))


async def _claim(batch: int) -> list[OutgoingMail]:
    moment = now()
    lock = f"{sql.for_update()} SKIP LOCKED" if sql.for_update() else ""
    statement = _CLAIM.format(lock=lock)
    return await sql.records(OutgoingMail, statement, moment, moment + _CLAIMED, batch)


async def _tried(mailer: Mailer, mail: OutgoingMail) -> None:
    try:
        await _try(mailer, mail)
    except Busy as busy:
        log.warning("mail_put_off", mail=mail.public_id, code=busy.code)
    except Exception:
        # It is claimed again when its time has come.
        log.exception("mail_failed", mail=mail.public_id)


async def _try(mailer: Mailer, mail: OutgoingMail) -> None:
    letter = await transaction(lambda: _letter(mail))
    if letter is None:
        log.info("mail_given_up", kind=mail.kind, mail=mail.public_id)
        await _over(mail)
        return
    try:
        await mailer.send(letter)
    except MailRefused as error:
        log.warning("mail_refused", kind=mail.kind, mail=mail.public_id, reason=str(error))
        await _over(mail)
    except MailDelayed as error:
        log.warning("mail_delayed", kind=mail.kind, mail=mail.public_id, reason=str(error))
        gap = min(_GAP_MAX, timedelta(seconds=_GAP_SECONDS * 3 ** min(mail.tries - 1, 8)))
        moment = now()
        await transaction(lambda: sql.execute(_OVER, mail.id, mail.tries, moment + gap, None))
    else:
        await _over(mail, sent=True)


async def _over(mail: OutgoingMail, *, sent: bool = False) -> None:
    sent_at = now() if sent else None
    await transaction(lambda: sql.execute(_OVER, mail.id, mail.tries, None, sent_at))


# ------------------------------------------------------------------------------- what it says


async def _letter(mail: OutgoingMail) -> Letter | None:
    """What is to be sent; None where it is of no use any more."""
    if mail.created_at + _GIVEN_UP <= now():
        return None
    token = None if mail.token_id is None else await _read(mail.token_id)
    if mail.token_id is not None and token is None:
        return None
    try:
        token = await _looked_up(mail, token)
    except _OfNoUse:
        return None
    if token is not None and (token.used_at is not None or token.expires_at <= now()):
        return None
    return letter_of(mail)


class _OfNoUse(Exception):
    """There is nobody to send it to."""


async def _looked_up(mail: OutgoingMail, token: OneUseToken | None) -> OneUseToken | None:
    """The token of its link, once it is known who has the address. Raises _OfNoUse."""
    match MailKind(mail.kind):
        case MailKind.PASSWORD_RESET if token is None:
            return await _reset(mail)
        case MailKind.MEMBER_INVITATION if token is not None and token.user_id is None:
            return await _invited(mail, token)
        case MailKind.SIGN_UP:
            return await _sign_up(mail)
        case _:
            return token


def letter_of(mail: OutgoingMail) -> Letter:
    """What a mail says, as it was looked up."""
    return Letter(
        id=mail.id,
        written_at=mail.created_at,
        kind=MailKind(mail.kind),
        recipient=mail.recipient,
        locale=mail.locale,
        facts=mail.facts,
        token="" if mail.token_id is None else one_use_token.text_of(mail.token_id),
    )


async def _read(token_id: UUID | None) -> OneUseToken | None:
    if token_id is None:
        return None
    return (await sql.by_ids(OneUseToken, [token_id])).get(token_id)


async def _reset(mail: OutgoingMail) -> OneUseToken | None:
    user = await user_of_email(emails.key_of(mail.recipient) or "")
    if user is None:
        raise _OfNoUse
    return await _told(mail, MailKind.PASSWORD_RESET, user, Purpose.RESET)


async def _invited(mail: OutgoingMail, token: OneUseToken) -> OneUseToken | None:
    """Whoever has a password needs no link to choose one; who is no client can't follow it."""
    user = await holder_of_email(emails.key_of(mail.recipient) or "")
    if await invitation_of(token) is None:
        raise _OfNoUse
    if user is None:
        return token
    if user.role != Role.CLIENT or user.disabled_at is not None:
        raise _OfNoUse
    if user.password_hash is None:
        return token
    return await _told(mail, MailKind.MEMBER_INVITATION, user, None)


async def _sign_up(mail: OutgoingMail) -> OneUseToken | None:
    """To whom the address belongs already: how to get in, which is an invitation where they have no
    password yet.
    """
    user = await user_of_email(emails.key_of(mail.recipient) or "")
    if user is not None and user.password_hash is None:
        return await _told(mail, MailKind.INVITATION, user, Purpose.INVITATION)
    if user is not None:
        return await _told(mail, MailKind.SIGN_UP_TAKEN, user, None)
    if provider().sign_up != "open" or await is_taken(mail.recipient):
        raise _OfNoUse
    return await _read(mail.token_id)


async def _told(
    mail: OutgoingMail, kind: MailKind, user: User, purpose: Purpose | None
) -> OneUseToken | None:
    """What this mail is from now on, however often it is tried; its token."""
    assert user.email is not None
    token = None if purpose is None else new_token(purpose, user.email, user.id)
    if token is not None:
        await sql.add(token)
    mail.kind, mail.recipient = kind.value, user.email
    mail.locale = await locale_of(user) or mail.locale
    mail.token_id = None if token is None else token.id
    columns = (mail.kind, mail.recipient, mail.locale, mail.token_id)
    await sql.execute(_BECAME, mail.id, *columns)
    return token
