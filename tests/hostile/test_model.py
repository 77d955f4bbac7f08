"""A client's whole life, at random, through the public API; a model beside it says what is right.

The whole application answers, in this process: HTTP, GraphQL, the sandbox's pages and messages.
After every step the balance, every invoice, every payment and the statement are compared.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from copy import deepcopy
from datetime import timedelta
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from api.gateways.sandbox.gateway import SandboxGateway
from models.access import session
from models.access.user import User, create_staff
from models.accounts.create import CreateAccount
from models.audit import audit
from models.clock import now
from models.credit import expiry, reserve
from models.db import sql
from models.db.record import parse_id
from models.gateway import EventKind, GatewayEvent
from models.journal.command import run
from models.payments import reconcile, refund
from tests.support.application import demo_settings, running
from tests.support.books.expected import PAYABLE, Model, No

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    import httpx

    from models.gateway import RefundOrder
    from tests.support.servers import Databases

    Answer = dict[str, Any]

SOAK = bool(os.environ.get("SOAK"))
STATE = """query ($account: ID!) {
  balance(accountId: $account) {
    available { amount } reserved { amount } promotional { amount } debt { amount }
    pending { amount } nextExpiry { amount { amount } } version
  }
  invoices(accountId: $account, first: 100) { edges { node {
    id kind status amountPaid { amount } amountDue { amount } creditApplied { amount }
    payments { id status received { amount } refunded { amount } }
  } } }
  account(id: $account) { holds(first: 100) { edges { node {
    id state amount { amount } captured { amount }
  } } } }
  creditTransactions(accountId: $account, first: 100) {
    totalCount edges { node { kind version amount { amount } balanceAfter { amount } } }
  }
}"""
MADE = """invoice { id } payment { id nextAction { ... on RedirectAction { url } } }"""
MAKES = {
    "addFunds": "invoice { id }",
    "createInvoice": "invoice { id }",
    "payInvoice": MADE,
    "payInvoices": MADE.replace("invoice {", "invoices {"),
    "redeemVoucher": "transaction { id }",
    "issueVouchers": "codes",
    "refundPayment": "refund { id status }",
    "reserveCredit": "hold { id }",
    "captureHold": "invoice { id }",
}
ACTIONS = (
    *("approve", "decline", "expire", "settle-later", "lost"),
    *("settle-now", "deny", "capture-late", "refund", "dispute", "win-dispute", "lose-dispute"),
)

_keys = count()


class Desk:
    """The application in this process, and how a synchronous test asks it."""

    def __init__(self, runner: asyncio.Runner, http: httpx.AsyncClient) -> None:
        self.runner = runner
        self.http = http
        self.staff = ""
        self.refunds_end = False

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def ask(self, document: str, token: str, **variables: object) -> Answer:
        body = {"query": document, "variables": variables}
        headers = {"authorization": f"Bearer {token}"}
        answer = self.run(self.http.post("/graphql", json=body, headers=headers)).json()
        assert "errors" not in answer, answer
        data: Answer = answer["data"]
        return data

    def act(self, page: str, action: str, amount: int) -> bool:
        """Press a button of the sandbox's page of a payment: whether it could be pressed."""
        answer = self.run(
            self.http.post(
                f"{page}/{action}",
                data={"amount": major(amount)},
                headers={"accept": "application/json"},
            )
        )
        assert answer.status_code in {200, 409}, answer.text
        return bool(answer.status_code == 200)


desk: Desk


@pytest.fixture(scope="module", autouse=True)
def office(databases: Databases) -> Iterator[None]:
    global desk  # noqa: PLW0603 - hypothesis makes its machines itself
    url = databases.fresh()
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        # Money that is to come later comes when it is hurried, and not meanwhile.
        patch.setattr("api.gateways.sandbox.actions.SETTLE_SECONDS", 3600)
        patch.setattr(SandboxGateway, "refund", _refund_later)
        stack = AsyncExitStack()
        http = runner.run(stack.enter_async_context(running(demo_settings(url))))
        desk = Desk(runner, http)
        desk.staff = runner.run(_staff())
        yield
        assert runner.run(audit()).findings == []
        runner.run(stack.aclose())
    databases.drop(url)


