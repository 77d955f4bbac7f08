"""Accounts: the provider's clients, and their settings."""

from __future__ import annotations

from typing import Annotated

import strawberry

from models.accounts import account, billing
from models.credit.balance import BalanceState
from models.db.record import parse_id
from models.money import exponent
from models.text import clean_text
from schema.balance import Balance, OwnCurrency
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top, refused_in_payload
from schema.core.nodes import Node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request
from schema.core.permissions import id_of
from schema.core.scalars import CurrencyCode

PREFIX = account.Account.PREFIX


@strawberry.type
class Billing:
    """The billing details that documents are addressed with."""

    company: bool
    "Whether the client is a company rather than a person."
    address: list[str]
    "The address, line by line as printed."
    postcode: str | None
    "The postal code, for structured invoices."
    city: str | None
    "The city, for structured invoices."
    country: str | None
    "ISO 3166-1, two letters."
    vat_id: str | None
    "The VAT ID, including the country prefix."

    @classmethod
    def of(cls, billing: billing.Billing) -> Billing:
        """Show an account's billing details."""
        return cls(
            company=billing.company,
            address=list(billing.address),
            postcode=billing.postcode or None,
            city=billing.city or None,
            country=billing.country or None,
            vat_id=billing.vat_id or None,
        )


@strawberry.input
class BillingInput:
    """The complete billing details: anything omitted is removed."""

    company: bool = False
    "Whether the client is a company rather than a person."
    address: list[str] = strawberry.field(default_factory=list)
    "The address, line by line as printed: at most 6 lines of 120 characters."
    postcode: str = ""
    "The postal code, for structured invoices."
    city: str = ""
    "The city, for structured invoices."
    country: str = ""
    "ISO 3166-1, two letters."
    vat_id: str = ""
    "The VAT ID, including the country prefix. EU VAT IDs are validated."

    def json(self) -> dict[str, object]:
        """As the domain takes it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@strawberry.type
class Account(Node):
    """A client of the provider: who owns credit and invoices."""

    name: str
    "The client's name, as invoices are addressed to it."
    email: str
    "The client's e-mail address, which is also their sign-in name."
    locale: str
    "The client's language and region (BCP 47)."
    currency: CurrencyCode
    "The account's default currency."
    auto_apply_credit: bool
    "Pay new invoices from available credit as soon as they are issued."
    billing: Billing
    "The billing details that documents are addressed with."
    record: strawberry.Private[account.Account]

    @classmethod
    def of(cls, record: account.Account) -> Account:
        """Show an account."""
        return cls(
            id=strawberry.ID(record.public_id),
            name=record.name,
            email=record.email,
            locale=record.locale,
            currency=CurrencyCode(record.currency),
            auto_apply_credit=record.auto_apply_credit,
            billing=Billing.of(record.billing_details),
            record=record,
        )

    @strawberry.field
    @refused_at_top
    async def balance(self, info: Info, currency: OwnCurrency = None) -> Balance:
        """The account's credit in one currency."""
        info.context.signed_in().require_scope("credit:read")
        if currency is not None:
            exponent(currency)
        wanted = currency or self.record.currency
        states = await info.context.loaders.balances.load(self.record.id)
        never = BalanceState(self.record.id, wanted, updated_at=self.record.created_at)
        return Balance.of(next((one for one in states if one.currency == wanted), never))

    @strawberry.field
    @refused_at_top
    async def balances(self, info: Info) -> list[Balance]:
        """The account's own currency first, then every other currency it has or had credit in."""
        info.context.signed_in().require_scope("credit:read")
        states = await info.context.loaders.balances.load(self.record.id)
        return [Balance.of(state) for state in states]

    @strawberry.field
    async def spending_frozen(self, info: Info) -> bool:
        """Whether spending is frozen in any currency: a debt freezes its own, an open dispute or
        staff all of them. `Balance.spendingFrozen` says which.
        """
        return await info.context.loaders.frozen.load(self.record.id)


