"""+ Add Funds."""

from __future__ import annotations

from typing import Annotated

import strawberry

from models.checkout.preview import preview_funds
from models.invoices.deposit import AddFunds
from models.journal.command import run
from models.provider.provider import provider
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.ids import account_named
from schema.core.money import Money, MoneyInput
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
class AddFundsPreview(Payload):
    """What a deposit would come to, once it has been paid."""

    credited: Money | None = None
    "What is added to the available credit."
    fee: Money | None = None
    "The gateway's fee."
    charged: Money | None = None
    "The total charged: credited + debtRepaid + fee."
    bonus: Money | None = None
    "Promotional credit that comes with it; null if none does."
    debt_repaid: Money | None = None
    "What repays a debt first."
    available_after: Money | None = None
    "The available credit after that."


@strawberry.type
class FundsQuery:
    """Previews of deposits."""

    @strawberry.field
    @refused_in_payload
    async def preview_add_funds(
        self,
        info: Info,
        amount: Annotated[MoneyInput, strawberry.argument(description="The amount to deposit.")],
        account_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The client. Clients may omit it."),
        ] = None,
        gateway: Annotated[
            str | None,
            strawberry.argument(
                description="The code of the gateway. Defaults to the first that `gateways` lists."
            ),
        ] = None,
    ) -> AddFundsPreview:
        """What `addFunds` and then paying its invoice would come to now. Changes nothing."""
        by = info.context.signed_in()
        named, version = account_named(account_id), provider().policy.version
        add = AddFunds(amount.amount, amount.currency, gateway or "", version, named)
        told = await preview_funds(add, by)
        currency = told.currency
        return AddFundsPreview(
            credited=Money.minor(told.credited, currency),
            fee=Money.minor(told.fee, currency),
            charged=Money.minor(told.charged, currency),
            debt_repaid=Money.minor(told.debt_repaid, currency),
            available_after=Money.minor(told.available_after, currency),
        )


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