_refund = SandboxGateway.refund


async def _refund_later(sandbox: SandboxGateway, order: RefundOrder) -> list[GatewayEvent]:
    """The sandbox gives back at once; here a refund is under way until it is to end."""
    if desk.refunds_end:
        return await _refund(sandbox, order)
    pending = EventKind.REFUND_PENDING
    return [GatewayEvent(f"pending-{next(_keys)}", pending, order.payment.id, refund=order.id)]


async def _end(refund_id: str) -> None:
    """The gateway is asked about this refund now, and about no other."""
    one, moment = parse_id("rfd", refund_id), now()
    await sql.execute(
        "UPDATE refund SET next_check_at = $1 WHERE next_check_at IS NOT NULL",
        moment + timedelta(days=1),
    )
    await sql.execute("UPDATE refund SET next_check_at = $2 WHERE id = $1", one, moment)
    desk.refunds_end = True
    await reconcile.check_refunds()
    desk.refunds_end = False


async def _statuses(refund_ids: list[str]) -> list[str]:
    ids = [id for one in refund_ids if (id := parse_id("rfd", one))]
    found = await refund.by_ids(ids) if ids else {}
    return [found[id].status for id in ids]


async def _staff() -> str:
    _, token = await session.open_session(await create_staff("staff@example.com", None))
    return token


async def _client() -> tuple[str, str]:
    """A new client's account and token."""
    staff = await User.get(email="staff@example.com")
    email = f"client-{next(_keys)}@example.com"
    made = await run(
        CreateAccount(
            name="Ada",
            email=email,
            password=None,
            currency="USD",
            locale="en",
        ),
        staff.actor(),
        email,
    )
    _, token = await session.open_session(await User.get(email=email))
    # Codes that were used already count as guesses, and this address makes many.
    await sql.execute("DELETE FROM attempt")
    return made.public_id, token


async def _time_passes(account_id: str) -> None:
    """Until the promotional credit that runs out next has run out."""
    moment = now()
    rows = await sql.fetch(
        "SELECT g.id, r.voucher_id FROM credit_grant g JOIN redemption r ON r.id = g.id"
        " WHERE g.account_id = $1 AND g.expires_at > $2 ORDER BY g.expires_at LIMIT 1",
        parse_id("acc", account_id),
        moment,
    )
    for row in rows:
        for table, column, id in (
            ("credit_grant", "expires_at", row["id"]),
            ("voucher", "credit_expires_at", row["voucher_id"]),
        ):
            await sql.execute(f"UPDATE {table} SET {column} = $2 WHERE id = $1", id, moment)
    await expiry.expire_grants()


async def _holds_expire(hold_id: str) -> None:
    """The worker finds that its time is over, and that of no other."""
    statement = "UPDATE reservation SET expires_at = $2 WHERE id = $1"
    await sql.execute(statement, parse_id("hld", hold_id), now())
    await reserve.expire_holds()


