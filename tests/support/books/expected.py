"""What one client's credit, invoices and payments should be: plain Python, in cents, in memory.

Written from DESIGN's table of what each event books, to be held against the real thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

DEPOSITS = -1
#: Where credit came from: the number of its grant or DEPOSITS, and how much.
Part = tuple[int, int]
PAYABLE = ("UNPAID", "PROCESSING")
OPEN = ("REQUIRES_ACTION", "PROCESSING")


class No(Exception):
    """A rule says no: the code of the refusal."""


@dataclass
class Grant:
    left: int
    #: The order in which grants run out.
    expires: float
    over: bool = False


@dataclass
class Bill:
    kind: str
    total: int
    status: str = "UNPAID"
    paid: int = 0
    credit: int = 0
    parts: list[Part] = field(default_factory=list)
    has_gateway: bool = False

    @property
    def due(self) -> int:
        return self.total - self.paid


@dataclass
class Asked:
    """A refund that staff have asked for; `held` of it is credit."""

    payment: int
    amount: int
    held: int
    bill: int | None = None
    "Of a payment for several invoices, the one that it is of."
    status: str = "PENDING"


@dataclass
class Reservation:
    """Credit that a partner has put by for an order."""

    amount: int
    parts: list[Part]
    state: str = "OPEN"
    captured: int = 0

    @property
    def left(self) -> int:
        return sum(amount for _, amount in self.parts)


@dataclass
class Share:
    """What of a payment is for one invoice; of a single one that is all that it can take."""

    bill: int
    amount: float = inf
    applied: int = 0


@dataclass
class Attempt:
    """A payment, and its charge at the gateway, which may know more than we were told."""

    shares: list[Share]
    amount: int
    credit_part: int
    status: str = "REQUIRES_ACTION"
    received: int = 0
    excess: int = 0
    taken_back: int = 0
    charge: str = "OPEN"
    coming: int = 0
    left: int = 0
    untold: int = 0
    captured: int = 0
    refunds: int = 0
    dispute: int = 0
    """Open, in cents."""
    lost: int = 0

    @property
    def bill(self) -> int:
        """The first that it pays."""
        return self.shares[0].bill

    @property
    def bills(self) -> list[int]:
        return [share.bill for share in self.shares]

    @property
    def applied(self) -> int:
        return sum(share.applied for share in self.shares)

    def share_of(self, bill: int) -> Share:
        return next(share for share in self.shares if share.bill == bill)


def fill(amount: int, most: list[float]) -> list[int]:
    """`amount` shared out in order, to each as much as it can take."""
    parts = []
    for one in most:
        part = int(min(amount, one))
        parts.append(part)
        amount -= part
    return parts


class Credit:
    """A client's credit, and the statement that it makes."""

    def __init__(self) -> None:
        self.deposits = self.debt = 0
        self.grants: list[Grant] = []
        self.holds: dict[int, list[Part]] = {}
        self.refunds: list[Asked] = []
        self.reservations: list[Reservation] = []
        self.lines: list[tuple[str, int]] = []

    @property
    def promotional(self) -> int:
        return sum(grant.left for grant in self.grants)

    @property
    def available(self) -> int:
        return self.deposits + self.promotional

    @property
    def reserved(self) -> int:
        held = sum(asked.held for asked in self.refunds if asked.status == "PENDING")
        held += sum(one.left for one in self.reservations)
        return held + sum(amount for parts in self.holds.values() for _, amount in parts)

    @property
    def next_expiry(self) -> int | None:
        """How much runs out next."""
        ahead = [grant for grant in self.grants if grant.left and grant.expires < inf]
        return min(ahead, key=lambda grant: grant.expires).left if ahead else None

    def line(self, kind: str, amount: int) -> None:
        self.lines.append((kind, amount))

    def take(self, amount: int) -> list[Part]:
        """Out of the grants, soonest expiry first, then out of the deposits."""
        parts = []
        for number in sorted(range(len(self.grants)), key=lambda n: (self.grants[n].expires, n)):
            part = min(amount, self.grants[number].left)
            if part:
                self.grants[number].left -= part
                parts.append((number, part))
                amount -= part
        if amount:
            self.deposits -= amount
            parts.append((DEPOSITS, amount))
        return parts

    def put_back(self, parts: list[Part]) -> None:
        for number, amount in parts:
            if number == DEPOSITS:
                self.deposits += amount
            else:
                self.grants[number].left += amount
        self.repay()

    def repay(self) -> None:
        """Deposits never stand beside a debt."""
        repaid = min(self.deposits, self.debt)
        self.deposits -= repaid
        self.debt -= repaid

    def expire(self) -> None:
        for grant in sorted(self.grants, key=lambda grant: grant.expires):
            if grant.over and grant.left:
                self.line("EXPIRY", -grant.left)
                grant.left = 0

    def spend(self, amount: int) -> list[Part]:
        self.line("INVOICE_PAYMENT", -amount)
        return self.take(amount)

    def release(self, holder: int) -> None:
        self.put_back(self.holds.pop(holder, []))
        self.expire()

    def spend_held(self, holder: int, dues: list[int]) -> list[list[Part]]:
        """For each of the invoices in turn; the rest goes back."""
        held = self.holds.pop(holder, [])
        spent: list[list[Part]] = []
        for due in dues:
            parts = fill(due, [amount for _, amount in held])
            numbers = [number for number, _ in held]
            spent.append([(n, part) for n, part in zip(numbers, parts, strict=True) if part])
            held = [(n, left - part) for (n, left), part in zip(held, parts, strict=True)]
        self.put_back(held)
        for some in filter(None, spent):
            self.line("INVOICE_PAYMENT", -sum(amount for _, amount in some))
        self.expire()
        return spent

    def deposit(self, amount: int, kind: str) -> None:
        """A debt is repaid first, on a line of its own."""
        repaid = min(amount, self.debt)
        self.debt -= repaid
        self.deposits += amount - repaid
        for name, part in (("DEBT_REPAID", repaid), (kind, amount - repaid)):
            if part:
                self.line(name, part)

    def move_back(self, amount: int) -> None:
        """The gateway takes a deposit back (or, negative, gives it back): beyond it is debt."""
        if amount > 0:
            there = min(amount, self.deposits)
            self.deposits -= there
            self.debt += amount - there
            self.line("DEPOSIT_REVERSED", -amount)
        elif amount < 0:
            repaid = min(-amount, self.debt)
            self.debt -= repaid
            self.deposits += -amount - repaid
            self.line("DEPOSIT_REINSTATED", -amount)


