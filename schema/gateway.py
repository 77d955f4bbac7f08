"""Ways to pay, and what may be paid in."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import strawberry

from models import gateway
from models.credit.limits import limits_meant
from models.gateway import GatewayKind
from models.money import exponent
from models.provider.circuit import is_down
from models.provider.offer import ranked
from models.provider.provider import CreditPolicy as Policy
from models.provider.provider import Limits, provider
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.money import Locale, Money, MoneyInput
from schema.core.nodes import Node, found_by
from schema.core.scalars import URL, CurrencyCode

PREFIX: Final = "gtw"

Currency: TypeAlias = Annotated[
    CurrencyCode, strawberry.argument(description="An ISO 4217 currency code.")
]


strawberry.enum(GatewayKind)


@strawberry.type
class Gateway(Node):
    """A payment method, as listed in the gateway drop-down."""

    code: str
    "Stable short name, used in inputs: `bank-transfer`."
    kind: GatewayKind
    "How the client pays through it."
    currencies: list[CurrencyCode]
    "The currencies that it accepts."
    port: strawberry.Private[gateway.Gateway]

    @classmethod
    def of(cls, port: gateway.Gateway) -> Gateway:
        """Show a gateway."""
        return cls(
            id=strawberry.ID(f"{PREFIX}_{port.code}"),
            code=port.code,
            kind=GatewayKind(port.kind),
            currencies=[CurrencyCode(currency) for currency in sorted(port.currencies)],
            port=port,
        )

    @strawberry.field
    def name(self, info: Info, locale: Locale = None) -> str:
        """Its name, as shown in the drop-down."""
        return self.port.name(info.context.locale_for(locale))

    @strawberry.field
    def available(self) -> bool:
        """Whether it currently works. False while the gateway is down."""
        return not is_down(self.port.code)

    @strawberry.field
    @refused_at_top
    def minimum(self, info: Info, currency: Currency) -> Money | None:  # noqa: ARG002 - the decorator's
        """The minimum amount in that currency; null if there is none."""
        exponent(currency)
        least = self.port.minimum(currency) if currency in self.port.currencies else None
        return Money.of(least) if least else None

    @strawberry.field
    @refused_at_top
    def maximum(self, info: Info, currency: Currency) -> Money | None:  # noqa: ARG002 - the decorator's
        """The maximum amount in that currency; null if there is none."""
        exponent(currency)
        most = self.port.maximum(currency) if currency in self.port.currencies else None
        return Money.of(most) if most else None

    @strawberry.field
    @refused_at_top
    def fee(
        self,
        info: Info,  # noqa: ARG002 - the decorator's
        amount: Annotated[MoneyInput, strawberry.argument(description="The amount to pay.")],
    ) -> Money:
        """The fee that this gateway adds to a payment of `amount`."""
        return Money.of(self.port.fee(amount.exact("amount")))


def gateway_of(code: str | None) -> Gateway | None:
    """The gateway with that code; None where it is not offered any more."""
    port = provider().gateways.get(code) if code else None
    return Gateway.of(port) if port else None


@found_by(PREFIX)
async def _gateway_node(_info: Info, id: str) -> Gateway | None:
    return gateway_of(id.partition("_")[2])


@strawberry.type
class FundsLimits:
    """The deposit and balance limits for one currency."""

    minimum_deposit: Money
    "The minimum deposit."
    maximum_deposit: Money
    "The maximum deposit."
    maximum_balance: Money | None
    "The maximum balance; null if there is none."

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
    "The version to pass to `addFunds` as `acceptedPolicyVersion`."
    url: URL
    "The full policy."
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
        """The policy in one or two sentences."""
        key = "policy.summary.refundable" if self.refundable_in_cash else "policy.summary"
        return texts.say(key, info.context.locale_for(locale))


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
                description="The amount to pay. Without it all gateways are listed."
            ),
        ] = None,
    ) -> list[Gateway]:
        """The gateway drop-down: the gateways that accept `amount`, best first."""
        info.context.signed_in()
        ports = provider().gateways.values()
        shown = ports if amount is None else ranked(ports, amount.exact("amount"))
        return [Gateway.of(port) for port in shown]

    @strawberry.field
    @refused_at_top
    async def funds_limits(
        self,
        info: Info,
        currency: Annotated[
            CurrencyCode | None,
            strawberry.argument(
                description="Defaults to the client's own; partners and staff must name one."
            ),
        ] = None,
    ) -> FundsLimits:
        """The deposit limits for one currency."""
        by, find = info.context.signed_in(), info.context.loaders.account.load
        return FundsLimits.of(await limits_meant(currency, by, find))

    @strawberry.field
    def credit_policy(self) -> CreditPolicy:
        """The current credit policy. No sign-in needed."""
        return CreditPolicy.of(provider().policy)