def major(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def usd(cents: int) -> dict[str, str]:
    return {"amount": major(cents), "currency": "USD"}


class Life(RuleBasedStateMachine):
    """One client's. `real` holds the ids of what the model numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.steps = 0
        self.bills: list[str] = []
        self.payments: list[tuple[str, str]] = []
        self.done: list[tuple[str, str, Answer]] = []
        self.codes: list[str] = []
        self.refunds: list[str] = []
        self.holds: list[str] = []
        self.account, self.token = desk.run(_client())
        self.grant(3000, 3)
        self.grant(2000, 1)

    # ------------------------------------------------------------------------- asking

    def send(self, token: str, mutation: str, given: Answer) -> Answer:
        name = f"{mutation[0].upper()}{mutation[1:]}Input"
        selection = f"{MAKES.get(mutation, '')} userErrors {{ code }}"
        document = f"mutation ($i: {name}!) {{ {mutation}(input: $i) {{ {selection} }} }}"
        payload: Answer = desk.ask(document, token, i=given)[mutation]
        return payload

    def do(self, mutation: str, *, staff: bool = False, **given: object) -> Answer:
        """A mutation with a key of its own; what was done is kept to be repeated."""
        token = desk.staff if staff else self.token
        keyed = given | {"idempotencyKey": f"life-{next(_keys)}"}
        payload = self.send(token, mutation, keyed)
        if not payload["userErrors"]:
            self.done.append((token, mutation, keyed))
        return payload

    def both(self, verb: str, *args: Any, real: Answer, **how: Any) -> None:
        """The model does the same, or refuses for the same reason."""
        trial, expected = deepcopy(self.model), []
        try:
            getattr(trial, verb)(*args, **how)
        except No as refused:
            expected = [str(refused)]
        assert [error["code"] for error in real["userErrors"]] == expected
        if not expected:
            self.model = trial

    # ------------------------------------------------------------------------- what happens

    @rule(seed=st.integers(0, 2**32 - 1))
    def something_happens(self, seed: int) -> None:
        """Of all that can. Hypothesis by itself favours few rules and small numbers, and so never
        comes to a dispute that is won after its invoice was voided; a die that it seeds does.
        """
        self.steps += 1
        dice = Random(seed * 1000 + self.steps)
        can = [
            *(self.add, self.order, self.order, self.redeem, self.adjust, self.time_passes),
            *(3 * [self.pay] + [self.void] if self.bills else []),
            *(4 * [self.pay_many] if len(self.bills) > 1 else []),
            *(6 * [self.act] + [self.recheck, self.cancel] if self.payments else []),
            *(2 * [self.refund] if self.payments else []),
            *(2 * [self.end_refund] if self.under_way() else []),
            *([self.redeem_again] if self.codes else []),
            *(2 * [self.reserve] + (3 * [self.capture] + [self.end_hold]) * bool(self.holds)),
            *([self.repeat] if self.done else []),
        ]
        verb = dice.choice(can)
        note(verb.__name__)
        verb(dice)

    def add(self, dice: Random) -> None:
        total = dice.randint(500, 6000)
        policy: Answer = {"gateway": "sandbox", "acceptedPolicyVersion": "2026-01"}
        payload = self.do("addFunds", amount=usd(total), **policy)
        self.model.add_funds(total)
        self.bills.append(payload["invoice"]["id"])
        self.begin(len(self.bills) - 1, dice)
        self.act(dice)

    def order(self, dice: Random) -> None:
        total, apply = dice.randint(1, 6000), dice.random() < 0.3
        lines = [{"description": "Hosting", "unitPrice": major(total)}]
        bill: Answer = {
            "accountId": self.account,
            "currency": "USD",
            "lines": lines,
            "applyCredit": apply,
        }
        payload = self.do("createInvoice", staff=True, **bill)
        self.model.order(total, apply=apply)
        self.bills.append(payload["invoice"]["id"])

    def pay(self, dice: Random) -> None:
        payable = [n for n, bill in enumerate(self.model.bills) if bill.status in PAYABLE]
        anything = range(len(self.bills))
        self.begin(dice.choice(payable if payable and dice.random() < 0.9 else anything), dice)

    def pay_many(self, dice: Random) -> None:
        """Mostly orders that are open, of which there are enough then."""
        good: Sequence[int] = range(len(self.bills))
        if dice.random() < 0.9:
            while len(good := self.open_orders()) < 2:
                self.order(dice)
        numbers = dice.sample(good, dice.randint(2, min(4, len(good))))
        how, wish = self.how(dice, 0.7)
        ids = [self.bills[number] for number in numbers]
        before = len(self.payments)
        self.begun("pay_many", numbers, self.do("payInvoices", invoiceIds=ids, **how), wish)
        if len(self.payments) > before and dice.random() < 0.7:
            self.act(dice, before)
            if self.model.payments[before].status == "SUCCEEDED" and dice.random() < 0.7:
                self.refund(dice, before)

    def open_orders(self) -> list[int]:
        return [
            number
            for number, bill in enumerate(self.model.bills)
            if bill.status in PAYABLE and bill.kind == "ORDER"
        ]

    def begin(self, number: int, dice: Random) -> None:
        often = 0.8 if self.model.bills[number].kind == "ORDER" else 0.1
        how, wish = self.how(dice, often)
        real = self.do("payInvoice", invoiceId=self.bills[number], **how)
        self.begun("pay", number, real, wish)

    def how(self, dice: Random, often: float) -> tuple[Answer, Answer]:
        """How it is to be paid, for the API and for the model; `often` with credit."""
        use_credit = dice.random() < often
        limit, gateway = dice.choice([None, dice.randint(0, 3000)]), dice.random() < 0.8
        how: Answer = {
            "useCredit": use_credit,
            "creditLimit": None if limit is None else major(limit),
            "gateway": "sandbox" if gateway else None,
        }
        return how, {"use_credit": use_credit, "limit": limit, "gateway": gateway}

    def begun(self, verb: str, what: Any, real: Answer, wish: Answer) -> None:
        before = len(self.model.payments)
        self.both(verb, what, real=real, **wish)
        if len(self.model.payments) > before:
            begun = real["payment"]
            self.payments.append((begun["id"], begun["nextAction"]["url"]))
        else:
            assert real["payment"] is None

    def act(self, dice: Random, number: int | None = None) -> None:
        """At the gateway: mostly what can be done there now."""
        if not self.payments:
            return
        if number is None:
            number = max(dice.choices(range(len(self.payments)), k=2))
        payment = self.model.payments[number]
        can = [one for one in ACTIONS if self.model.possible(number, one, 1)]
        action = dice.choice(can if can and dice.random() < 0.9 else ACTIONS)
        whole = payment.left if action == "refund" else payment.amount
        asked = dice.choice([whole or 1, dice.randint(1, 6000)])
        possible = self.model.possible(number, action, asked)
        assert desk.act(self.payments[number][1], action, asked) == possible
        if possible:
            self.model.act(number, action, asked)

    def recheck(self, dice: Random) -> None:
        number = dice.randrange(len(self.payments))
        payload = self.send(self.token, "recheckPayment", {"paymentId": self.payments[number][0]})
        if payload["userErrors"] != [{"code": "RATE_LIMITED"}]:
            assert payload["userErrors"] == []
            self.model.catch_up(number)

    def cancel(self, dice: Random) -> None:
        number = dice.randrange(len(self.payments))
        real = self.do("cancelPayment", paymentId=self.payments[number][0])
        payment = self.model.payments[number]
        if payment.untold and payment.status == "REQUIRES_ACTION":
            # The gateway had captured it already, and says so instead.
            self.model.catch_up(number)
        self.both("cancel", number, real=real)

    def void(self, dice: Random) -> None:
        number = dice.randrange(len(self.bills))
        real = self.do("voidInvoice", staff=True, invoiceId=self.bills[number], reason="mistake")
        self.both("void", number, real=real)

    def refund(self, dice: Random, number: int | None = None) -> None:
        """Staff ask for it: mostly where money came in, and mostly it ends at once."""
        good = [n for n, p in enumerate(self.model.payments) if p.status == "SUCCEEDED"]
        anything = range(len(self.payments))
        if number is None:
            number = dice.choice(good if good and dice.random() < 0.9 else anything)
        amount = dice.choice([None, dice.randint(1, 4000)])
        how: Answer = {} if amount is None else {"amount": usd(amount)}
        payment, bills = self.payments[number][0], self.model.payments[number].bills
        of = dice.choice(bills) if len(bills) > 1 or dice.random() < 0.2 else None
        if len(bills) > 1 and self.model.payments[number].excess:
            of = dice.choice([of, None])  # what was paid too much is of none of them
        of = dice.choice([of] * 8 + [None, dice.randrange(len(self.bills))])
        how |= {} if of is None else {"invoiceId": self.bills[of]}
        real = self.do("refundPayment", staff=True, paymentId=payment, reason="moved", **how)
        before = len(self.model.refunds)
        self.both("refund", number, amount, of, real=real)
        if len(self.model.refunds) > before:
            self.refunds.append(real["refund"]["id"])
            if dice.random() < 0.6:
                self.end_refund(dice, before)

    def under_way(self) -> list[int]:
        return [n for n, one in enumerate(self.model.refunds) if one.status == "PENDING"]

    def end_refund(self, dice: Random, number: int | None = None) -> None:
        if number is None:
            number = dice.choice(self.under_way())
        desk.run(_end(self.refunds[number]))
        self.model.end_refund(self.model.refunds[number])

    def reserve(self, dice: Random) -> None:
        amount = dice.randint(1, 3000)
        until = (now() + timedelta(days=7)).isoformat()
        how: Answer = {"accountId": self.account, "amount": usd(amount), "expiresAt": until}
        how |= {"reference": "ORDER-7", "description": "Hosting"}
        real = self.do("reserveCredit", staff=True, **how)
        before = len(self.model.reservations)
        self.both("reserve", amount, real=real)
        if len(self.model.reservations) > before:
            self.holds.append(real["hold"]["id"])

    def a_hold(self, dice: Random) -> int:
        """Mostly one that is open."""
        every = self.model.reservations
        open_ones = [n for n, one in enumerate(every) if one.state == "OPEN"]
        chosen = open_ones if open_ones and dice.random() < 0.9 else range(len(every))
        return dice.choice(chosen)

    def capture(self, dice: Random) -> None:
        number, amount = self.a_hold(dice), dice.choice([None, dice.randint(1, 2000)])
        keep, hold = dice.random() < 0.6, self.model.reservations[number]
        wanted = hold.left if amount is None else amount
        how: Answer = {} if amount is None else {"amount": major(amount)}
        if dice.random() < 0.4 and wanted:
            how["lines"] = [{"description": "Hosting", "unitPrice": major(wanted)}]
        given = {"holdId": self.holds[number], "keepRest": keep, **how}
        real = self.do("captureHold", staff=True, **given)
        before = len(self.model.bills)
        self.both("capture", number, amount, real=real, keep=keep)
        if len(self.model.bills) > before:
            self.bills.append(real["invoice"]["id"])

    def end_hold(self, dice: Random) -> None:
        number = self.a_hold(dice)
        if dice.random() < 0.5:
            real = self.do("releaseHold", staff=True, holdId=self.holds[number])
            self.both("give_up", number, "RELEASED", real=real)
        elif self.model.reservations[number].state == "OPEN":
            desk.run(_holds_expire(self.holds[number]))
            self.model.give_up(number, "EXPIRED")

    def redeem(self, dice: Random) -> None:
        self.grant(dice.randint(1, 4000), dice.choice([None, 1, 2, 3]))

    def grant(self, amount: int, hours: int | None) -> None:
        """What runs out last was not always redeemed last."""
        until = None if hours is None else now() + timedelta(hours=hours)
        ends: Answer = {} if until is None else {"creditExpiresAt": until.isoformat()}
        codes = self.do("issueVouchers", staff=True, amount=usd(amount), **ends)["codes"]
        assert self.do("redeemVoucher", code=codes[0])["userErrors"] == []
        self.codes += codes
        self.model.redeem(amount, *([] if until is None else [until.timestamp()]))

    def redeem_again(self, dice: Random) -> None:
        payload = self.do("redeemVoucher", code=dice.choice(self.codes))
        [error] = payload["userErrors"]
        assert error["code"] in {"VOUCHER_REFUSED", "RATE_LIMITED"}

    def adjust(self, dice: Random) -> None:
        amount = dice.choice([-1, 1]) * dice.randint(1, 4000)
        how = {"accountId": self.account, "amount": usd(amount), "reason": "as agreed"}
        real = self.do("adjustCredit", staff=True, **how)
        self.both("adjust", amount, real=real)

    def time_passes(self, _dice: Random) -> None:
        desk.run(_time_passes(self.account))
        self.model.time_passes()

    def repeat(self, dice: Random) -> None:
        """A click arrives again: nothing happens; with another input it is refused."""
        token, mutation, given = dice.choice(self.done)
        again = (
            given | {"amount": usd(1234)} if dice.random() < 0.5 and "amount" in given else given
        )
        payload = self.send(token, mutation, again)
        codes = [error["code"] for error in payload["userErrors"]]
        assert codes == ([] if again == given else ["IDEMPOTENCY_KEY_REUSED"])

    # ------------------------------------------------------------------------- what must hold

    @invariant()
    def both_say_the_same(self) -> None:
        shown = desk.ask(STATE, desk.staff, account=self.account)
        assert _balance(shown["balance"]) == self.expected_balance()
        invoices = {edge["node"]["id"]: edge["node"] for edge in shown["invoices"]["edges"]}
        assert len(invoices) == len(self.bills)
        for number, (id_, bill) in enumerate(zip(self.bills, self.model.bills, strict=True)):
            real = invoices[id_]
            expected = (bill.kind, bill.status, bill.paid, bill.due, bill.credit)
            names = ("amountPaid", "amountDue", "creditApplied")
            assert (real["kind"], real["status"], *(minor(real[n]) for n in names)) == expected
            paid = {
                p["id"]: (p["status"], minor(p["received"]), minor(p["refunded"]))
                for p in real["payments"]
            }
            assert paid == {
                self.payments[n][0]: (p.status, p.received, p.taken_back)
                for n, p in enumerate(self.model.payments)
                if number in p.bills
            }
        holds = {edge["node"]["id"]: edge["node"] for edge in shown["account"]["holds"]["edges"]}
        assert [
            (holds[id]["state"], *(minor(holds[id][name]) for name in ("amount", "captured")))
            for id in self.holds
        ] == [(one.state, one.amount, one.captured) for one in self.model.reservations]
        assert _statement(shown["creditTransactions"]) == self.expected_statement()
        refunds = desk.run(_statuses(self.refunds))
        assert refunds == [asked.status for asked in self.model.refunds]

    def expected_balance(self) -> Answer:
        model = self.model
        names = ("available", "reserved", "promotional", "debt", "pending")
        amounts = {name: getattr(model, name) for name in names}
        return amounts | {"nextExpiry": model.next_expiry, "version": len(model.lines)}

    def expected_statement(self) -> list[tuple[str, int, int, int]]:
        lines, total = [], 0
        for version, (kind, amount) in enumerate(self.model.lines, 1):
            total += amount
            lines.append((kind, version, amount, total))
        return lines[-100:]

    def teardown(self) -> None:
        if SOAK:
            assert desk.run(audit()).findings == []


def _balance(shown: Answer) -> Answer:
    shown["nextExpiry"] = (shown["nextExpiry"] or {}).get("amount")
    return {name: minor(value) for name, value in shown.items()}


def _statement(shown: Answer) -> list[tuple[str, int, int, int]]:
    nodes = [edge["node"] for edge in shown["edges"]]
    assert shown["totalCount"] == (nodes[0]["version"] if nodes else 0)
    return [
        (node["kind"], node["version"], minor(node["amount"]), minor(node["balanceAfter"]))
        for node in reversed(nodes)
    ]


def minor(shown: Any) -> Any:
    """An amount in cents; what is no amount stays what it is."""
    return int(shown["amount"].replace(".", "")) if isinstance(shown, dict) else shown


def test_the_api_does_what_the_model_says() -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=200 if SOAK else 30,
            stateful_step_count=50 if SOAK else 30,
            deadline=None,
            derandomize=not SOAK,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