@found_by(PREFIX)
async def _account_node(info: Info, id: str) -> Account | None:
    actor = info.context.signed_in()
    actor.require_scope("accounts:read")
    account_id = parse_id(PREFIX, id)
    if account_id is None or not actor.sees(account_id):
        return None
    record = await info.context.loaders.account.load(account_id)
    return Account.of(record) if record else None


@strawberry.type
class AccountQuery:
    """Reading accounts."""

    @strawberry.field
    @refused_at_top
    async def account(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The account's ID.")],
    ) -> Account | None:
        """Staff, and partners for their own clients."""
        return await _account_node(info, id)

    @strawberry.field
    @refused_at_top
    async def accounts(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        search: Annotated[
            str | None,
            strawberry.argument(description="Part of the name or e-mail address."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Account]:
        """Staff, and partners for their own clients: newest first."""
        actor = info.context.signed_in()
        request = page_request(info, first, after, last, before)
        text = clean_text(search, "search", maximum=254, required=False) if search else None
        return Connection.of(await account.search(text, request, actor), Account.of)


@strawberry.input
class CreateAccountInput:
    """A client to open an account for."""

    name: str
    "The client's name, as invoices are addressed to it."
    email: str
    "The client's e-mail address, which is also their sign-in name. It must be unique."
    password: str | None = None
    "At least 10 characters. Without a password nobody can sign in to the account."
    currency: CurrencyCode
    "The account's default currency."
    locale: str | None = None
    "A BCP 47 language tag. Defaults to `en`."
    idempotency_key: str
    "1 to 255 printable ASCII characters, one per click."


@strawberry.type
class CreateAccountPayload(Payload):
    """What `createAccount` answers."""

    account: Account | None = None
    "The new account."


@strawberry.input
class UpdateAccountInput:
    """The settings to change. Omitted fields stay as they are."""

    account_id: strawberry.ID | None = None
    "Defaults to the viewer's own."
    name: str | None = None
    "The client's name. Invoices that were already issued keep the old one."
    locale: str | None = None
    "The client's language and region, a BCP 47 tag: `ja`, `en-GB`."
    auto_apply_credit: bool | None = None
    "Pay new invoices from available credit as soon as they are issued."
    billing: BillingInput | None = None
    """The billing details; replaces them completely. Documents that were already issued keep the
    old ones.
    """
    spending_frozen: bool | None = None
    "Staff only."
    idempotency_key: str
    "1 to 255 printable ASCII characters, one per click."

    @property
    def changes(self) -> dict[str, object]:
        """What was given."""
        settings = ("name", "locale", "auto_apply_credit", "spending_frozen")
        given = {name: getattr(self, name) for name in settings}
        given["billing"] = None if self.billing is None else self.billing.json()
        return {name: value for name, value in given.items() if value is not None}


@strawberry.type
class UpdateAccountPayload(Payload):
    """What `updateAccount` answers."""

    account: Account | None = None
    "The account as it is now."


@strawberry.type
class AccountMutation:
    """Opening accounts and changing their settings."""

    @strawberry.mutation
    @refused_in_payload
    async def update_account(self, info: Info, input: UpdateAccountInput) -> UpdateAccountPayload:
        """Updates account settings: clients their own, staff any."""
        by = info.context.signed_in()
        target = None if input.account_id is None else id_of(PREFIX, input.account_id, "account_id")
        record = await account.update(target, input.changes, by=by, key=input.idempotency_key)
        return UpdateAccountPayload(account=Account.of(record))

    @strawberry.mutation
    @refused_in_payload
    async def create_account(self, info: Info, input: CreateAccountInput) -> CreateAccountPayload:
        """Staff: opens an account."""
        by = info.context.signed_in()
        record = await account.create(
            name=input.name,
            email=input.email,
            password=input.password,
            currency=input.currency,
            locale=input.locale,
            by=by,
            key=input.idempotency_key,
        )
        return CreateAccountPayload(account=Account.of(record))
