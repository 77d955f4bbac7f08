"""+ Add Funds."""

from __future__ import annotations

import strawberry

from models.invoices import deposit
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.money import MoneyInput
from schema.invoice import Invoice


@strawberry.input
class AddFundsInput:
    """A deposit to make."""

    amount: MoneyInput
    """
    How much, within `fundsLimits`: in the account's own currency, or in another that it has a
    balance or a debt in.
    """
    gateway: str
    "The code of the gateway to pay through, such as `bank-transfer`."
    accepted_policy_version: str
    "The policy version that was shown to the client."
    idempotency_key: str
    "1 to 255 printable ASCII characters, one per click."


@strawberry.type
class AddFundsPayload(Payload):
    """What `addFunds` answers."""

    invoice: Invoice | None = None
    "The unpaid invoice that deposits the amount: pay it with `payInvoice`."


@strawberry.type
class FundsMutation:
    """Adding funds."""

    @strawberry.mutation
    @refused_in_payload
    async def add_funds(self, info: Info, input: AddFundsInput) -> AddFundsPayload:
        """+ Add Funds: makes the unpaid invoice that deposits `amount`."""
        by = info.context.signed_in()
        record = await deposit.add_funds(
            input.amount.amount,
            input.amount.currency,
            input.gateway,
            input.accepted_policy_version,
            by=by,
            key=input.idempotency_key,
        )
        return AddFundsPayload(invoice=Invoice.of(record))
