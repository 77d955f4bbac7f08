"""Mail delivery: claimed once, at least once, and never for what is of no use any more."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from models.access.one_use_token import OneUseToken, Purpose, read
from models.accounts import mail_delivery
from models.accounts.mail_delivery import Delivery
from models.accounts.new_password import request_reset, set_password
from models.clock import now
from models.db import sql, tasks
from models.db.transactions import transaction
from models.mail.mailer import Letter, MailDelayed, MailRefused
from models.mail.outgoing import MailKind, OutgoingMail, mail
from tests.support.clock import At
from tests.support.people import OTHER, Postbox, a_person, delivered

pytestmark = pytest.mark.usefixtures("people")


async def a_mail() -> OutgoingMail:
    letter = mail(MailKind.EMAIL_CHANGED, "ada@example.com", "en", email="new@example.com")
    await transaction(lambda: sql.add(letter))
    return letter


async def row(letter: OutgoingMail) -> OutgoingMail:
    return await OutgoingMail.get(id=letter.id)


async def test_many_workers_at_once_send_each_mail_once() -> None:
    written = [await a_mail() for _ in range(12)]
    boxes = [Postbox() for _ in range(6)]
    await asyncio.gather(*(delivered(box, 4) for box in boxes))
    await asyncio.gather(*(delivered(box, 4) for box in boxes))
    sent = sorted(letter.id for box in boxes for letter in box.letters)
    assert sent == sorted(letter.id for letter in written)


async def test_a_slow_mail_keeps_none_waiting_that_is_due_later() -> None:
    slow, going, sent = await a_mail(), asyncio.Event(), asyncio.Queue[UUID]()

    class Slow(Postbox):
        async def send(self, letter: Letter) -> None:
            if letter.id == slow.id:
                await going.wait()
            sent.put_nowait(letter.id)

    worker = Delivery(Slow(), 2)
    assert await worker.begin() == 1
    for _ in range(4):  # more than there are places
        later = await a_mail()
        async with asyncio.timeout(5):
            assert await worker.begin() == 1
            assert await sent.get() == later.id
    going.set()
    await tasks.drain()
    assert sent.get_nowait() == slow.id
    assert (await row(slow)).sent_at is not None


async def test_no_more_mails_are_under_way_than_there_are_places() -> None:
    going, under_way = asyncio.Semaphore(0), 0

    class Slow(Postbox):
        async def send(self, letter: Letter) -> None:
            nonlocal under_way
            under_way += 1
            assert under_way <= 2
            await going.acquire()
            under_way -= 1
            await super().send(letter)

    for _ in range(5):
        await a_mail()
    box = Slow()
    worker = Delivery(box, 2)
    assert await worker.begin() == 2
    waiting = asyncio.ensure_future(worker.begin())
    assert await OutgoingMail.filter(tries=0).count() == 3
    assert not waiting.done()
    for _ in range(5):
        going.release()
    async with asyncio.timeout(10):
        assert await waiting > 0
        while await worker.begin():
            pass
    await tasks.drain()
    assert len({letter.id for letter in box.letters}) == len(box.letters) == 5


async def test_a_mail_that_fails_unforeseen_is_logged_and_tried_again(at: At) -> None:
    letter, box = await a_mail(), Postbox()
    box.trouble = RuntimeError("unforeseen")
    with capture_logs() as logged:
        assert await box.fetched() == []
    assert [one["event"] for one in logged] == ["mail_failed"]
    box.trouble = None
    at(timedelta(minutes=2))
    assert (await box.only()).id == letter.id


async def test_a_mail_whose_worker_ended_half_way_is_sent_by_the_next(at: At) -> None:
    class Killed(BaseException):
        pass

    class Ends(Postbox):
        async def send(self, letter: Letter) -> None:
            raise Killed(letter)

    letter = await a_mail()
    await delivered(Ends(), 5)
    box = Postbox()
    assert await box.fetched() == []
    at(timedelta(minutes=2))
    assert (await box.only()).id == letter.id
    assert (await row(letter)).next_at is None


async def test_a_delayed_mail_is_tried_again_after_growing_gaps_and_then_given_up(at: At) -> None:
    letter, box = await a_mail(), Postbox()
    box.trouble = MailDelayed("busy")
    gaps, moment = [], now()
    while (await row(letter)).next_at is not None:
        assert await box.fetched() == []
        following = (await row(letter)).next_at
        if following is not None:
            gaps.append(following - moment)
            moment = following
            at(following)
    assert gaps[0] < gaps[1] < gaps[2] < gaps[3]
    assert max(gaps) <= timedelta(hours=1, seconds=10)
    assert sum(gaps, timedelta()) > timedelta(hours=20)
    assert (await row(letter)).sent_at is None


async def test_a_refused_mail_is_not_tried_again() -> None:
    letter, box = await a_mail(), Postbox()
    box.trouble = MailRefused("no such mailbox")
    await box.fetched()
    box.trouble = None
    assert await box.fetched() == []
    assert (await row(letter)).next_at is None


async def test_a_mail_is_given_up_when_its_link_works_no_more(at: At) -> None:
    box, user = Postbox(), await a_person()
    await request_reset(str(user.email), locale="en", address="")
    box.trouble = MailDelayed("busy")
    await box.fetched()
    box.trouble = None
    at(timedelta(minutes=31))
    assert await box.fetched() == []
    assert await OutgoingMail.filter(next_at__not_isnull=True).count() == 0


async def test_a_mail_is_given_up_when_its_link_was_voided() -> None:
    box, user = Postbox(), await a_person()
    await request_reset(str(user.email), locale="en", address="")
    first = await box.only()
    await request_reset(str(user.email), locale="en", address="")
    box.trouble = MailDelayed("busy")
    await box.fetched()
    await set_password(first.token, OTHER)
    box.trouble = None
    await sql.execute("UPDATE mail SET next_at = created_at WHERE next_at IS NOT NULL")
    assert [letter.kind for letter in await box.fetched()] == [MailKind.PASSWORD_CHANGED]


async def test_a_mail_says_the_same_each_time_that_it_is_tried() -> None:
    box, user = Postbox(), await a_person()
    seen: list[Letter] = []

    class Notes(Postbox):
        async def send(self, letter: Letter) -> None:
            seen.append(letter)
            raise MailDelayed("busy")

    await request_reset(str(user.email).upper(), locale="en", address="")
    await delivered(Notes(), 5)
    await sql.execute("UPDATE mail SET next_at = created_at")
    assert await box.only() == seen[0]
    assert (seen[0].recipient, seen[0].locale) == (user.email, "ja")
    assert await OneUseToken.all().count() == 1
    assert (await read(seen[0].token, Purpose.RESET)).user_id == user.id


async def test_what_is_kept_of_a_mail_opens_nothing() -> None:
    box, user = Postbox(), await a_person()
    await request_reset(str(user.email), locale="en", address="")
    letter = await box.only()
    assert letter.token
    kept = await sql.fetch("SELECT * FROM mail") + await sql.fetch("SELECT * FROM one_use_token")
    assert letter.token not in str(kept)


async def test_old_mails_and_tokens_are_forgotten(at: At) -> None:
    from models.access import one_use_token  # noqa: PLC0415 - its `forget`

    box, user = Postbox(), await a_person()
    await request_reset(str(user.email), locale="en", address="")
    await box.fetched()
    assert (await mail_delivery.forget(), await one_use_token.forget()) == (0, 0)
    at(timedelta(days=31))
    assert (await mail_delivery.forget(), await one_use_token.forget()) == (1, 1)
