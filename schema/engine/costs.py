"""What each field costs, and the most that each list may hold: what `limits` counts with.

A list is a page, or its most is said here, together with what keeps it so. One that is not named
is taken to be as long as the largest page; the tests let none of ours be unnamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)

from models.access.api_key import NETWORKS_MAX
from models.access.budget import CURRENCIES_MAX as BUDGET_CURRENCIES_MAX
from models.access.identity import SCOPES
from models.access.member import ACCOUNTS_MAX, MEMBERS_MAX
from models.access.session import SESSIONS_MAX
from models.accounts.billing import LINES_MAX as ADDRESS_LINES_MAX
from models.accounts.external import ENTRIES_MAX as METADATA_ENTRIES_MAX
from models.credit.issue_vouchers import CODES_MAX
from models.factors.recovery_code import COUNT as RECOVERY_CODES
from models.factors.second_factor import SecondFactor
from models.invoices.allocation import ALLOCATIONS_MAX
from models.invoices.order import LINES_MAX as INVOICE_LINES_MAX
from models.money import EXPONENTS
from models.partners.attempt import SHOWN_MAX as ATTEMPTS_MAX
from models.partners.endpoint import SHOWN_MAX as ENDPOINTS_MAX
from models.partners.pattern import PATTERNS_MAX
from models.partners.resend import SHOWN_MAX as RESENT_MAX
from models.payments.refund import REFUNDS_MAX
from models.provider.offer import GATEWAYS_MAX
from schema.core.nodes import IDS_MAX
from schema.engine.limits import PAGE_ARGUMENTS, UNKNOWN, Field
from schema.engine.reading import DEFINITION, plain_field

#: A mutation is refused by one rule.
REFUSALS_MAX: Final = 1
#: A path into an input: `["lines", "3", "unitPrice"]`.
PATH_MAX: Final = 8
#: Of a list that is not named here.
_LIST_MAX: Final = 100

#: Reading a plain field takes one or two microseconds; what a resolver takes was measured.
_PLAIN: Final = 1
_RESOLVED: Final = 20
_AWAITED: Final = 60
#: Leaves of a list are only written out.
_LEAVES_PER_UNIT: Final = 10

Composite: TypeAlias = GraphQLObjectType | GraphQLInterfaceType


_INTROSPECTION_LISTS: Final = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})


def lists(payments_per_invoice: int, currencies: int) -> dict[str, int]:
    """Maximum length of each list of the API that isn't a page, by `Type.field`."""
    return {
        "Account.balances": currencies,  # one for each that the provider supports
        "Account.members": MEMBERS_MAX,
        "Account.metadata": METADATA_ENTRIES_MAX,
        "ApiKey.allowedAddresses": NETWORKS_MAX,
        "ApiKey.dailyBudget": BUDGET_CURRENCIES_MAX,
        "ApiKey.paymentBudget": BUDGET_CURRENCIES_MAX,
        "ApiKey.scopes": len(SCOPES),
        "AuditEntry.details": 10,
        "Billing.address": ADDRESS_LINES_MAX,
        # A spend draws on as many grants as there are left; the executor bounds that.
        "CreditTransaction.sources": 20,
        "ConfirmFactorPayload.recoveryCodes": RECOVERY_CODES,
        "Gateway.currencies": len(EXPONENTS),
        "Invoice.lines": INVOICE_LINES_MAX,
        "Invoice.metadata": METADATA_ENTRIES_MAX,
        # Beyond it there is money alone that came in unasked; the executor bounds that.
        "Invoice.payments": payments_per_invoice,
        "IssueVouchersPayload.codes": CODES_MAX,
        "PayInvoicesPayload.invoices": ALLOCATIONS_MAX,
        "Payment.allocations": ALLOCATIONS_MAX,
        "Payment.refunds": REFUNDS_MAX,
        "Query.gateways": GATEWAYS_MAX,
        "Query.nodes": IDS_MAX,
        "Query.sessions": SESSIONS_MAX,
        "Query.webhookEndpoints": ENDPOINTS_MAX,
        "Viewer.accounts": ACCOUNTS_MAX,
        "SignInChallenge.methods": len(SecondFactor),
        "Viewer.scopes": len(SCOPES),
        "Viewer.secondFactors": len(SecondFactor),
        "WebhookDelivery.attempts": ATTEMPTS_MAX,
        "WebhookDeliveryPayload.deliveries": RESENT_MAX,
        "WebhookEndpoint.events": PATTERNS_MAX,
    }


@dataclass(frozen=True, eq=False)
class Costs:
    """The fields of one schema."""

    schema: GraphQLSchema
    lists: Mapping[str, int]

    def root(self, operation: str) -> GraphQLNamedType | None:
        """The type that a query, mutation or subscription begins at."""
        return getattr(self.schema, f"{operation}_type", None)

    def named(self, name: str) -> GraphQLNamedType | None:
        """The type that a fragment is on."""
        return self.schema.get_type(name)

    def field(self, parent: GraphQLNamedType | None, node: FieldNode) -> Field:
        """The field that is selected; of one that there is not, validation tells."""
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return UNKNOWN
        return _field(self, parent, node.name.value)


@lru_cache(maxsize=8192)
def _field(costs: Costs, parent: Composite, name: str) -> Field:
    known = costs.schema.get_field(parent, name)
    if known is None:
        return UNKNOWN
    type_ = get_named_type(known.type)
    if parent.name.startswith("__") or type_.name.startswith("__"):
        walks = parent.name == "__Type" and name in _INTROSPECTION_LISTS
        return Field(type=type_, introspects=walks)
    cost = _cost(known, parent, name)
    if not PAGE_ARGUMENTS.isdisjoint(known.args):
        return Field(cost, type_, is_page=True)
    if not is_list_type(get_nullable_type(known.type)) or is_edges(parent, name):
        return Field(cost, type_)
    most = costs.lists.get(f"{parent.name}.{name}", _of_its_kind(name))
    if is_leaf_type(type_):
        return Field(cost + most // _LEAVES_PER_UNIT, type_)
    return Field(cost, type_, most)


def _cost(field: GraphQLField, parent: Composite, name: str) -> int:
    if name == "__typename" or plain_field(parent, name):
        return _PLAIN
    definition = (field.extensions or {}).get(DEFINITION)
    return _AWAITED if getattr(definition, "is_async", False) else _RESOLVED


def is_edges(parent: GraphQLNamedType, name: str) -> bool:
    """Whether it is the rows of a page, which the page has been counted with."""
    return name == "edges" and parent.name.endswith("Connection")


def _of_its_kind(name: str) -> int:
    """Of lists that many types have."""
    return {"userErrors": REFUSALS_MAX, "field": PATH_MAX}.get(name, _LIST_MAX)
