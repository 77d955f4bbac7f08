"""Accounts: the provider's clients, and their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.accounts import account, billing, external, members
from models.accounts.create import CreateAccount
from models.accounts.external import External
from models.accounts.settings import UpdateAccount
from models.credit import balance, grants, reservation
from models.credit.grants import GrantList
from models.credit.reservation import HoldList, ReservationState
from models.db.record import parse_id
from models.journal.command import run
from models.text import clean_text
from schema.balance import Balance, Grant, OwnCurrency
from schema.core.context import Info
from schema.core.errors import Payload, refused_at_top, refused_in_payload
from schema.core.ids import account_named
from schema.core.nodes import Node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request
from schema.core.scalars import CurrencyCode
from schema.member import Member

if TYPE_CHECKING:
    from schema.hold import Hold
    from schema.invoice import Invoice, InvoiceFilter
    from schema.statement import CreditTransaction, CreditTransactionFilter

PREFIX = account.Account.PREFIX

strawberry.enum(ReservationState, name="HoldState")


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
    "The ISO 3166-1 alpha-2 country code."
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
    "The ISO 3166-1 alpha-2 country code."
    vat_id: str = ""
    "The VAT ID, including the country prefix. EU VAT IDs are validated."

    def json(self) -> dict[str, object]:
        """As the domain takes it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@strawberry.type
class MetadataEntry:
    """A note of a partner's about a client or an invoice."""

    key: str
    "What it is called."
    value: str
    "What it says."

    @classmethod
    def of(cls, details: Mapping[str, str] | None) -> list[MetadataEntry]:
        """Show notes, by key."""
        return [cls(key=key, value=value) for key, value in sorted((details or {}).items())]


@strawberry.input
class MetadataEntryInput:
    """A note about a client or an invoice."""

    key: str
    "What it is called, at most 40 characters; each key once."
    value: str
    "What it says, at most 500 characters."


def pairs(entries: Sequence[MetadataEntryInput] | None) -> tuple[tuple[str, str], ...] | None:
    """Notes as the domain takes them."""
    return None if entries is None else tuple((one.key, one.value) for one in entries)


def _external(input: CreateAccountInput | UpdateAccountInput) -> External:
    return External(
        external_id=input.external_id,
        partner=input.partner,
        metadata=pairs(input.metadata),
    )


