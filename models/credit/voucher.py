"""Vouchers: codes that turn into promotional credit, once an account.

Codes have 100 bits. They are derived from the provider's secret, the principal, the idempotency key
and their number, so that the same request shows the same codes again; only keyed hashes are kept.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields
from typing_extensions import override

from models.access import rate_limit
from models.access.identity import Actor, Role
from models.accounts import account as accounts
from models.clock import now
from models.credit import lines
from models.db import sql
from models.db.record import Changing, Record, new_id
from models.db.together import find_one
from models.errors import (
    AmountOutOfRange,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    NotAllowed,
    NotFound,
    VoucherRefused,
)
from models.journal.command import Command, Invocation, StaffCommand
from models.journal.idempotency import Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.book import Book
from models.ledger.chart import CreditTransaction, LedgerKind, StatementLineKind
from models.ledger.opening import open_book
from models.ledger.posting import Leg, StatementLine
from models.money import Money
from models.provider.provider import provider
from models.text import clean_text, common_width

CODES_MAX: Final = 1000
SHOWN_AGAIN: Final = timedelta(hours=24)
_REDEMPTIONS_MAX: Final = 1_000_000

# Crockford's base 32: no I, L, O or U; what people type for them is read as what they saw.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_SEEN: Final = str.maketrans("ILO", "110")
_LENGTH: Final = 20
_TYPED_MAX: Final = 64

# Wrong codes that are allowed; a good one is not counted.
_WINDOW_SECONDS: Final = 600
_PER_ACCOUNT: Final = 20
_PER_ADDRESS: Final = 120


class Voucher(Changing):
    """One code: `amount` minor units for each of up to `max_redemptions` accounts."""

    code_hash = fields.CharField(max_length=64)
    currency = fields.CharField(max_length=3)
    amount = fields.BigIntField()
    max_redemptions = fields.IntField(default=1)
    redeemed = fields.IntField(default=0)
    expires_at = fields.DatetimeField(null=True)
    credit_expires_at = fields.DatetimeField(null=True)
    note = fields.CharField(max_length=200, default="")
    issued_by_id = fields.UUIDField()

    class Meta:
        table = "voucher"

    def is_good(self, currency: str, moment: datetime) -> bool:
        """Whether one more account of that currency may redeem it."""
        ends = (self.expires_at, self.credit_expires_at)
        is_over = any(end is not None and end <= moment for end in ends)
        return self.currency == currency and self.redeemed < self.max_redemptions and not is_over


class Redemption(Record):
    """An account has redeemed a voucher. UNIQUE (voucher, account)."""

    voucher_id = fields.UUIDField()
    account_id = fields.UUIDField()
    credit_transaction_id = fields.UUIDField()

    class Meta:
        table = "redemption"


# ------------------------------------------------------------------------------- redeeming


@dataclass(frozen=True, slots=True)
class Redeemer:
    """What redeeming is decided on: the voucher with this code, if there is one."""

    account: accounts.Account
    book: Book
    voucher: Voucher | None
    has_redeemed: bool


async def _by_codes(
    keys: Sequence[tuple[str, UUID]],
) -> dict[tuple[str, UUID], tuple[Voucher, bool]]:
    """Vouchers, locked, by the hash of their code and an account, and whether it has redeemed it.

    In one statement whatever comes of it: how much work it is tells nothing of a code.
    """
    rows = await sql.fetch(
        "SELECT v.*, g.account_id, EXISTS (SELECT 1 FROM redemption r"
        " WHERE r.voucher_id = v.id AND r.account_id = g.account_id) AS has_redeemed"
        f" FROM {sql.given('g', 1, code_hash='text', account_id='uuid')}"
        f" JOIN voucher v ON v.code_hash = g.code_hash ORDER BY v.id{sql.for_update('v')}",
        sql.json([{"code_hash": hashed, "account_id": str(id)} for hashed, id in keys]),
    )
    found = {}
    for row in rows:
        account_id, has_redeemed = row.pop("account_id"), bool(row.pop("has_redeemed"))
        found[row["code_hash"], account_id] = sql.record_of(Voucher, row), has_redeemed
    return found


@dataclass(frozen=True, slots=True)
class RedeemVoucher(Command[Redeemer, CreditTransaction, bool]):
    """Redeem Voucher: the statement line of the credit that the code gave.

    Raises VoucherRefused at `code` for unknown, expired, used and foreign codes alike, RateLimited
    after too many of them, Forbidden for partners and staff.
    """

    mutation: ClassVar[str] = "redeemVoucher"
    makes: ClassVar[tuple[str, str]] = ("transaction", CreditTransaction.PREFIX)

    code_hash: str

    @classmethod
    def of(cls, code: str) -> RedeemVoucher:
        """For a code as somebody has typed it."""
        return cls(_hash(_normal(code)))

    @override
    def require(self, by: Actor) -> None:
        if by.role is not Role.CLIENT:
            raise Forbidden("client")

    @override
    def resource(self, by: Actor) -> Hashable:
        return ("voucher", self.code_hash)

    @override
    async def prepare(self, asked: Invocation) -> bool:
        """Count a wrong code, until it turns out to be a good one; whether it was counted."""
        return await rate_limit.spend_all(
            _counters(asked), window_seconds=_WINDOW_SECONDS, while_under_way=self._click(asked)
        )

    @override
    async def read(self, asked: Invocation[bool], journal: Journal) -> Redeemer:
        # The balance is locked before the voucher, as everywhere: two locks in two orders would
        # wait for each other.
        account_id = asked.by.own_account()
        account = await find_one(accounts.by_ids, account_id)
        assert account is not None
        book = await open_book(journal, account_id, account.currency)
        found = await find_one(_by_codes, (self.code_hash, account_id), is_lock=True)
        if found is None:
            return Redeemer(account, book, None, has_redeemed=False)
        return Redeemer(account, book, journal.watch(found[0]), has_redeemed=found[1])

    @override
    def decide(
        self, found: Redeemer, asked: Invocation[bool], journal: Journal
    ) -> CreditTransaction:
        voucher, book = found.voucher, found.book
        if voucher is None or found.has_redeemed or not voucher.is_good(book.currency, journal.at):
            raise VoucherRefused("code")
        grant_id = new_id()
        voucher.put(redeemed=voucher.redeemed + 1)
        redemption = Redemption(
            id=grant_id,
            created_at=journal.at,
            voucher_id=voucher.id,
            account_id=found.account.id,
            credit_transaction_id=asked.id,
        )
        journal.claim(redemption)
        grant = book.open_grant(grant_id, voucher.amount, voucher.credit_expires_at)
        line = StatementLine(
            StatementLineKind.VOUCHER, grant_id.hex, note=voucher.note, id=asked.id
        )
        book.post(line, [Leg(book.provider_account(LedgerKind.PROMOTIONS), grant, voucher.amount)])
        journal.tell(FactKind.VOUCHER_REDEEMED, found.account.id, voucher.id)
        return book.posted(asked.id)

    @override
    async def recall(self, made: Made, asked: Invocation) -> CreditTransaction:
        assert made.id is not None
        line = (await lines.by_ids([made.id]))[made.id]
        if line.account_id != asked.by.own_account():
            raise NotFound("code")
        return line

    @override
    async def conclude(self, prepared: bool | None, asked: Invocation, *, done: bool) -> None:
        good = [(name, subject) for name, subject, _ in _counters(asked)]
        counted = good if done and prepared else []
        await rate_limit.give_back_all([self._click(asked), *counted])

    def _click(self, asked: Invocation) -> tuple[str, str]:
        """The same click that comes many times at once is one try."""
        return ("voucher:click", f"{asked.by.principal}:{asked.key}:{self.code_hash}")


def _counters(asked: Invocation) -> list[tuple[str, str, int]]:
    return [
        ("voucher:account", asked.by.own_account().hex, _PER_ACCOUNT),
        ("voucher:address", rate_limit.network(asked.by.address), _PER_ADDRESS),
    ]


# ------------------------------------------------------------------------------- issuing


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
        first = _hash(_normal(_code(asked.by.principal, asked.key, 0)))
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
        codes = _codes(asked.by, asked.key, self.count)
        journal.add(*(self._voucher(code, worth, text, asked.by, journal.at) for code in codes))
        facts = {"count": self.count, "amount": worth.minor, "currency": self.currency}
        journal.log(asked.by, "vouchers.issue", "", **facts)
        return codes

    def _voucher(self, code: str, worth: Money, note: str, by: Actor, moment: datetime) -> Voucher:
        return Voucher(
            id=new_id(),
            created_at=moment,
            code_hash=_hash(_normal(code)),
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
        return _codes(asked.by, asked.key, self.count)


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


# ------------------------------------------------------------------------------- codes


def _codes(by: Actor, key: str, count: int) -> list[str]:
    return [_code(by.principal, key, index) for index in range(count)]


def _code(principal: str, key: str, index: int) -> str:
    text = f"voucher-code\0{principal}\0{key}\0{index}"
    number = int.from_bytes(hmac.digest(provider().secret, text.encode(), "sha256"))
    letters = "".join(_ALPHABET[number >> 5 * n & 31] for n in range(_LENGTH))
    return "-".join(letters[n : n + 5] for n in range(0, _LENGTH, 5))


def _normal(code: str) -> str:
    """A code as it was typed, without what people put between; empty where it cannot be one."""
    if len(code) > _TYPED_MAX:
        return ""
    typed = common_width(code).upper()
    text = "".join(c for c in typed if c.isascii() and c.isalnum()).translate(_AS_SEEN)
    return text if len(text) == _LENGTH else ""


def _hash(normal: str) -> str:
    key = hmac.digest(provider().secret, b"voucher-hash", hashlib.sha256)
    return hmac.new(key, normal.encode(), hashlib.sha256).hexdigest()
