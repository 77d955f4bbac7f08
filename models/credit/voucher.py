"""Vouchers: codes that turn into promotional credit, once an account.

Codes have 100 bits. They are derived from the house's secret, the principal, the idempotency key
and their number, so that the same request shows the same codes again; only keyed hashes are kept.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from tortoise import fields

from models.access import rate_limit
from models.access.identity import Actor, Role
from models.accounts import account as accounts
from models.clock import now
from models.credit.balance import lines_by_ids
from models.db import sql
from models.db.record import Record, new_id, parse_id, public_id
from models.errors import (
    AmountOutOfRange,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    NotAllowed,
    NotFound,
    VoucherRefused,
)
from models.journal import audit_log, idempotency, outbox
from models.ledger.book import Leg, Line, book
from models.ledger.chart import CreditTransaction, LedgerKind, LineKind
from models.money import Money
from models.provider.provider import house
from models.text import clean_text

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


class Voucher(Record):
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


class Redemption(Record):
    """An account has redeemed a voucher. UNIQUE (voucher, account)."""

    voucher_id = fields.UUIDField()
    account_id = fields.UUIDField()
    credit_transaction_id = fields.UUIDField()

    class Meta:
        table = "redemption"


# ------------------------------------------------------------------------------- redeeming


async def redeem(code: str, *, by: Actor, key: str) -> CreditTransaction:
    """Redeem Voucher: the statement line of the credit that the code gave.

    Raises VoucherRefused at `code` for unknown, expired, used and foreign codes alike, RateLimited
    after too many of them, Forbidden for partners and staff.
    """
    if by.role is not Role.CLIENT:
        raise Forbidden("client")
    account_id, line_id = by.own_account(), new_id()
    digest = _hash(_normal(code))
    counters = [
        ("voucher:account", account_id.hex, _PER_ACCOUNT),
        ("voucher:address", rate_limit.network(by.address), _PER_ADDRESS),
    ]

    # The same click that comes many times at once is one attempt.
    click = ("voucher:click", f"{by.principal}:{key}:{digest}")
    counted = False

    async def prepare() -> None:
        nonlocal counted
        counted = await rate_limit.spend_all(
            counters, window_seconds=_WINDOW_SECONDS, while_under_way=click
        )

    async def work() -> None:
        account = (await accounts.by_ids([account_id]))[account_id]
        await _redeem(account, digest, line_id)

    async def admit(made: idempotency.Result) -> None:
        if (await _made(made)).account_id != account_id:
            raise NotFound("code")

    made = {"transaction": public_id(CreditTransaction.PREFIX, line_id)}
    given = {"code": digest}
    good = []
    try:
        done = await idempotency.once(
            by, key, "redeemVoucher", given, made, admit=admit, work=work, prepare=prepare
        )
        good = [(name, subject) for name, subject, _ in counters] if counted else []
    finally:
        await rate_limit.give_back_all([click, *good])
    return await _made(done)


async def _made(done: idempotency.Result) -> CreditTransaction:
    redeemed_id = parse_id(CreditTransaction.PREFIX, done["transaction"])
    assert redeemed_id is not None
    return (await lines_by_ids([redeemed_id]))[redeemed_id]


async def _redeem(account: accounts.Account, digest: str, line_id: UUID) -> None:
    # The balance is locked before the voucher, as everywhere: two locks in two orders would wait
    # for each other.
    async with book(account.id, account.currency) as opened:
        voucher = await _claim(account, digest)
        grant_id = new_id()
        redemption = {
            "id": grant_id,
            "created_at": now(),
            "voucher_id": voucher["id"],
            "account_id": account.id,
            "credit_transaction_id": line_id,
        }
        if not await sql.insert("redemption", [redemption], ignore_conflicts=True):
            raise VoucherRefused("code")
        grant = await opened.open_grant(grant_id, voucher["amount"], voucher["credit_expires_at"])
        line = Line(LineKind.VOUCHER, grant_id.hex, note=voucher["note"], id=line_id)
        promotions = opened.house(LedgerKind.PROMOTIONS)
        opened.post(line, [Leg(promotions, grant, voucher["amount"])])
    await outbox.record([outbox.Fact("voucher.redeemed", account.id, voucher["id"])])


async def _claim(account: accounts.Account, digest: str) -> sql.Row:
    """Count one redemption of the code, if it is good for this account."""
    moment = now()
    rows = await sql.fetch(
        "UPDATE voucher SET redeemed = redeemed + 1 WHERE code_hash = $1 AND currency = $2"
        " AND redeemed < max_redemptions AND (expires_at IS NULL OR expires_at > $3)"
        " AND (credit_expires_at IS NULL OR credit_expires_at > $3)"
        " RETURNING id, amount, credit_expires_at, note",
        digest,
        account.currency,
        moment,
    )
    if not rows:
        raise VoucherRefused("code")
    return rows[0]


# ------------------------------------------------------------------------------- issuing


async def issue(
    count: int,
    amount: Decimal,
    currency: str,
    *,
    max_redemptions: int,
    expires_at: datetime | None,
    credit_expires_at: datetime | None,
    note: str | None,
    by: Actor,
    key: str,
) -> list[str]:
    """New codes; the same key shows them again for 24 hours (NotAllowed after that). Staff only.

    Raises Invalid, AmountPrecision, AmountOutOfRange, CurrencyNotSupported at their fields.
    """
    by.require_staff()
    given = {
        "count": count,
        "amount": str(amount),
        "currency": currency,
        "max_redemptions": max_redemptions,
        "expires": expires_at.isoformat() if expires_at else None,
        "credit_expires": credit_expires_at.isoformat() if credit_expires_at else None,
        "note": note,
    }
    codes: list[str] = []

    async def work() -> None:
        worth = _checked(count, amount, currency, max_redemptions)
        for name, moment in (("expires_at", expires_at), ("credit_expires_at", credit_expires_at)):
            if moment is not None and moment <= now():
                raise Invalid(name, problem="past")
        text = clean_text(note, "note", maximum=200, required=False) if note else ""
        codes[:] = _codes(by, key, count)
        rows = [
            {
                "id": new_id(),
                "created_at": now(),
                "code_hash": _hash(_normal(code)),
                "currency": currency,
                "amount": worth.minor,
                "max_redemptions": max_redemptions,
                "redeemed": 0,
                "expires_at": expires_at,
                "credit_expires_at": credit_expires_at,
                "note": text,
                "issued_by_id": by.user_id,
            }
            for code in codes
        ]
        for start in range(0, count, _ROWS_A_STATEMENT):
            some = rows[start : start + _ROWS_A_STATEMENT]
            # The same key makes the same codes, also long after it has been forgotten.
            if len(await sql.insert("voucher", some, ignore_conflicts=True)) < len(some):
                raise IdempotencyKeyReused("idempotency_key")
        facts = {"count": count, "amount": worth.minor, "currency": currency}
        await audit_log.record(by, "vouchers.issue", "", **facts)

    made = {"count": str(count), "until": (now() + SHOWN_AGAIN).isoformat()}
    done = await idempotency.once(
        by, key, "issueVouchers", given, made, admit=idempotency.for_staff(by), work=work
    )
    if done is made:
        return codes
    if datetime.fromisoformat(done["until"]) < now():
        raise NotAllowed("idempotency_key", why="codes_shown")
    return _codes(by, key, int(done["count"]))


#: SQLite takes at most 32,766 parameters, PostgreSQL 65,535.
_ROWS_A_STATEMENT: Final = 500


def _checked(count: int, amount: Decimal, currency: str, max_redemptions: int) -> Money:
    if not 1 <= count <= CODES_MAX:
        raise Invalid("count", problem="voucher_count")
    if not 1 <= max_redemptions <= _REDEMPTIONS_MAX:
        raise Invalid("max_redemptions", problem="redemptions_range")
    most = house().limits_of(currency, "amount", "currency").maximum_deposit
    worth = Money.parse(amount, currency, "amount", "amount")
    if worth.minor < 1 or most < worth:
        raise AmountOutOfRange("amount", "amount", minimum=Money(1, currency), maximum=most)
    return worth


# ------------------------------------------------------------------------------- codes


def _codes(by: Actor, key: str, count: int) -> list[str]:
    return [_code(by.principal, key, index) for index in range(count)]


def _code(principal: str, key: str, index: int) -> str:
    text = f"voucher-code\0{principal}\0{key}\0{index}"
    number = int.from_bytes(hmac.digest(house().secret, text.encode(), "sha256"))
    letters = "".join(_ALPHABET[number >> 5 * n & 31] for n in range(_LENGTH))
    return "-".join(letters[n : n + 5] for n in range(0, _LENGTH, 5))


def _normal(code: str) -> str:
    """A code as it was typed, without what people put between; empty where it cannot be one."""
    if len(code) > _TYPED_MAX:
        return ""
    typed = unicodedata.normalize("NFKC", code).upper()
    text = "".join(c for c in typed if c.isascii() and c.isalnum()).translate(_AS_SEEN)
    return text if len(text) == _LENGTH else ""


def _hash(normal: str) -> str:
    key = hmac.digest(house().secret, b"voucher-hash", hashlib.sha256)
    return hmac.new(key, normal.encode(), hashlib.sha256).hexdigest()