@strawberry.type
class Account(Node):
    """A client of the provider. It owns credit and invoices."""

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
    metadata: list[MetadataEntry]
    "What the partner keeps beside the client, by key. The client can read it too."
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
            metadata=MetadataEntry.of(record.details),
            record=record,
        )

    @strawberry.field
    def external_id(self, info: Info) -> str | None:
        """The partner's own ID of this client, unique for each partner. Other partners get null."""
        return self.record.external_id_for(info.context.signed_in())

    @strawberry.field
    @refused_at_top
    async def balance(self, info: Info, currency: OwnCurrency = None) -> Balance:
        """The account's credit in one currency."""
        by, find = info.context.signed_in(), info.context.loaders.balances.load
        return Balance.of(await balance.balance_in(self.record, currency, by, find))

    @strawberry.field
    @refused_at_top
    async def balances(self, info: Info) -> list[Balance]:
        """The account's own currency first, then every other currency it has or had credit in."""
        by, find = info.context.signed_in(), info.context.loaders.balances.load
        return [Balance.of(state) for state in await balance.all_of(self.record.id, by, find)]

    @strawberry.field
    @refused_at_top
    async def members(self, info: Info) -> list[Member]:
        """The people who use the account, in the order in which they joined: at most 50."""
        by, find = info.context.signed_in(), info.context.loaders.members.load
        return [Member.of(one) for one in await members.seen_of(self.record.id, by, find)]

    @strawberry.field
    @refused_at_top
    async def invoices(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        filter: Annotated[
            Annotated[InvoiceFilter, strawberry.lazy("schema.invoice")] | None,
            strawberry.argument(description="Filters. Defaults to all invoices."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Annotated[Invoice, strawberry.lazy("schema.invoice")]]:
        """The account's invoices, newest first."""
        from schema.invoice import of_account  # noqa: PLC0415 - an invoice names its account

        request = page_request(info, first, after, last, before)
        return await of_account(info, self.record.id, request, filter)

    @strawberry.field
    @refused_at_top
    async def credit_transactions(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        filter: Annotated[
            Annotated[CreditTransactionFilter, strawberry.lazy("schema.statement")] | None,
            strawberry.argument(description="Filters. Defaults to all lines."),
        ] = None,
        currency: OwnCurrency = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Annotated[CreditTransaction, strawberry.lazy("schema.statement")]]:
        """The account's credit statement in one currency, newest first."""
        from schema.statement import of_account  # noqa: PLC0415 - a line names its invoice

        request = page_request(info, first, after, last, before)
        meant = self.record.currency_meant(currency)
        return await of_account(info, self.record.id, meant, request, filter)

    @strawberry.field
    @refused_at_top
    async def grants(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        currency: OwnCurrency = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Grant]:
        """The account's promotional credit in one currency, newest first."""
        request = page_request(info, first, after, last, before)
        asked = GrantList(self.record.id, self.record.currency_meant(currency), request)
        find = info.context.loaders.grant_pages.load
        page = await grants.page_of(asked, info.context.signed_in(), find)
        return Connection.of(page, Grant.of)

    @strawberry.field
    @refused_at_top
    async def holds(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        state: Annotated[
            list[ReservationState] | None,
            strawberry.argument(description="Only holds in one of these states."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Annotated[Hold, strawberry.lazy("schema.hold")]]:
        """The credit that partners have reserved for orders, newest first. For partners with
        `credit:hold` or `credit:read`.
        """
        from schema.hold import Hold  # noqa: PLC0415 - each names the other

        states = None if state is None else tuple(one.value for one in state)
        asked = HoldList(self.record.id, states, page_request(info, first, after, last, before))
        by, find = info.context.signed_in(), info.context.loaders.hold_pages.load
        page = await reservation.page_of(asked, by, find)
        return Connection.of(page, Hold.of)

    @strawberry.field
    async def spending_frozen(self, info: Info) -> bool:
        """Whether spending is frozen in any currency. A debt freezes its own currency; an open
        dispute or a freeze by staff freezes all of them. See `Balance.spendingFrozen` for each.
        """
        return await info.context.loaders.frozen.load(self.record.id)


@found_by(PREFIX)
async def _account_node(info: Info, id: str) -> Account | None:
    by, find = info.context.signed_in(), info.context.loaders.account.load
    record = await account.visible(parse_id(PREFIX, id), by, find)
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
        """An account by ID. For staff, and for partners with their own clients."""
        return await _account_node(info, id)

    @strawberry.field
    @refused_at_top
    async def account_by_external_id(
        self,
        info: Info,
        external_id: Annotated[
            str, strawberry.argument(description="The client's ID at the partner.")
        ],
        partner: Annotated[
            str | None,
            strawberry.argument(description="For staff: the partner whose external ID it is."),
        ] = None,
    ) -> Account | None:
        """An account by its partner's own ID. For partners and staff."""
        by, find = info.context.signed_in(), info.context.loaders.account.load
        found = await external.seen_as(by, external_id, partner)
        record = await account.visible(found, by, find)
        return Account.of(record) if record else None

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
        """The accounts, newest first. For staff, and for partners with their own clients."""
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
    """10 to 200 characters, and not easily guessed. Without a password the client can't sign in,
    unless invited.
    """
    currency: CurrencyCode
    "The account's default currency."
    locale: str | None = None
    "A BCP 47 language tag. Defaults to `en`."
    external_id: str | None = None
    "The partner's own ID of this client: at most 200 characters, unique for each partner."
    partner: str | None = None
    "For staff: the partner whose client it is and whose external ID it is; added if new."
    metadata: list[MetadataEntryInput] | None = None
    "What the partner keeps beside the client: at most 20 entries. The client can read it too."
    invite: bool | None = False
    "Sends the client an e-mail with a link to choose a password; it works for 30 minutes."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class CreateAccountPayload(Payload):
    """The result of `createAccount`."""

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
    external_id: str | None = None
    "Partners and staff: the partner's own ID of this client. An empty text removes it."
    partner: str | None = None
    "For staff: the partner whose client it is and whose external ID it is; added if new."
    metadata: list[MetadataEntryInput] | None = None
    "Partners and staff: at most 20 entries, which replace those that there are."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."

    @property
    def changes(self) -> dict[str, object]:
        """What was given."""
        settings = ("name", "locale", "auto_apply_credit", "spending_frozen")
        given = {name: getattr(self, name) for name in settings}
        given["billing"] = None if self.billing is None else self.billing.json()
        return {name: value for name, value in given.items() if value is not None}


@strawberry.type
class UpdateAccountPayload(Payload):
    """The result of `updateAccount`."""

    account: Account | None = None
    "The account as it is now."


@strawberry.type
class AccountMutation:
    """Opening accounts and changing their settings."""

    @strawberry.mutation
    @refused_in_payload
    async def update_account(self, info: Info, input: UpdateAccountInput) -> UpdateAccountPayload:
        """Updates account settings: clients their own, partners (scope `accounts:write`) those of
        their clients, staff any.
        """
        by = info.context.signed_in()
        target = account_named(input.account_id)
        record = await run(
            UpdateAccount(target, input.changes, _external(input)), by, input.idempotency_key
        )
        return UpdateAccountPayload(account=Account.of(record))

    @strawberry.mutation
    @refused_in_payload
    async def create_account(self, info: Info, input: CreateAccountInput) -> CreateAccountPayload:
        """Partners (scope `accounts:write`) and staff: opens an account.

        A partner's new client is reached by the API key that opened the account, and by those of
        the partner's keys that aren't limited to named accounts.
        """
        by = info.context.signed_in()
        record = await run(
            CreateAccount(
                name=input.name,
                email=input.email,
                password=input.password,
                currency=input.currency,
                locale=input.locale,
                external=_external(input),
                invite=bool(input.invite),
            ),
            by,
            input.idempotency_key,
        )
        return CreateAccountPayload(account=Account.of(record))
