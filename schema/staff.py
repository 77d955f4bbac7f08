"""What only staff do to credit."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from models.accounts.account import Account
from models.bank.by_hand import RecordBankTransfer
from models.bank.line import BankCredit
from models.credit.adjustment import AdjustCredit
from models.journal.command import run
from schema.balance import BalancePayload
from schema.core.context import Info
from schema.core.errors import refused_in_payload
from schema.core.ids import id_of
from schema.core.money import MoneyInput
from schema.payment import Payment, PaymentPayload
from schema.statement import CreditTransaction


@strawberry.input
class RecordBankTransferInput:
    """The bank transfer that was received."""

    reference: str
    "The reference that the client quoted."
    amount: MoneyInput
    "The amount received, as reported by the bank."
    bank_account: str
    "The provider's account that received it: IBAN or account number."
    bank_transaction_id: str
    "The bank's ID of the transaction. The same ID is never booked twice on one account."
    received_at: datetime | None = None
    "When it was received. Defaults to now."
    despite: strawberry.ID | None = None
    """
    To record it although it was refused as a possible duplicate: the ID of that
    `PossibleDuplicate.bankCredit`.
    """
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


def _despite(input: RecordBankTransferInput) -> UUID | None:
    if input.despite is None:
        return None
    return id_of(BankCredit.PREFIX, input.despite, "despite")


@strawberry.type
class RecordBankTransferPayload(BalancePayload, PaymentPayload):
    """The result of `recordBankTransfer`."""


@strawberry.input
class AdjustCreditInput:
    """A change to an account's credit."""

    account_id: strawberry.ID
    "The account whose credit changes."
    amount: MoneyInput
    "The amount: positive adds credit, negative takes it away."
    reason: str
    "The reason: shown to the client in the credit statement, and kept in the audit log."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class AdjustCreditPayload(BalancePayload):
    """The result of `adjustCredit`."""

    transaction: CreditTransaction | None = None
    "The new line in the credit statement."


@strawberry.type
class StaffMutation:
    """What only staff do to credit."""

    @strawberry.mutation
    @refused_in_payload
    async def record_bank_transfer(
        self, info: Info, input: RecordBankTransferInput
    ) -> RecordBankTransferPayload:
        """Staff: records a bank transfer that was received, and books it on the payment whose
        reference it quotes.
        """
        by = info.context.signed_in()
        record = await run(
            RecordBankTransfer(
                input.reference,
                input.amount.amount,
                input.amount.currency,
                bank_account=input.bank_account,
                bank_transaction=input.bank_transaction_id,
                received_at=input.received_at,
                despite=_despite(input),
            ),
            by,
            input.idempotency_key,
        )
        touched = (record.account_id, record.currency)
        return RecordBankTransferPayload(payment=Payment.of(record), touched=touched)

    @strawberry.mutation
    @refused_in_payload
    async def adjust_credit(self, info: Info, input: AdjustCreditInput) -> AdjustCreditPayload:
        """Staff: changes an account's credit, with a reason."""
        by = info.context.signed_in()
        line = await run(
            AdjustCredit(
                id_of(Account.PREFIX, input.account_id, "account_id"),
                input.amount.amount,
                input.amount.currency,
                input.reason,
            ),
            by,
            input.idempotency_key,
        )
        touched = (line.account_id, line.currency)
        return AdjustCreditPayload(transaction=CreditTransaction.of(line), touched=touched)
