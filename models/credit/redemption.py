"""Redeeming a voucher, once an account."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final
from uuid import UUID

from tortoise import fields
from typing_extensions import override

from models.access import rate_limit
from models.access.identity import Actor, MemberRole, Role
from models.accounts import account as accounts
from models.credit import lines
from models.credit.voucher import Voucher, hash_of
from models.db import sql
from models.db.record import Record, new_id, public_id
from models.db.together import find_one
from models.errors import (
    NotFound,
    VoucherRefused,
)
from models.journal.command import Command, Invocation
from models.journal.idempotency import LATER, Made
from models.journal.journal import Journal
from models.journal.outbox import FactKind
from models.ledger.book import Book
from models.ledger.chart import LedgerKind
from models.ledger.credit_transaction import CreditTransaction, StatementLineKind
from models.ledger.opening import open_book
from models.ledger.posting import Leg, StatementLine

# Wrong codes that are allowed; a good one is not counted.
_WINDOW_SECONDS: Final = 600
_PER_ACCOUNT: Final = 20
_PER_ADDRESS: Final = 120
_PER_PARTNER: Final = 120


class Redemption(Record):
    """An account has redeemed a voucher. UNIQUE (voucher, account)."""

    voucher_id = fields.UUIDField()
    account_id = fields.UUIDField()
    credit_transaction_id = fields.UUIDField()

    class Meta:
        table = "redemption"


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
    """Redeem Voucher: the statement line of the credit that the code gave to the client's own
    account, or to one that a partner (`vouchers:redeem`) or staff name.

    Raises VoucherRefused at `code` for unknown, expired, used and foreign codes alike, RateLimited
    after too many of them, NotFound at `account_id`, Forbidden.
    """

    mutation: ClassVar[str] = "redeemVoucher"
    least_role: ClassVar[MemberRole] = MemberRole.BILLING
    makes: ClassVar[tuple[str, str]] = ("transaction", CreditTransaction.PREFIX)

    code_hash: str
    account_id: UUID | None = field(default=None, metadata=LATER)

    @classmethod
    def of(cls, code: str, account_id: UUID | None = None) -> RedeemVoucher:
        """For a code as somebody has typed it."""
        return cls(hash_of(code), account_id)

    @override
    def require(self, by: Actor) -> None:
        if by.role is not Role.CLIENT:
            by.require_scope("vouchers:redeem")

    @override
    def resource(self, by: Actor) -> Hashable:
        return ("voucher", self.code_hash)

    @override
    async def prepare(self, asked: Invocation) -> bool:
        """Count a wrong code, until it turns out to be a good one; whether it was counted."""
        return await rate_limit.spend_all(
            self._counters(asked),
            window_seconds=_WINDOW_SECONDS,
            while_under_way=self._click(asked),
        )

    @override
    async def read(self, asked: Invocation[bool], journal: Journal) -> Redeemer:
        # The balance is locked before the voucher, as everywhere: two locks in two orders would
        # wait for each other.
        account_id = asked.by.account_meant(self.account_id)
        account = await find_one(accounts.by_ids, account_id)
        if account is None:
            raise NotFound("account_id")
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
        journal.tell(FactKind.VOUCHER_REDEEMED, found.account.id, asked.id)
        line_id = public_id(CreditTransaction.PREFIX, asked.id)
        own = found.account.id
        journal.log_person(asked.by, "voucher.redeem", line_id, own)
        return book.posted(asked.id)

    @override
    async def recall(self, made: Made, asked: Invocation) -> CreditTransaction:
        assert made.id is not None
        line = (await lines.by_ids([made.id]))[made.id]
        if not asked.by.sees(line.account_id):
            raise NotFound("code")
        return line

    @override
    async def conclude(self, prepared: bool | None, asked: Invocation, *, done: bool) -> None:
        good = [(name, subject) for name, subject, _ in self._counters(asked)]
        counted = good if done and prepared else []
        await rate_limit.give_back_all([self._click(asked), *counted])

    def _click(self, asked: Invocation) -> tuple[str, str]:
        """The same click that comes many times at once is one try."""
        account_id = asked.by.account_meant(self.account_id)
        click = f"{asked.by.principal}:{asked.key}:{self.code_hash}:{account_id.hex}"
        return ("voucher:click", click)

    def _counters(self, asked: Invocation) -> list[tuple[str, str, int]]:
        """An account's tries, and those of whoever makes them: a client's by their address, a
        partner's all together, from wherever they come. Staff are trusted with the latter.
        """
        by = asked.by
        account_id = by.account_meant(self.account_id)
        counters = [("voucher:account", account_id.hex, _PER_ACCOUNT)]
        if by.role is Role.PARTNER:
            counters.append(("voucher:partner", by.principal, _PER_PARTNER))
        elif by.role is Role.CLIENT:
            counters.append(("voucher:address", rate_limit.network(by.address), _PER_ADDRESS))
        return counters
