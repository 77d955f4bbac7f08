"""Vouchers: redeemed by clients, issued by staff."""

from __future__ import annotations

from datetime import datetime

import strawberry

from models.credit.issue_vouchers import IssueVouchers
from models.credit.redemption import RedeemVoucher
from models.journal.command import run
from schema.balance import BalancePayload
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.ids import account_named
from schema.core.money import MoneyInput
from schema.statement import CreditTransaction


@strawberry.input
class RedeemVoucherInput:
    """The code to redeem."""

    code: str
    "The code; case, spaces and hyphens don't matter."
    account_id: strawberry.ID | None = None
    "For partners (`vouchers:redeem`) and staff: the client. Clients may omit it."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class RedeemVoucherPayload(BalancePayload):
    """The result of `redeemVoucher`."""

    transaction: CreditTransaction | None = None
    "The new line in the credit statement."


@strawberry.input
class IssueVouchersInput:
    """The vouchers to issue."""

    count: int = 1
    "The number of codes: 1 to 1000."
    amount: MoneyInput
    "The credit added by each redemption."
    max_redemptions: int = 1
    "How many accounts can redeem each code."
    expires_at: datetime | None = None
    "When the codes expire."
    credit_expires_at: datetime | None = None
    "When the credit expires."
    note: str | None = None
    "A note, shown in the credit statement."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class IssueVouchersPayload(Payload):
    """The result of `issueVouchers`."""

    codes: list[str] = strawberry.field(default_factory=list)
    """The codes. Only their hashes are stored; the same idempotency key returns them again for 24
    hours.
    """


@strawberry.type
class VoucherMutation:
    """Vouchers."""

    @strawberry.mutation
    @refused_in_payload
    async def redeem_voucher(self, info: Info, input: RedeemVoucherInput) -> RedeemVoucherPayload:
        """Redeem Voucher: turns a code into credit. At most one per request. Partners (scope
        `vouchers:redeem`) and staff name the client.
        """
        by = info.context.signed_in()
        command = RedeemVoucher.of(input.code, account_named(input.account_id))
        line = await run(command, by, input.idempotency_key)
        touched = (line.account_id, line.currency)
        return RedeemVoucherPayload(transaction=CreditTransaction.of(line), touched=touched)

    @strawberry.mutation
    @refused_in_payload
    async def issue_vouchers(self, info: Info, input: IssueVouchersInput) -> IssueVouchersPayload:
        """Staff: issues voucher codes."""
        by = info.context.signed_in()
        codes = await run(
            IssueVouchers(
                input.count,
                input.amount.amount,
                input.amount.currency,
                max_redemptions=input.max_redemptions,
                expires_at=input.expires_at,
                credit_expires_at=input.credit_expires_at,
                note=input.note,
            ),
            by,
            input.idempotency_key,
        )
        return IssueVouchersPayload(codes=codes)
