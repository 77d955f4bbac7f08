"""Ways to pay, and what may be paid in."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final, TypeAlias

import strawberry

from models import gateway
from models.errors import Invalid
from models.gateway import accepts
from models.money import exponent
from models.payments.circuit import is_down
from models.provider.provider import CreditPolicy as Policy
from models.provider.provider import Limits, house
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.money import Locale, Money, MoneyInput
from schema.core.nodes import Node, found_by
from schema.core.permissions import existing_account
from schema.core.scalars import URL, CurrencyCode

PREFIX: Final = "gtw"

Currency: TypeAlias = Annotated[
    CurrencyCode, strawberry.argument(description="In which currency, an ISO 4217 code.")
]


@strawberry.enum
class GatewayKind(Enum):
    """What paying through a gateway is like for the client."""

    BANK_TRANSFER = "BANK_TRANSFER"
    "The client transfers the money and quotes a reference."
    CARD = "CARD"
    "A card form in the page."
    PAYPAL = "PAYPAL"
    "PayPal's own pages."
    SANDBOX = "SANDBOX"
    "No real money: for trying things out."


@strawberry.type
class Gateway(Node):
    """A way to pay, as the gateway drop-down lists it."""

    code: str
    "Stable short name, used in inputs: `bank-transfer`."
    kind: GatewayKind
    "What paying through it is like."
    currencies: list[CurrencyCode]
    "What it can be paid in."
    port: strawberry.Private[gateway.Gateway]

    @classmethod
    def of(cls, port: gateway.Gateway) -> Gateway:
        """Show a gateway."""
        return cls(
            id=strawberry.ID(f"{PREFIX}_{port.code}"),
            code=port.code,
            kind=GatewayKind(port.kind.value),
            currencies=[CurrencyCode(currency) for currency in sorted(port.currencies)],
            port=port,
        )

    @strawberry.field
    def name(self, info: Info, locale: Locale = None) -> str:
        """For people: what the drop-down shows."""
        return self.port.name(info.context.locale_for(locale))

    @strawberry.field
    def available(self) -> bool:
        """Whether it answers just now. False while it is out of order; other ways to pay go on."""
        return not is_down(self.port.code)

    @strawberry.field
    @refused_at_top
    def minimum(self, info: Info, currency: Currency) -> Money | None:  # noqa: ARG002 - the decorator's
        """The least that it takes in that currency; null where there is no such limit."""
        exponent(currency)
        least = self.port.minimum(currency) if currency in self.port.currencies else None
        return Money.of(least) if least else None

    @strawberry.field
    @refused_at_top
    def maximum(self, info: Info, currency: Currency) -> Money | None:  # noqa: ARG002 - the decorator's
        """The most that it takes in that currency; null where there is no such limit."""
        exponent(currency)
        most = self.port.maximum(currency) if currency in self.port.currencies else None
        return Money.of(most) if most else None

    @strawberry.field
    @refused_at_top
    def fee(
        self,
        info: Info,  # noqa: ARG002 - the decorator's
        amount: Annotated[MoneyInput, strawberry.argument(description="What is to be paid.")],
    ) -> Money:
        """What this gateway adds to a payment of `amount`."""
        return Money.of(self.port.fee(amount.exact("amount")))


def gateway_of(code: str | None) -> Gateway | None:
    """The gateway with that code; None where it is not offered any more."""
    port = house().gateways.get(code) if code else None
    return Gateway.of(port) if port else None


@found_by(PREFIX)
async def _gateway_node(_info: Info, id: str) -> Gateway | None:
    return gateway_of(id.partition("_")[2])


@strawberry.type
class FundsLimits:
    """What may be deposited, and how much credit there may be, in one currency."""

    minimum_deposit: Money
    "The least that may be deposited at once."
    maximum_deposit: Money
    "The most that may be deposited at once."
    maximum_balance: Money | None
    "The most credit that an account may have; null where there is no such limit."

    @classmethod
    def of(cls, limits: Limits) -> FundsLimits:
        """Show a currency's limits."""
        most = limits.maximum_balance
        return cls(
            minimum_deposit=Money.of(limits.minimum_deposit),
            maximum_deposit=Money.of(limits.maximum_deposit),
            maximum_balance=Money.of(most) if most else None,
        )


@strawberry.type
class CreditPolicy:
    """The Account Credit Handling Policy that deposits are made under."""

    version: str
    "What `addFunds` takes as `acceptedPolicyVersion`."
    url: URL
    "The policy in full."
    refundable_in_cash: bool
    "Whether credit can be paid out."

    @classmethod
    def of(cls, policy: Policy) -> CreditPolicy:
        """Show the policy that is in force."""
        return cls(
            version=policy.version,
            url=URL(policy.url),
            refundable_in_cash=policy.refundable_in_cash,
        )

    @strawberry.field
    def summary(self, info: Info, locale: Locale = None) -> str:
        """In short: deposits are in principle not refundable in cash."""
        key = "policy.summary.refundable" if self.refundable_in_cash else "policy.summary"
        return texts.say(key, info.context.locale_for(locale))


_SLOW: Final = gateway.GatewayKind.BANK_TRANSFER


@strawberry.type
class GatewayQuery:
    """What may be paid in, and how."""

    @strawberry.field
    @refused_at_top
    async def gateways(
        self,
        info: Info,
        amount: Annotated[
            MoneyInput | None,
            strawberry.argument(
                description="What is to be paid. Omitted: all gateways are listed."
            ),
        ] = None,
    ) -> list[Gateway]:
        """The gateway drop-down: what can pay `amount`, best first."""
        info.context.signed_in()
        ports = list(house().gateways.values())
        if amount is not None:
            wanted = amount.exact("amount")
            ports = [port for port in ports if wanted.minor > 0 and accepts(port, wanted)]
            # The cheapest; what pays at once before what takes days; the provider's own order.
            ports.sort(key=lambda port: (port.fee(wanted).minor, port.kind == _SLOW))
        return [Gateway.of(port) for port in ports]

    @strawberry.field
    @refused_at_top
    async def funds_limits(
        self,
        info: Info,
        currency: Annotated[
            CurrencyCode | None,
            strawberry.argument(description="Omitted: the client's own; others name one."),
        ] = None,
    ) -> FundsLimits:
        """What may be deposited, in one currency."""
        actor = info.context.signed_in()
        if currency is None:
            if actor.account_id is None:
                raise Invalid("currency", problem="null")
            currency = CurrencyCode((await existing_account(info, actor.account_id)).currency)
        return FundsLimits.of(house().limits_of(currency, "currency"))

    @strawberry.field
    def credit_policy(self) -> CreditPolicy:
        """The policy that is in force. Needs no sign-in."""
        return CreditPolicy.of(house().policy)
