"""Books with everything in them that can happen; its records by name, for tests that spoil them."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from models import clock
from models.accounts.settings import UpdateAccount
from models.bank.assign import AssignBankCredit, DismissBankCredit
from models.bank.by_hand import RecordBankTransfer
from models.checkout.pay_many import PayInvoices
from models.credit import expiry
from models.credit.redemption import RedeemVoucher
from models.credit.reserve import ExtendHold, ReleaseHold, expire_holds
from models.db import record, sql
from models.gateway import EventKind as Kind
from models.gateway import GatewayEvent
from models.invoices import invoice, order
from models.invoices.capture_hold import CaptureHold
from models.journal.command import run
from models.money import Money
from models.partners import manage
from models.partners.attempt import Outcome
from models.partners.manage import EndpointChange
from models.partners.resend import SendTestEvent
from models.payments.ask_refund import RefundPayment
from models.payments.follow_up import CancelPayment
from models.payments.outcome import RecordOutcome
from models.payments.payment import Payment
from models.payments.void import VoidInvoice
from tests.support.bank.files import Transfer
from tests.support.bank.imports import a_day, paid, take
from tests.support.factories import STAFF, a_client, a_voucher, captured, event, now, tell
from tests.support.providers import gateway, key
from tests.support.webhooks import (
    TAKEN,
    Names,
    Receiver,
    a_partner,
    an_endpoint,
    any_document,
    deliveries_of,
    published,
    sent,
)

if TYPE_CHECKING:
    from models.bank.line import BankCredit
    from models.invoices.invoice import Invoice
    from models.partners.manage import GivenEndpoint
    from models.payments.refund import Refund
    from tests.support.bank.files import Day
    from tests.support.factories import Client


class Everything(dict[str, str]):
    """Ids by name; some are of nothing yet."""

    def keep(self, **records: object) -> None:
        self.update({name: str(getattr(one, "id", one)) for name, one in records.items()})


async def everything() -> Everything:
    """A few clients to whom all has happened."""
    there = Everything({f"new{n}": str(record.new_id()) for n in range(1, 9)})
    for happens in (_deposits, _orders, _ends, _voids, _refunds, _disputes, _promotions, _bank):
        await happens(there)
    await _reservations(there)
    await _staff(there)
    await _partners(there)
    return there


async def _deposits(there: Everything) -> None:
    ada, ben = await a_client(), await a_client("KWD")
    deposit = await ada.deposit(9000, "paid-card")
    await ben.deposit(7000)
    part = await ada.begin(await ada.funds(3000))
    await tell(part, captured(part, 1000))
    over = await ada.begin(await ada.funds(2000))
    await tell(over, captured(over, 2600))
    there.keep(ada=ada, ben=ben, deposit=deposit, deposit_invoice=deposit.invoice_id)
    there.keep(part=part, part_invoice=part.invoice_id, over=over, over_invoice=over.invoice_id)
    await ada.spend(await ada.order(500))


async def _orders(there: Everything) -> None:
    bea = await a_client()
    await bea.deposit(9000)
    await bea.granted(1000)
    by_credit = await bea.spend(await bea.order(1500))
    by_card = await bea.begin(await _taxed(bea), "paid-card")
    await tell(by_card, captured(by_card))
    split = await bea.begin(await bea.order(2600), credit_limit=900)
    await tell(split, captured(split))
    waiting = await bea.begin(await bea.order(2700), credit_limit=400)
    moving = await bea.begin(await bea.order(2800))
    await tell(moving, event(moving, Kind.PROCESSING))
    there.keep(bea=bea, by_credit_invoice=by_credit)
    _unpaid(there, await _taxed(bea))
    there.keep(by_card=by_card, by_card_invoice=by_card.invoice_id)
    there.keep(split=split, split_invoice=split.invoice_id)
    stuck = await bea.begin(await bea.order(2900))
    await tell(stuck, event(stuck, Kind.PROCESSING))
    await run(RecordOutcome(stuck.id, captured=True, reason="it says so"), STAFF, key())
    await tell(stuck, captured(stuck))
    there.keep(waiting=waiting, moving=moving, moving_invoice=moving.invoice_id, stuck=stuck)
    both = tuple(one.id for one in [await bea.order(600), await bea.order(700)])
    several = (await run(PayInvoices(both, gateway="card"), bea.actor, key())).payment
    assert several is not None
    await tell(several, captured(several))
    there.keep(several=several, several_invoice=both[1])


async def _taxed(client: Client) -> Invoice:
    lines = [
        order.OrderLine("Hosting\nfor a year", Decimal(12), Decimal("1.37"), Decimal("0.19")),
        order.OrderLine("A book", Decimal("1.5"), Decimal("9.99"), Decimal("0.07")),
        order.OrderLine("Setup", Decimal(1), Decimal(0), Decimal("0.190")),
    ]
    asked = order.CreateOrder(
        client.id, client.account.currency, lines, apply_credit=False, reference="PO 17"
    )
    return await run(asked, STAFF, key())


def _unpaid(there: Everything, bill: Invoice) -> None:
    """An invoice that nobody pays, and what else its document might have said."""
    snapshots = {name: deepcopy(bill.snapshot) for name in ("total", "tax", "number", "line")}
    snapshots["total"]["total"] += 1
    snapshots["tax"]["tax"] += 500
    snapshots["tax"]["total"] += 500
    year = bill.number.split("-")[1]
    snapshots["number"]["number"] = f"INV-{year}-000900"
    snapshots["line"]["lines"][0]["total"] += 1
    there.keep(unpaid_invoice=bill, unpaid=bill.number, year=year)
    there.keep(**{f"snapshot_{name}": json.dumps(one) for name, one in snapshots.items()})


async def _ends(there: Everything) -> None:
    """Payments that came to nothing, and one that came to something after all."""
    cai = await a_client()
    await cai.given(2000)
    bill = await cai.order(2500)
    failed, expired, canceled = [
        await _ended(cai, bill, kind) for kind in (Kind.FAILED, Kind.EXPIRED, None)
    ]
    late = await cai.begin(await cai.order(2500), credit_limit=500)
    await tell(late, event(late, Kind.EXPIRED))
    await tell(late, captured(late))
    there.keep(cai=cai, failed=failed, expired=expired, canceled=canceled, late=late)


async def _ended(client: Client, bill: Invoice, kind: Kind | None) -> Payment:
    begun = await client.begin(bill, credit_limit=700)
    if kind is None:
        return await run(CancelPayment(begun.id), client.actor, key())
    await tell(begun, event(begun, kind))
    return begun


async def _voids(there: Everything) -> None:
    dan = await a_client()
    await dan.granted(600)
    await dan.given(3000)
    returned = await dan.spend(await dan.order(800))
    sold = await dan.begin(await dan.order(2500), credit_limit=300)
    await tell(sold, captured(sold))
    unpaid, deposit = await dan.order(900), await dan.funds(2500)
    late = await dan.begin(deposit)
    await tell(late, event(late, Kind.FAILED))
    for bill in (returned, await _invoice_of(sold), unpaid, deposit):
        await run(VoidInvoice(bill.id, "a mistake"), STAFF, key())
    await tell(late, captured(late))
    there.keep(dan=dan, void_invoice=returned, void_sold=sold, void_unpaid_invoice=unpaid)
    there.keep(void_sold_invoice=sold.invoice_id, void_deposit=late, void_deposit_invoice=deposit)


async def _invoice_of(payment: Payment) -> Invoice:
    found = await invoice.read(payment.invoice_id)
    assert found is not None
    return found


async def _refunds(there: Everything) -> None:
    eve = await a_client()
    whole, part, failing, pending = [await eve.deposit(n) for n in (2500, 3000, 3500, 4000)]
    bought = await eve.begin(await eve.order(2500), "paid-card")
    await tell(bought, captured(bought))
    done = await _given_back(whole, Kind.REFUNDED, 2500)
    await _given_back(part, Kind.REFUNDED, 1200)
    await _given_back(bought, Kind.REFUNDED, 700)
    failed = await _given_back(failing, Kind.REFUNDED, 1000)
    await tell(failing, _heard(failing, failed, Kind.REFUND_FAILED))
    asked = await _given_back(pending, Kind.REFUND_PENDING, 1500)
    unheld = await _given_back(bought, Kind.REFUND_PENDING, 300)
    there.keep(eve=eve, refunded=whole, refunded_invoice=whole.invoice_id, part_refunded=part)
    there.keep(refund_done=done, refund_failed=failed, refund_pending=asked, refund_unheld=unheld)
    there.keep(failing=failing, pending=pending, bought=bought)


async def _given_back(payment: Payment, kind: Kind, minor: int) -> Refund:
    gateway(payment.gateway).refunds_are = kind
    money = Money(minor, payment.currency)
    asked = await run(
        RefundPayment(payment.id, money.amount, money.currency, "moved away"), STAFF, key()
    )
    gateway(payment.gateway).refunds_are = Kind.REFUNDED
    ended: Refund = await now(asked)
    return ended


def _heard(payment: Payment, asked: Refund, kind: Kind) -> GatewayEvent:
    amount = Money(asked.amount, asked.currency)
    reference = f"re-{asked.public_id}"
    return GatewayEvent(key(), kind, payment.public_id, reference, amount, refund=asked.public_id)


async def _disputes(there: Everything) -> None:
    fay, gus = await a_client(), await a_client()
    opened, won, lost = [await fay.deposit(n) for n in (2500, 3000, 3500)]
    for one, kind in ((won, Kind.DISPUTE_WON), (lost, Kind.DISPUTE_LOST)):
        await tell(one, event(one, Kind.DISPUTED, f"dp-{one.id}", 2000))
        await tell(one, event(one, kind, f"dp-{one.id}", 2000))
    told = GatewayEvent(key(), Kind.DISPUTED, "", f"dp-{opened.id}", Money(2500, "USD"))
    captures = await sql.fetch("SELECT reference FROM settlement WHERE payment_id = $1", opened.id)
    await tell(opened, replace(told, capture=captures[0]["reference"]))
    spent = await gus.deposit(2500)
    await gus.spend(await gus.order(2000))
    await tell(spent, event(spent, Kind.REFUNDED, f"back-{spent.id}", 2500))
    repays = await gus.deposit(3000)
    there.keep(fay=fay, disputed=opened, won=won, lost=lost, gus=gus, owing=spent, repays=repays)
    hal = await a_client()
    gone = await hal.deposit(2500)
    await hal.spend(await hal.order(600))
    await tell(gone, event(gone, Kind.REFUNDED, f"back-{gone.id}", 2500))
    there.keep(hal=hal, gone=gone)


async def _promotions(there: Everything) -> None:
    ida, jon = await a_client(), await a_client()
    codes = await a_voucher(700, max_redemptions=5)
    for one in (ida, jon):
        await run(RedeemVoucher.of(codes[0]), one.actor, key())
    until = clock.now()
    await jon.granted(900, until.replace(year=until.year + 1))
    await ida.granted(800, until.replace(year=until.year + 1))
    for table in ("credit_grant", "voucher"):
        column = "expires_at" if table == "credit_grant" else "credit_expires_at"
        await sql.execute(f"UPDATE {table} SET {column} = $1 WHERE amount = 800", until)
    await expiry.expire_grants()
    await a_voucher(5000)
    there.keep(ida=ida, jon=jon)


async def _reservations(there: Everything) -> None:
    ora = await a_client()
    await ora.deposit(9000)
    await ora.granted(500)
    put_by, billed, gone, late = [await ora.reserve(minor) for minor in (1000, 600, 700, 800)]
    await run(CaptureHold(put_by.id, Decimal(3), keep_rest=True), STAFF, key())
    await run(CaptureHold(billed.id, Decimal(4)), STAFF, key())
    await run(ReleaseHold(gone.id), STAFF, key())
    await run(ExtendHold(late.id, late.expires_at), STAFF, key())
    statement = "UPDATE reservation SET expires_at = $2 WHERE id = $1"
    await sql.execute(statement, late.id, clock.now())
    await expire_holds()
    there.keep(ora=ora, put_by=put_by, billed=billed)


async def _bank(there: Everything) -> None:
    kim = await a_client()
    begun, typed, back = [await kim.begin(await kim.funds(2500, "bank"), "bank") for _ in "123"]
    booked = await _line(a_day(paid(begun)))
    went = a_day(paid(back))
    await _line(went)
    reversal = paid(back, ref=went.transfers[0].ref, is_credit=False, is_reversal=True)
    returned = await _line(went.next(reversal))
    parked, assigned, dismissed = [await _line(a_day(_unknown(n))) for n in (1100, 1200, 1300)]
    bill = await kim.order(1200)
    await run(AssignBankCredit(assigned.id, invoice_id=bill.id, reference=None), STAFF, key())
    await run(DismissBankCredit(dismissed.id, "not ours"), STAFF, key())
    await _by_hand(typed)
    await tell(begun, event(begun, Kind.IGNORED))
    there.keep(kim=kim, line_booked=booked, line_parked=parked, line_assigned=assigned)
    there.keep(line_dismissed=dismissed, line_returned=returned, typed=typed, transfer=begun)


def _unknown(minor: int) -> Transfer:
    return Transfer(minor, "for my server", ref=key())


async def _line(day: Day) -> BankCredit:
    credit = (await take(day.camt053(), day))[0].taken[-1].record
    assert credit is not None
    return credit


async def _by_hand(payment: Payment) -> None:
    await run(
        RecordBankTransfer(
            payment.reference,
            Decimal(25),
            payment.currency,
            bank_account="DE02120300000000202051",
            bank_transaction=key(),
            received_at=None,
        ),
        STAFF,
        key(),
    )


async def _staff(there: Everything) -> None:
    lea, max_, ned = await a_client(), await a_client(), await a_client()
    await lea.given(900)
    await lea.given(-200)
    for who, freezes in ((max_, (True,)), (ned, (True, False))):
        for frozen in freezes:
            await run(UpdateAccount(who.id, {"spending_frozen": frozen}), STAFF, key())
    early = Payment(id=record.new_id(), currency="USD", gateway="card")
    await tell(early, captured(early, 2500))
    await tell(early, GatewayEvent(key(), Kind.CAPTURED, "who knows", key(), Money(100, "USD")))
    there.keep(lea=lea, max=max_, ned=ned, early=early)


async def _partners(there: Everything) -> None:
    """Endpoints of a key for everything, and of one for a client: told, refused, and waiting."""
    pat = await a_client()
    await published()
    wide, near = await a_partner(), await a_partner([pat.id])
    every, some = await an_endpoint(wide), await an_endpoint(near, "credit.*", "account.updated")
    await _told(pat, every, Outcome(7, 410, "HTTP 410 Gone"))
    await manage.update(every.endpoint.id, _enabled(), wide)
    for given in (every, some):
        await _told(pat, given, TAKEN)
    await run(SendTestEvent(some.endpoint.id), near, key())
    await pat.given(300)
    await published()
    there.keep(pat=pat, every=every.endpoint, some=some.endpoint)
    for name, given in (("every", every), ("some", some)):
        first, *_, last = await deliveries_of(given)
        there.keep(**{f"{name}_first": first, f"{name}_last": last})
    there.keep(last_event=(await deliveries_of(some))[-1].event_id)


async def _told(client: Client, given: GivenEndpoint, answer: Outcome) -> None:
    await client.given(200)
    await published()
    await sent(given, Receiver(answer))


def _enabled() -> EndpointChange:
    return EndpointChange(None, None, None, enabled=True, check=any_document, resolve=Names())
