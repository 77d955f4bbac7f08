"""The GraphQL API. One file a noun: each translates, delegates to models/, and translates back."""

from __future__ import annotations

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.access.api_key import ApiKeyMutation, ApiKeyQuery
from schema.access.audit_entry import AuditQuery
from schema.access.client_session import ClientSessionMutation
from schema.access.event import EventQuery
from schema.access.factor import FactorMutation
from schema.access.member import MemberMutation
from schema.access.password import PasswordMutation
from schema.access.session import SessionMutation, SessionQuery
from schema.access.sign_up import SignUpMutation
from schema.access.webhook_endpoint import WebhookMutation, WebhookQuery
from schema.account import AccountMutation, AccountQuery
from schema.balance import BalanceQuery
from schema.bank import BankMutation, BankQuery
from schema.core import errors
from schema.core.nodes import NodeQuery
from schema.core.scalars import SCALARS
from schema.engine.describe import describe, hide_null_defaults
from schema.engine.guard import Schema
from schema.funds import FundsMutation, FundsQuery
from schema.gateway import GatewayQuery
from schema.hold import HoldMutation
from schema.invoice import InvoiceQuery
from schema.live import Subscription
from schema.order import OrderMutation
from schema.pay import PayMutation, PayQuery
from schema.refund import RefundMutation
from schema.staff import StaffMutation
from schema.statement import StatementQuery
from schema.voucher import VoucherMutation


@strawberry.type
class Query(
    InvoiceQuery,
    GatewayQuery,
    StatementQuery,
    BalanceQuery,
    AccountQuery,
    NodeQuery,
    SessionQuery,
    ApiKeyQuery,
    AuditQuery,
    EventQuery,
    BankQuery,
    FundsQuery,
    PayQuery,
    WebhookQuery,
):
    """Queries change nothing."""


@strawberry.type
class Mutation(
    MemberMutation,
    BankMutation,
    RefundMutation,
    StaffMutation,
    VoucherMutation,
    HoldMutation,
    OrderMutation,
    AccountMutation,
    PayMutation,
    FundsMutation,
    SignUpMutation,
    PasswordMutation,
    FactorMutation,
    SessionMutation,
    ClientSessionMutation,
    ApiKeyMutation,
    WebhookMutation,
):
    """Mutations. A mutation that is refused changes nothing, and its `userErrors` say why."""


def make_schema() -> Schema:
    """The API. `Schema.guarded` puts it behind the edge's limits."""
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=errors.TYPES,
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    hide_null_defaults(schema.core)
    return schema


def sdl(schema: Schema) -> str:
    """The schema in GraphQL's own language, as `schema.graphql` keeps it."""
    describe(schema.core)
    return schema.as_str().rstrip() + "\n"