class Model(Credit):
    """A client."""

    def __init__(self) -> None:
        super().__init__()
        self.bills: list[Bill] = []
        self.payments: list[Attempt] = []

    @property
    def pending(self) -> int:
        waiting = {payment.bill for payment in self.payments if payment.status in OPEN}
        bills = [self.bills[number] for number in waiting]
        return sum(b.due for b in bills if b.kind == "FUNDS" and b.status in PAYABLE)

    def stopped(self, but_for: Attempt | None = None) -> bool:
        return bool(self.debt) or any(p.dispute for p in self.payments if p is not but_for)

    def of(self, bill: Bill) -> list[tuple[int, Attempt]]:
        number = next(n for n, one in enumerate(self.bills) if one is bill)
        return [(n, p) for n, p in enumerate(self.payments) if number in p.bills]

    # ------------------------------------------------------------------------- what people do

    def add_funds(self, total: int) -> None:
        self.bills.append(Bill("FUNDS", total, has_gateway=True))

    def redeem(self, amount: int, expires: float = inf) -> None:
        self.grants.append(Grant(amount, expires))
        self.line("VOUCHER", amount)

    def adjust(self, amount: int) -> None:
        if self.deposits + amount < 0:
            raise No("INSUFFICIENT_CREDIT")
        self.deposits += amount
        self.line("ADJUSTMENT", amount)
        self.repay()

    def order(self, total: int, *, apply: bool) -> None:
        self.bills.append(bill := Bill("ORDER", total))
        part = min(total, self.available)
        if apply and part and not self.stopped():
            self._pay_with(bill, self.spend(part))

    def reserve(self, amount: int) -> None:
        if self.stopped():
            raise No("ACCOUNT_FROZEN")
        if amount > self.available:
            raise No("INSUFFICIENT_CREDIT")
        self.reservations.append(Reservation(amount, self.take(amount)))

    def capture(self, number: int, amount: int | None, *, keep: bool) -> None:
        """A debt or a dispute does not stop what was promised."""
        one = self._open(number)
        amount = one.left if amount is None else amount
        if amount > one.left:
            raise No("AMOUNT_OUT_OF_RANGE")
        spent, rest, most = [], [], amount
        for source, given in one.parts:
            part = min(most, given)
            most -= part
            spent += [(source, part)] if part else []
            rest += [(source, given - part)] if part < given else []
        one.parts, one.captured = rest, one.captured + amount
        self.bills.append(bill := Bill("ORDER", amount))
        self.line("INVOICE_PAYMENT", -amount)
        self._pay_with(bill, spent)
        if not (keep and rest):
            self._give_up(one, "CAPTURED")

    def give_up(self, number: int, state: str) -> None:
        self._give_up(self._open(number), state)

    def _give_up(self, one: Reservation, state: str) -> None:
        parts, one.parts, one.state = one.parts, [], state
        self.put_back(parts)
        self.expire()

    def _open(self, number: int) -> Reservation:
        one = self.reservations[number]
        if one.state != "OPEN":
            raise No("HOLD_NOT_OPEN")
        return one

    def time_passes(self) -> None:
        """Until the promotional credit that runs out next has run out."""
        ahead = [grant for grant in self.grants if not grant.over and grant.expires < inf]
        if ahead:
            soonest = min(ahead, key=lambda grant: grant.expires)
            soonest.over, soonest.expires = True, sum(grant.over for grant in self.grants)
        self.expire()

    def pay(self, number: int, *, use_credit: bool, limit: int | None, gateway: bool) -> None:
        bill = self.bills[number]
        if bill.status not in PAYABLE:
            raise No("INVOICE_NOT_PAYABLE")
        if use_credit and bill.kind == "FUNDS":
            raise No("CREDIT_NOT_APPLICABLE")
        self._pay([number], use_credit=use_credit, limit=limit, gateway=gateway)

    def pay_many(
        self, numbers: list[int], *, use_credit: bool, limit: int | None, gateway: bool
    ) -> None:
        """Together, the first that was issued first: all are due as long after that."""
        for number in numbers:
            bill = self.bills[number]
            if bill.status not in PAYABLE:
                raise No("INVOICE_NOT_PAYABLE")
            if bill.kind == "FUNDS":
                raise No("NOT_ALLOWED")
        self._pay(sorted(numbers), use_credit=use_credit, limit=limit, gateway=gateway)

    def _pay(
        self, numbers: list[int], *, use_credit: bool, limit: int | None, gateway: bool
    ) -> None:
        bills = [self.bills[number] for number in numbers]
        if use_credit and self.stopped():
            raise No("ACCOUNT_FROZEN")
        for bill in bills:
            self._supersede(bill)
        due = sum(bill.due for bill in bills)
        most = due if limit is None else min(limit, due)
        part = min(most, self.available) if use_credit else 0
        if part == due:
            for bill in bills:
                self._pay_with(bill, self.spend(bill.due))
            return
        if any(one.status == "PROCESSING" for bill in bills for _, one in self.of(bill)):
            raise No("PAYMENT_IN_PROGRESS")
        if not (gateway or bills[0].has_gateway):
            raise No("INSUFFICIENT_CREDIT" if use_credit else "GATEWAY_NOT_AVAILABLE")
        self._begin(numbers, part)

    def _begin(self, numbers: list[int], part: int) -> None:
        """A payment of what `part`, which is credit, does not cover."""
        bills = [self.bills[number] for number in numbers]
        if part:
            self.holds[len(self.payments)] = self.take(part)
        shares = [Share(number) for number in numbers]
        credit = fill(part, [bill.due for bill in bills])
        for share, bill, held in zip(shares, bills, credit, strict=True):
            bill.has_gateway = True
            if len(shares) > 1:
                share.amount = bill.due - held
        self.payments.append(Attempt(shares, sum(bill.due for bill in bills) - part, part))

    def cancel(self, number: int) -> None:
        payment = self.payments[number]
        if payment.status != "REQUIRES_ACTION":
            raise No("PAYMENT_NOT_CANCELABLE")
        assert payment.charge == "OPEN", "what has happened at the gateway is not canceled"
        payment.charge = "CANCELED"
        self._close(number, "CANCELED")

    def void(self, number: int) -> None:
        bill = self.bills[number]
        payments = [payment for _, payment in self.of(bill)]
        if any(payment.status in OPEN for payment in payments):
            raise No("PAYMENT_IN_PROGRESS")
        received = sum(payment.received for payment in payments)
        if bill.status not in (*PAYABLE, "PAID") or (bill.kind == "FUNDS" and received):
            raise No("INVOICE_NOT_VOIDABLE")
        if any(self.pending_of(n) for n, _ in self.of(bill)):
            raise No("PAYMENT_IN_PROGRESS")
        if bill.paid:
            shares = [(payment, payment.share_of(number)) for payment in payments]
            sold = sum(share.applied for _, share in shares)
            self.put_back([*bill.parts, (DEPOSITS, sold)])
            self.line("INVOICE_PAYMENT_RETURNED", bill.credit + sold)
            self.expire()
            for payment, share in shares:
                payment.excess, share.applied = payment.excess + share.applied, 0
        bill.status, bill.paid, bill.credit = "VOID", 0, 0

    def refund(self, number: int, amount: int | None, bill: int | None = None) -> None:
        """Staff ask for it; the gateway does not say yet what comes of it."""
        payment = self.payments[number]
        several = len(payment.shares) > 1
        if bill is None and several and not payment.excess:
            raise No("INVALID")
        if bill is not None and bill not in payment.bills:
            raise No("NOT_FOUND")
        if payment.status != "SUCCEEDED" or payment.dispute:
            raise No("NOT_REFUNDABLE")
        of = bill if several else None
        if of is not None:
            most = self._refundable_of(number, of)
        elif several:  # what was paid too much
            most = min(self._excess(number), self.deposits)
        else:
            most = self._refundable(number)
        if most <= 0:
            raise No("NOT_REFUNDABLE")
        if amount is not None and amount > most:
            raise No("AMOUNT_OUT_OF_RANGE")
        amount = most if amount is None else amount
        funds = self.bills[payment.bill].kind == "FUNDS"
        excess = 0 if of is not None else self._excess(number)
        held = amount if funds else min(amount, excess)
        self.deposits -= held
        self.refunds.append(Asked(number, amount, held, of))

    def _excess(self, number: int) -> int:
        return self.payments[number].excess - sum(one.held for one in self.pending_of(number))

    def _refundable(self, number: int) -> int:
        payment = self.payments[number]
        under_way = sum(asked.amount for asked in self.pending_of(number))
        most = payment.applied + payment.excess - under_way
        if self.bills[payment.bill].kind == "FUNDS" or self._excess(number) > self.deposits:
            most = min(most, self.deposits)
        return most

    def _refundable_of(self, number: int, bill: int) -> int:
        """Of one of several invoices: what has paid it, and never the credit of another."""
        under_way = sum(one.amount for one in self.pending_of(number) if one.bill == bill)
        return self.payments[number].share_of(bill).applied - under_way

    def pending_of(self, number: int) -> list[Asked]:
        return [one for one in self.refunds if one.payment == number and one.status == "PENDING"]

    def end_refund(self, asked: Asked) -> None:
        """The gateway gives it back, or has no longer enough."""
        payment = self.payments[asked.payment]
        asked.status = "SUCCEEDED" if asked.amount <= payment.left else "FAILED"
        self.deposits += asked.held
        if asked.status == "SUCCEEDED":
            payment.left -= asked.amount
            payment.refunds += asked.amount
            self.settle(asked.payment, asked)
        self.repay()

    def _supersede(self, bill: Bill) -> None:
        for number, payment in self.of(bill):
            if payment.status == "REQUIRES_ACTION":
                self._close(number, "CANCELED")

    def _pay_with(self, bill: Bill, parts: list[Part]) -> None:
        amount = sum(part for _, part in parts)
        bill.parts += parts
        bill.paid += amount
        bill.credit += amount
        if not bill.due:
            bill.status = "PAID"

    def _close(self, number: int, status: str) -> None:
        payment = self.payments[number]
        payment.status = status
        self.release(number)
        for bill in payment.bills:
            self._reopen(self.bills[bill])

    def _reopen(self, bill: Bill) -> None:
        under_way = any(payment.status == "PROCESSING" for _, payment in self.of(bill))
        if bill.status == "PROCESSING" and not under_way:
            bill.status = "UNPAID"

    # ------------------------------------------------------------------------- what gateways say

    def hear(self, number: int) -> None:
        """We are told that the charge is under way, or that it came to nothing."""
        payment = self.payments[number]
        if payment.charge == "PROCESSING" and payment.status == "REQUIRES_ACTION":
            payment.status = "PROCESSING"
            for bill in (self.bills[n] for n in payment.bills):
                bill.status = "PROCESSING" if bill.status == "UNPAID" else bill.status
        elif payment.charge in {"FAILED", "EXPIRED"} and payment.status in OPEN:
            self._close(number, payment.charge)

    def settle(self, number: int, ours: Asked | None = None) -> None:
        """We are told of money: what is known now decides, in whatever order it became known."""
        payment = self.payments[number]
        bill = self.bills[payment.bill]
        if payment.captured > payment.received:
            self._receive(number, payment.captured - payment.received)
        returned = payment.refunds + payment.dispute + payment.lost
        change = min(payment.captured, returned) - payment.taken_back
        payment.taken_back += change
        if change > 0:
            self._reverse(number, change, ours)
        elif change < 0:
            self._book_in(payment, -change, again=True)
            self._close_if_paid(number)
        self._secure(number)
        if bill.kind == "FUNDS" and bill.status in PAYABLE and payment.received >= bill.total:
            bill.status = "REFUNDED"
        self.repay()

    def _loosen(self, number: int, there: int) -> None:
        """No more is held for refunds than is there of the payment's credit."""
        for asked in self.pending_of(number):
            free = max(0, asked.held - there)
            asked.held -= free
            self.deposits += free
            there -= asked.held

    def _secure(self, number: int) -> None:
        """What refunds will not find in what the invoice had is held for them."""
        payment = self.payments[number]
        funds = self.bills[payment.bill].kind == "FUNDS"
        sold = 0 if funds else payment.applied
        there = payment.excess + payment.applied - sold
        there -= sum(asked.held for asked in self.pending_of(number))
        for asked in self.pending_of(number):
            from_sales = min(asked.amount - asked.held, sold)
            wanted = min(asked.amount - asked.held - from_sales, there)
            sold, there = sold - from_sales, there - wanted
            more = min(wanted, self.deposits)
            asked.held += more
            self.deposits -= more

    def _receive(self, number: int, amount: int) -> None:
        payment = self.payments[number]
        bills = [self.bills[n] for n in payment.bills]
        payment.status = "SUCCEEDED"
        payment.received += amount
        self._book_in(payment, amount, again=False)
        if bills[0].kind == "ORDER" and payment.credit_part:
            dues = [bill.due if bill.status in PAYABLE else 0 for bill in bills]
            spent = self.spend_held(number, dues)
            if not any(spent) and not self.stopped(payment):
                late = min(payment.credit_part, self.available)
                spent = [self.spend(one) if one else [] for one in fill(late, [*dues])]
            for bill, parts in zip(bills, spent, strict=True):
                bill.parts += parts
                bill.credit += sum(part for _, part in parts)
                bill.paid += sum(part for _, part in parts)
            payment.credit_part = 0
        self._close_if_paid(number)

    def _book_in(self, payment: Attempt, amount: int, *, again: bool) -> None:
        """Each gets what it was to get, and of what is left then what is still due."""
        bills = [self.bills[n] for n in payment.bills]
        dues = [bill.due if bill.status in (*PAYABLE, "REFUNDED") else 0 for bill in bills]
        expected = [
            max(0, min(due, share.amount - share.applied))
            for due, share in zip(dues, payment.shares, strict=True)
        ]
        first = fill(amount, expected)
        left = [due - part for due, part in zip(dues, first, strict=True)]
        more = fill(amount - sum(first), [*left])
        parts = [a + b for a, b in zip(first, more, strict=True)]
        applied = sum(parts)
        excess, funds = amount - applied, applied if bills[0].kind == "FUNDS" else 0
        if again:
            self.move_back(-(excess + funds))
        else:
            self.deposit(funds, "DEPOSIT")
            self.deposit(excess, "OVERPAYMENT")
        for bill, share, part in zip(bills, payment.shares, parts, strict=True):
            bill.paid += part
            share.applied += part
        payment.excess += excess

    def _close_if_paid(self, number: int) -> None:
        for bill in (self.bills[n] for n in self.payments[number].bills):
            if bill.status not in (*PAYABLE, "REFUNDED"):
                continue
            if bill.due:
                self._reopen(bill)
                continue
            bill.status = "PAID"
            for other, payment in self.of(bill):
                if other != number and payment.status == "REQUIRES_ACTION":
                    self._close(other, "CANCELED")

    def _reverse(self, number: int, amount: int, ours: Asked | None) -> None:
        payment = self.payments[number]
        funds = self.bills[payment.bill].kind == "FUNDS"
        # A refund of an order takes what it was promised from.
        sold = 0 if ours is None or funds else min(ours.amount - ours.held, payment.applied, amount)
        excess = min(amount - sold, payment.excess)
        applied = amount - excess
        from_credit = excess + (applied if funds else 0)
        there = payment.excess + (payment.applied if funds else 0)
        self._loosen(number, there - from_credit)
        self.move_back(from_credit)
        payment.excess -= excess
        # It is missing on what the refund is of, and else on the last first.
        of = None if ours is None else ours.bill
        shares = payment.shares[::-1]
        shares.sort(key=lambda share: share.bill != of)
        for share, part in zip(shares, fill(applied, [one.applied for one in shares]), strict=True):
            share.applied -= part
            bill = self.bills[share.bill]
            bill.paid -= part
            if part and bill.status in {"PAID", "REFUNDED"}:
                bill.status = "REFUNDED" if funds else "UNPAID"

    # ------------------------------------------------------------------------- at the gateway

    def possible(self, number: int, action: str, amount: int) -> bool:
        """Whether the sandbox lets a payer, or the provider, do that now."""
        payment = self.payments[number]
        if action in {"refund", "dispute"}:
            enough = action == "dispute" or amount <= payment.left
            return payment.left > 0 and not payment.dispute and enough
        if action in {"win-dispute", "lose-dispute"}:
            return payment.dispute > 0
        wants = {"settle-now": {"PROCESSING"}, "deny": {"PROCESSING"}}
        wants["capture-late"] = {"FAILED", "EXPIRED", "CANCELED"}
        return payment.charge in wants.get(action, {"OPEN"})

    def act(self, number: int, action: str, amount: int) -> None:
        """Do it, and hear of it unless the message is lost."""
        payment = self.payments[number]
        match action:
            case "approve" | "capture-late" | "lost":
                payment.charge, payment.left = "CAPTURED", amount
                payment.untold = amount
                if action != "lost":
                    self.catch_up(number)
            case "settle-later":
                payment.charge, payment.coming = "PROCESSING", amount
                self.hear(number)
            case "settle-now":
                payment.charge, payment.left = "CAPTURED", payment.coming
                payment.untold, payment.coming = payment.coming, 0
                self.catch_up(number)
            case "decline" | "deny":
                payment.charge, payment.coming = "FAILED", 0
                self.hear(number)
            case "expire":
                payment.charge = "EXPIRED"
                self.hear(number)
            case "refund":
                payment.left -= amount
                payment.refunds += amount
                self.settle(number)
            case "dispute":
                payment.dispute, payment.left = payment.left, 0
                self.settle(number)
            case "win-dispute":
                payment.left, payment.dispute = payment.dispute, 0
                self.settle(number)
            case _:
                payment.lost += payment.dispute
                payment.dispute = 0
                self.settle(number)

    def catch_up(self, number: int) -> None:
        """Hear all that the gateway knows by now."""
        payment = self.payments[number]
        if payment.untold:
            payment.captured += payment.untold
            payment.untold = 0
            self.settle(number)
