"""+ Add Funds."""

from __future__ import annotations

import strawberry

from models.invoices.deposit import AddFunds
from models.journal.command import run
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.ids import account_named
from schema.core.money import MoneyInput
from schema.invoice import Invoice


@strawberry.input
class AddFundsInput:
    """A deposit to make."""

    amount: MoneyInput
    """
    The amount to deposit, within `fundsLimits`. Its currency is the account's own, or another in
    which the account has a balance or a debt.
    """
    gateway: str
    "The code of the gateway to pay through, such as `bank-transfer`."
    accepted_policy_version: str
    "The policy version that was shown to the client, and that the client accepted."
    account_id: strawberry.ID | None = None
    "For partners (`funds:write`) and staff: the client. Clients may omit it."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class AddFundsPayload(Payload):
    """The result of `addFunds`."""

    invoice: Invoice | None = None
    "The unpaid invoice for the deposit; pay it with `payInvoice`."


@strawberry.type
class FundsMutation:
    """Adding funds."""

    @strawberry.mutation
    @refused_in_payload
    async def add_funds(self, info: Info, input: AddFundsInput) -> AddFundsPayload:
        """+ Add Funds: issues the unpaid invoice for a deposit of `amount`. Partners (scope
        `funds:write`) and staff name the client, and pass on the policy version that the client
        accepted.
        """
        by = info.context.signed_in()
        record = await run(
            AddFunds(
                input.amount.amount,
                input.amount.currency,
                input.gateway,
                input.accepted_policy_version,
                account_named(input.account_id),
            ),
            by,
            input.idempotency_key,
        )
        return AddFundsPayload(invoice=Invoice.of(record))
