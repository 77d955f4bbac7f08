"""Money that is promised is given out once: void, refunds, disputes, and captures in any order.

A bank beside the books knows what really came in and went out. After every step the books must say
the same, whatever was asked meanwhile; a debt is only what a client has spent and a bank took back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from models.audit import audit
from models.db import sql
from models.errors import PaymentInProgress, Refusal
from models.gateway import EventKind as Kind
from models.gateway import GatewayEvent
from models.invoices.invoice import Invoice
from models.journal.command import run
from models.money import Money
from models.payments import refund
from models.payments.ask_refund import RefundPayment
from models.payments.void import VoidInvoice
from tests.support.factories import STAFF, Client, a_client, captured, event, now, tell
from tests.support.providers import gateway, key
from tests.support.server.many_servers import SOAK

if TYPE_CHECKING:
    from models.payments.payment import Payment
    from models.payments.refund import Refund

pytestmark = pytest.mark.usefixtures("provider")

TOTAL: Final = 2000


@dataclass
class Charge:
    """A payment as its bank sees it; `disputes` are open, by their reference."""

    payment: Payment
    left: int = 0
    out: int = 0
    disputes: dict[str, int] = field(default_factory=dict)

    def goes(self, amount: int) -> None:
        self.left -= amount
        self.out += amount


@dataclass
class Scene:
    """A client's invoice, its payments, and what can happen to them."""

    client: Client
    bill: Invoice
    gateway: str
    dice: Random
    charges: list[Charge] = field(default_factory=list)
    captured: int = 0

    # ------------------------------------------------------------------------- money comes in

    async def begin(self, **wish: int) -> Charge:
        begun = await self.client.begin(self.bill, self.gateway, **wish)
        self.charges.append(Charge(begun))
        return self.charges[-1]

    async def capture(self, charge: Charge, amount: int) -> None:
        charge.left += amount
        self.captured += amount
        await tell(charge.payment, captured(charge.payment, amount))

    async def late(self) -> None:
        """Captured once more, after all."""
        charge = self.dice.choice(self.charges)
        await self.capture(charge, self.dice.choice([charge.payment.charged, 700]))

    async def pay_again(self) -> None:
        """Through a second payment, where the invoice is due."""
        await self.capture(charge := await self.begin(), charge.payment.charged)

    # ------------------------------------------------------------------------- money goes out

    async def ask(self) -> None:
        """Staff ask for a refund, whole or in part; the gateway does not say yet what comes of
        it.
        """
        found = self.dice.choice(self.charges).payment
        gateway(self.gateway).refunds_are = Kind.REFUND_PENDING
        amount = self.dice.choice([None, None, Decimal(7), Decimal(13)])
        currency = None if amount is None else found.currency
        asked = await run(RefundPayment(found.id, amount, currency, "moved away"), STAFF, key())
        if self.dice.random() < 0.5:  # it has not even answered
            await asked.change(reference="")

    async def settle(self) -> None:
        """The bank pays a refund, unless there is no longer enough."""
        charge, asked = await self._waiting()
        if asked.amount > charge.left:
            await self._say(charge, asked, Kind.REFUND_FAILED)
            return
        charge.goes(asked.amount)
        await self._say(charge, asked, Kind.REFUNDED)

    async def fail(self) -> None:
        await self._say(*await self._waiting(), Kind.REFUND_FAILED)

    async def bounce(self) -> None:
        """A refund that was paid comes back."""
        charge, paid = await self._refund_that_is("SUCCEEDED")
        charge.goes(-paid.amount)
        await self._say(charge, paid, Kind.REFUND_FAILED)

    async def _waiting(self) -> tuple[Charge, Refund]:
        return await self._refund_that_is("PENDING")

    async def _refund_that_is(self, status: str) -> tuple[Charge, Refund]:
        refunds = [
            (charge, one)
            for charge in self.charges
            for one in (await refund.of_payments([charge.payment.id])).get(charge.payment.id, [])
            if one.status == status
        ]
        if not refunds:
            raise Impossible
        return self.dice.choice(refunds)

    async def _say(self, charge: Charge, asked: Refund, kind: Kind) -> None:
        found, amount = charge.payment, Money(asked.amount, asked.currency)
        reference = f"re-{asked.public_id}"
        await tell(
            found,
            GatewayEvent(key(), kind, found.public_id, reference, amount, refund=asked.public_id),
        )

    async def dashboard(self) -> None:
        """Somebody gives money back at the bank itself: as much as a refund of ours, perhaps."""
        charge = self._one_with_money()
        pending = await refund.pending(charge.payment.id)
        amounts = [1, charge.left, *(one.amount for one in pending if one.amount <= charge.left)]
        charge.goes(amount := self.dice.choice(amounts))
        await tell(charge.payment, event(charge.payment, Kind.REFUNDED, key(), amount))

    async def dispute(self) -> None:
        charge = self._one_with_money()
        amount = self.dice.choice([charge.left, max(1, charge.left // 3)])
        charge.disputes[reference := key()] = amount
        charge.goes(amount)
        await tell(charge.payment, event(charge.payment, Kind.DISPUTED, reference, amount))

    async def win(self) -> None:
        charge, reference, amount = self._open_dispute()
        charge.goes(-amount)
        await tell(charge.payment, event(charge.payment, Kind.DISPUTE_WON, reference, amount))

    async def lose(self) -> None:
        charge, reference, amount = self._open_dispute()
        await tell(charge.payment, event(charge.payment, Kind.DISPUTE_LOST, reference, amount))

    def _one_with_money(self) -> Charge:
        found = [charge for charge in self.charges if charge.left]
        if not found:
            raise Impossible
        return self.dice.choice(found)

    def _open_dispute(self) -> tuple[Charge, str, int]:
        found = [charge for charge in self.charges if charge.disputes]
        if not found:
            raise Impossible
        charge = self.dice.choice(found)
        return charge, *charge.disputes.popitem()

    # ------------------------------------------------------------------------- what is ours

    async def void(self) -> None:
        under_way = await refund.pending(*(charge.payment.id for charge in self.charges))
        try:
            await run(VoidInvoice(self.bill.id, "a mistake"), STAFF, key())
        except PaymentInProgress:
            assert under_way
            raise
        assert not under_way, "what is promised to go back must not become credit"

    async def spend(self) -> None:
        """The client is quick: all that is available is spent at once."""
        available = (await self.client.amounts())[0]
        if not available:
            raise Impossible
        await self.client.spend(await self.client.order(available))

    async def pay_with_credit(self) -> None:
        await self.client.spend(self.bill)


class Impossible(Exception):
    """Nothing is there for it to happen to."""


#: What is done by us or by what we asked for: it never makes a debt.
OURS: Final = ("ask", "settle", "fail", "bounce", "void", "late", "pay_again", "win")
THEIRS: Final = ("dashboard", "dispute", "lose", "spend", "pay_with_credit")


async def _happens(scene: Scene, name: str) -> None:
    """One step; then the books and the bank say the same."""
    before, debt = await _everything(scene), (await scene.client.amounts())[3]
    refused = False
    try:
        await getattr(scene, name)()
    except Impossible:
        return
    except Refusal:
        refused = True
    # Where spending is refused, what was to be bought has been ordered before.
    unchanged = not refused or name == "spend" or await _everything(scene) == before
    assert unchanged, f"{name}: refused, and something has changed"
    assert (await audit()).findings == [], name
    available, _, promotional, owed = await scene.client.amounts()
    assert not (owed and available - promotional), f"{name}: credit beside a debt"
    assert name not in OURS or owed <= debt, f"{name}: a debt of our own making"
    for charge in scene.charges:
        await _check_promises(charge, owed)
    assert await _worth(scene) == scene.captured - sum(charge.out for charge in scene.charges), name


async def _check_promises(charge: Charge, owed: int) -> None:
    """Held is what a refund will take from credit: no more than the bank has left to give back, and
    no less where it has enough.
    """
    found, pending = await now(charge.payment), await refund.pending(charge.payment.id)
    bill = await now(Invoice(id=found.invoice_id))
    asked, held = sum(one.amount for one in pending), sum(one.held for one in pending)
    sold = 0 if bill.kind == "FUNDS" else found.applied + found.fee_taken
    assert held <= max(charge.left, 0)
    assert owed or asked > charge.left or asked - held <= sold


async def _worth(scene: Scene) -> int:
    """What the client has of its money: credit, what was bought with it, and fees."""
    available, reserved, _, debt = await scene.client.amounts()
    rows = await sql.fetch(
        "SELECT (SELECT COALESCE(SUM(amount_paid), 0) FROM invoice WHERE account_id = $1"
        " AND kind = 'ORDER') + (SELECT COALESCE(SUM(fee_taken), 0) FROM payment"
        " WHERE account_id = $1) AS gone",
        scene.client.id,
    )
    return available + reserved - debt + int(rows[0]["gone"])


async def _everything(scene: Scene) -> list[sql.Row]:
    """All that a refusal must leave as it was."""
    tables = ("balance", "invoice", "payment", "refund", "credit_transaction", "transfer")
    found: list[sql.Row] = []
    for table in (*tables, "credit_hold", "credit_grant"):
        rows = await sql.fetch(f"SELECT * FROM {table} WHERE account_id = $1", scene.client.id)
        found += sorted(rows, key=lambda row: str(row["id"]))
    return found


async def _an_order(dice: Random, *, split: int = 0, gateway: str = "card") -> Scene:
    """Paid by card, or by card and credit that came by card."""
    ada = await a_client()
    scene = Scene(ada, await ada.order(TOTAL), gateway, dice)
    if split:
        deposited = Scene(ada, await ada.funds(split, gateway), gateway, dice)
        await deposited.capture(charge := await deposited.begin(), charge.payment.charged)
        scene.captured, scene.charges = deposited.captured, deposited.charges
        begun = await scene.begin(credit_limit=split)
    else:
        begun = await scene.begin()
    await scene.capture(begun, begun.payment.charged)
    return scene


async def _a_deposit(dice: Random, *, gateway: str = "card") -> Scene:
    ada = await a_client()
    scene = Scene(ada, await ada.funds(TOTAL, gateway), gateway, dice)
    await scene.capture(charge := await scene.begin(), charge.payment.charged)
    return scene


async def _some_scene(number: int, dice: Random) -> Scene:
    match number % 5:
        case 0:
            return await _an_order(dice)
        case 1:
            return await _a_deposit(dice)
        case 2:
            return await _an_order(dice, split=800)
        case 3:
            return await _an_order(dice, gateway="paid-card")
        case _:
            return await _a_deposit(dice, gateway="paid-card")


@pytest.mark.parametrize("number", range(400 if SOAK else 20))
async def test_whatever_happens_money_is_given_out_once(number: int) -> None:
    dice = Random(number)
    scene = await _some_scene(number, dice)
    for _ in range(25 if SOAK else 14):
        await _happens(scene, dice.choice((*OURS, *OURS, *THEIRS)))


def _interleavings(ends: str, outcome: str) -> list[tuple[str, ...]]:
    """Every order of a void, a refund and its end, a dispute and its, and a late capture."""
    names = ("void", "ask", ends, "dispute", outcome, "late")
    return [
        one
        for one in permutations(names)
        if one.index("ask") < one.index(ends) and one.index("dispute") < one.index(outcome)
    ]


ORDERS: Final = [
    one
    for ends in ("settle", "fail")
    for outcome in ("win", "lose")
    for one in _interleavings(ends, outcome)
]


#: Where the refund is asked for first, and all else comes before its end.
LONGEST: Final = [one for one in ORDERS if one[0] == "ask" and one[5] in {"settle", "fail"}]


@pytest.mark.parametrize("of", ["order", "split", "deposit"])
@pytest.mark.parametrize("steps", ORDERS if SOAK else LONGEST[::4], ids="-".join)
async def test_in_every_order_money_is_given_out_once(of: str, steps: tuple[str, ...]) -> None:
    """All that becomes free meanwhile is spent at once, and all is tried again in the end."""
    dice = Random(0)
    made = {"order": _an_order, "deposit": _a_deposit}.get(of)
    scene = await (made(dice) if made else _an_order(dice, split=800))
    for step in steps:
        await _happens(scene, step)
        await _happens(scene, "spend")
    for step in ("settle", "void", "spend"):
        await _happens(scene, step)
