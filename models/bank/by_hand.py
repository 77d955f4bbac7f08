"""Bank transfers that staff record themselves, with the care of an import: what looks like a line
that has come before is refused, until they say that it is another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from models.access.identity import Actor
from models.bank import draft
from models.bank.account import AccountUnclear, account_of_ours
from models.bank.line import (
    BY_HAND,
    BankCredit,
    BankCreditKind,
    BankCreditState,
    alone,
    apply,
    names_of,
    of_line,
    read,
    settle,
)
from models.bank.match import folded, pays, same_reference
from models.bank.near import APART, RECORDED_LATE, warn_of
from models.clock import now
from models.db import sql
from models.db.record import new_id, parse_id, public_id
from models.errors import (
    AmountOutOfRange,
    CurrencyNotSupported,
    Invalid,
    NotFound,
    PossibleDuplicate,
)
from models.journal import audit_log, idempotency
from models.money import Money
from models.payments.payment import Payment
from models.payments.payment import read as read_payment
from models.provider.provider import house
from models.text import clean_code, clean_text

_LINE: Final = "bank_transaction_id"
#: As many lines of one reference are looked at; a bank that has more gives it to everything.
_SAME_REFERENCE_MAX: Final = 100


async def record_bank_transfer(
    reference: str,
    amount: Decimal,
    currency: str,
    *,
    bank_account: str,
    bank_transaction: str,
    received_at: datetime | None,
    by: Actor,
    key: str,
    despite: UUID | None = None,
) -> Payment:
    """Book money that came in by bank transfer on the payment that has this reference.

    One bank transaction of one bank account is booked once: told again with the same reference and
    amount it changes nothing, with others it is Invalid at `bank_transaction_id`. What only looks
    like a line that has come before is PossibleDuplicate, unless `despite` is that line. Raises
    NotFound at `reference` and `despite`, CurrencyNotSupported, AmountPrecision, AmountOutOfRange.
    Staff only.
    """
    by.require_staff()
    bank = _wide(bank_account, "bank_account", maximum=64).replace(" ", "").upper()
    line = _wide(bank_transaction, "bank_transaction_id", maximum=128)
    quoted = clean_code(reference, "reference", maximum=100)
    found: list[Payment] = []
    made: dict[str, str] = {}
    given = {
        "reference": quoted,
        "amount": str(amount),
        "currency": currency,
        "bank": bank,
        "line": line,
        "received": received_at.isoformat() if received_at else None,
        **({"despite": despite.hex} if despite else {}),
    }

    async def prepare() -> None:
        payment = await _by_reference(quoted)
        found.append(payment)
        made["payment"] = payment.public_id

    async def work() -> None:
        payment = found[0]
        paid = _received(amount, currency, payment)
        await draft.write_down(payment, paid.minor)
        await record(
            payment,
            paid,
            bank_account=bank,
            line=line,
            received_at=received_at,
            despite=despite,
        )
        facts = {"amount": paid.minor, "currency": currency, "bank": bank, "line": line}
        facts |= {"despite": public_id(BankCredit.PREFIX, despite)} if despite else {}
        await audit_log.record(by, "bank_transfer.record", payment.public_id, **facts)

    done = await idempotency.once(
        by,
        key,
        "recordBankTransfer",
        given,
        made,
        admit=idempotency.for_staff(by),
        work=work,
        prepare=prepare,
    )
    payment_id = parse_id(Payment.PREFIX, done["payment"])
    assert payment_id is not None
    booked = await read_payment(payment_id)
    assert booked is not None
    return booked


def _wide(text: str, field: str, *, maximum: int) -> str:
    """What was typed, full-width letters as the bank has them."""
    return clean_text(unicodedata.normalize("NFKC", text), field, maximum=maximum)


async def _by_reference(reference: str) -> Payment:
    payment = (await draft.by_reference([reference])).get(reference)
    if payment is None:
        raise NotFound("reference")
    return payment


def _received(amount: Decimal, currency: str, payment: Payment) -> Money:
    if currency != payment.currency:
        raise CurrencyNotSupported("amount", "currency", currency=currency)
    paid = Money.parse(amount, currency, "amount", "amount")
    if paid.minor < 1:
        raise AmountOutOfRange("amount", "amount", minimum=Money(1, currency))
    return paid


def account_typed(bank_account: str) -> str:
    """The account that staff mean; what is none of ours stays as it is. Raises Invalid at
    `bank_account` where it may be one of ours and may be another.
    """
    try:
        return account_of_ours(bank_account, house().own_accounts) or bank_account
    except AccountUnclear:
        raise Invalid("bank_account", problem="bank_account_unclear") from None


async def record(
    payment: Payment,
    paid: Money,
    *,
    bank_account: str,
    line: str,
    received_at: datetime | None,
    despite: UUID | None,
) -> None:
    """Book a line that staff have read on the statement; inside a transaction.

    It settles what is parked under the same key, and changes nothing where the same is booked.
    `despite` is the line that it looks like and is not. Raises PossibleDuplicate; Invalid at
    `bank_transaction_id` where the line is something else, or `despite` itself; NotFound and
    Invalid at `despite`.
    """
    await alone()
    account = account_typed(bank_account)
    names = await names_of(account)
    known = await of_line(names, BankCreditKind.CREDIT, line)
    if known is not None and known.id == despite:
        raise Invalid(_LINE, problem="bank_transaction_of_despite")
    typed = _typed(payment, paid, account, line)
    typed.booked_on = (received_at or now()).date().isoformat()
    typed.duplicate_of_id = despite
    if not _is(known or typed, payment, paid):
        raise Invalid(_LINE, problem="bank_transaction_booked")
    if known is not None and known.settled:
        return
    alike = _Alike(typed, known, payment, names, dated=received_at is not None)
    await alike.check(despite)
    await apply(payment.id, (known or typed).told(payment))
    if known is not None:
        await settle(known, payment)
    else:
        await sql.insert("bank_credit", [sql.row_of(typed)])
        await warn_of(await alike.near(), typed)


def _typed(payment: Payment, paid: Money, account: str, line: str) -> BankCredit:
    return BankCredit(
        id=new_id(),
        created_at=now(),
        kind=BankCreditKind.CREDIT.value,
        state=BankCreditState.ASSIGNED.value,
        bank_account=account,
        line_key=line,
        bank_ref=line,
        folded=folded(line),
        forms=BY_HAND,
        amount=paid.minor,
        currency=paid.currency,
        payment_id=payment.id,
    )


def _is(credit: BankCredit, payment: Payment, paid: Money) -> bool:
    """Whether the line is this money, and booked on no other payment."""
    same = Money(credit.amount, credit.currency) == paid
    return same and (not credit.settled or credit.payment_id == payment.id)


class _Alike:
    """The lines that what was typed looks like. `known` is the parked line that it settles."""

    def __init__(
        self,
        typed: BankCredit,
        known: BankCredit | None,
        payment: Payment,
        names: Sequence[str],
        *,
        dated: bool,
    ) -> None:
        self._typed, self._known, self._payment = typed, known, payment
        self._names, self._dated = names, dated

    async def check(self, despite: UUID | None) -> None:
        """Raises PossibleDuplicate where it looks like a line, and that is not `despite`."""
        found = [*await self._named(), *await self.near()]
        alike = [one for one in found if self._looks_like(one)]
        if despite is None:
            if alike:
                raise PossibleDuplicate(_LINE, line=self._closest(alike))
            return
        meant = await read(despite)
        if meant is None:
            raise NotFound("despite")
        if not self._looks_like(meant):
            if alike:
                raise PossibleDuplicate(_LINE, line=self._closest(alike))
            raise Invalid("despite", problem="not_alike")

    async def _named(self) -> list[BankCredit]:
        """Those with the same reference but for its spelling."""
        return await sql.records(
            BankCredit,
            "SELECT * FROM bank_credit WHERE folded = $1 AND kind = $2 AND (payment_id = $3 OR"
            f" bank_account IN ({sql.placeholders(len(self._names), 4)}))"
            f" ORDER BY id DESC LIMIT {_SAME_REFERENCE_MAX}",
            self._typed.folded,
            self._typed.kind,
            self._payment.id,
            *self._names,
        )

    async def near(self) -> list[BankCredit]:
        """Those of the same amount from about the same time."""
        day, before = self._typed.day, APART if self._dated else RECORDED_LATE
        return await sql.records(
            BankCredit,
            "SELECT * FROM bank_credit WHERE kind = $1 AND currency = $2 AND amount = $3"
            " AND booked_on BETWEEN $4 AND $5 AND id <> $6 ORDER BY id",
            self._typed.kind,
            self._typed.currency,
            self._typed.amount,
            (day - before).isoformat(),
            (day + RECORDED_LATE).isoformat(),
            self._typed.id,
        )

    def _looks_like(self, one: BankCredit) -> bool:
        typed = self._typed
        if self._known is not None:  # which line it is has been said: only money that is booked
            return one.settled and pays(one, self._payment) and self._is_near(one)
        here, its = one.bank_account in self._names, pays(one, self._payment)
        if one.kind != typed.kind:
            return False
        if one.folded == typed.folded:
            return here or its
        named = here and bool(one.bank_ref) and same_reference(one.bank_ref, typed.bank_ref)
        return self._is_near(one) and (its or named)

    def _is_near(self, one: BankCredit) -> bool:
        before = APART if self._dated else RECORDED_LATE
        after = RECORDED_LATE if one.forms == BY_HAND else APART
        same_amount = (one.amount, one.currency) == (self._typed.amount, self._typed.currency)
        return same_amount and -before <= one.day - self._typed.day <= after

    def _closest(self, alike: Sequence[BankCredit]) -> BankCredit:
        """What staff are told of: the same name first, then what is booked."""
        return max(
            alike,
            key=lambda one: (one.folded == self._typed.folded, one.settled, one.created_at),
        )
