"""New vouchers, as staff issue them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final

from typing_extensions import override

from models.access.identity import Actor
from models.clock import now
from models.credit.voucher import Voucher, codes_of, hash_of
from models.db import sql
from models.db.record import new_id
from models.errors import (
    AmountOutOfRange,
    IdempotencyKeyReused,
    Invalid,
    NotAllowed,
)
from models.journal.command import Invocation, StaffCommand
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.money import Money
from models.provider.provider import provider
from models.text import clean_text

CODES_MAX: Final = 1000
SHOWN_AGAIN: Final = timedelta(hours=24)
_REDEMPTIONS_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class IssueVouchers(StaffCommand[bool, list[str]]):
    """New codes; the same key shows them again for 24 hours (NotAllowed after that). Staff only.

    Raises Invalid, AmountPrecision, AmountOutOfRange, CurrencyNotSupported at their fields.
    """

    mutation: ClassVar[str] = "issueVouchers"

    count: int
    amount: Decimal
    currency: str
    max_redemptions: int = 1
    expires_at: datetime | None = None
    credit_expires_at: datetime | None = None
    note: str | None = None

    @override
    async def read(self, asked: Invocation, journal: Journal) -> bool:
        """Whether this key has made codes: the same ones, also long after it was forgotten."""
        first = hash_of(codes_of(asked.by, asked.key, 1)[0])
        return bool(await sql.fetch("SELECT id FROM voucher WHERE code_hash = $1", first))

    @override
    def decide(self, found: bool, asked: Invocation, journal: Journal) -> list[str]:
        worth = _checked(self.count, self.amount, self.currency, self.max_redemptions)
        for name in ("expires_at", "credit_expires_at"):
            moment = getattr(self, name)
            if moment is not None and moment <= journal.at:
                raise Invalid(name, problem="past")
        text = clean_text(self.note, "note", maximum=200, required=False) if self.note else ""
        if found:
            raise IdempotencyKeyReused("idempotency_key")
        codes = codes_of(asked.by, asked.key, self.count)
        journal.add(*(self._voucher(code, worth, text, asked.by, journal.at) for code in codes))
        facts = {"count": self.count, "amount": worth.minor, "currency": self.currency}
        journal.log(asked.by, "vouchers.issue", "", **facts)
        return codes

    def _voucher(self, code: str, worth: Money, note: str, by: Actor, moment: datetime) -> Voucher:
        return Voucher(
            id=new_id(),
            created_at=moment,
            code_hash=hash_of(code),
            currency=self.currency,
            amount=worth.minor,
            max_redemptions=self.max_redemptions,
            expires_at=self.expires_at,
            credit_expires_at=self.credit_expires_at,
            note=note,
            issued_by_id=by.user_id,
        )

    @override
    async def recall(self, made: Made, asked: Invocation) -> list[str]:
        if made.at + SHOWN_AGAIN < now():
            raise NotAllowed("idempotency_key", why="codes_shown")
        return codes_of(asked.by, asked.key, self.count)


def _checked(count: int, amount: Decimal, currency: str, max_redemptions: int) -> Money:
    if not 1 <= count <= CODES_MAX:
        raise Invalid("count", problem="voucher_count")
    if not 1 <= max_redemptions <= _REDEMPTIONS_MAX:
        raise Invalid("max_redemptions", problem="redemptions_range")
    most = provider().limits_of(currency, "amount", "currency").maximum_deposit
    worth = Money.parse(amount, currency, "amount", "amount")
    if worth.minor < 1 or most < worth:
        raise AmountOutOfRange("amount", "amount", minimum=Money(1, currency), maximum=most)
    return worth
