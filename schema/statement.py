"""The credit statement."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models.accounts.account import Account
from models.credit import grants, lines
from models.credit import statement as credit_statement
from models.db.page import PageRequest
from models.db.record import parse_id, public_id
from models.invoices import invoice as invoices
from models.ledger.credit_transaction import CreditTransaction as CreditTransactionRecord
from models.ledger.credit_transaction import StatementLineKind
from models.payments import payment as payments
from schema.balance import AccountId, Grant, OwnCurrency
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.ids import account_named
from schema.core.money import Locale, Money
from schema.core.nodes import Node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request
from schema.core.scalars import URL, CurrencyCode
from schema.invoice import Invoice
from schema.payment import Payment

strawberry.enum(StatementLineKind, name="CreditTransactionKind")


@strawberry.type
class CreditSource:
    """Credit that was spent, by where it came from."""

    amount: Money
    "The part of it."
    grant_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, source: grants.CreditSource, currency: str) -> CreditSource:
        """Show a part."""
        return cls(amount=Money.minor(source.amount, currency), grant_id=source.grant_id)

    @strawberry.field
    @refused_at_top
    async def grant(self, info: Info) -> Grant | None:
        """The promotional credit that it came from; null for deposits."""
        by, find = info.context.signed_in(), info.context.loaders.grant.load
        record = await grants.visible(self.grant_id, by, find)
        return Grant.of(record) if record else None


@strawberry.type
class CreditTransaction(Node):
    """One line of the credit statement: all transfers of one change. Lines are never changed or
    deleted.
    """

    kind: StatementLineKind
    "What happened, as a code."
    amount: Money
    "Positive if it adds credit, negative if it takes credit away."
    balance_after: Money
    "The credit after this line, including reserved credit and less any debt."
    version: int
    "The version of the balance after this transaction."
    refundable: bool
    "Whether the credit policy allows this credit to be refunded."
    created_at: datetime
    "When it happened."
    line: strawberry.Private[CreditTransactionRecord]

    @classmethod
    def of(cls, line: CreditTransactionRecord) -> CreditTransaction:
        """Show a line of the statement."""
        return cls(
            id=strawberry.ID(line.public_id),
            kind=StatementLineKind(line.kind),
            amount=Money.minor(line.amount, line.currency),
            balance_after=Money.minor(line.balance_after, line.currency),
            version=line.version,
            refundable=line.refundable,
            created_at=line.created_at,
            line=line,
        )

    @strawberry.field
    def description(self, info: Info) -> str:
        """What happened, as a sentence for people in the caller's language."""
        key, note = f"credit.{self.line.kind}", self.line.note
        locale = info.context.locale
        return texts.say(f"{key}.note", locale, note=note) if note else texts.say(key, locale)

    @strawberry.field
    @refused_at_top
    async def invoice(self, info: Info) -> Invoice | None:
        """The related invoice, if any."""
        find = info.context.loaders.invoice.load
        record = await invoices.visible(self.line.invoice_id, info.context.signed_in(), find)
        return Invoice.of(record) if record else None

    @strawberry.field
    async def sources(self, info: Info) -> list[CreditSource]:
        """What it took credit away from, in that order; empty if it added credit."""
        sources = await info.context.loaders.credit_sources.load(self.line.id)
        return [CreditSource.of(one, self.line.currency) for one in sources]

    @strawberry.field
    @refused_at_top
    async def payment(self, info: Info) -> Payment | None:
        """The related payment, if any."""
        find = info.context.loaders.payment.load
        record = await payments.visible(self.line.payment_id, info.context.signed_in(), find)
        return Payment.of(record) if record else None


@strawberry.input
class CreditTransactionFilter:
    """Filters for the credit statement. Omitted fields match everything."""

    kind: list[StatementLineKind] | None = None
    "Only lines of these kinds."
    created_after: datetime | None = None
    "Only lines after this time."
    created_before: datetime | None = None
    "Only lines before this time."

    def domain(self) -> lines.StatementLineFilter:
        """The same in the domain's terms."""
        kinds = None if self.kind is None else tuple(kind.value for kind in self.kind)
        return lines.StatementLineFilter(kinds, self.created_after, self.created_before)


@found_by(CreditTransactionRecord.PREFIX)
async def _credit_transaction_node(info: Info, id: str) -> CreditTransaction | None:
    by, find = info.context.signed_in(), info.context.loaders.statement_line.load
    line = await lines.visible(parse_id(CreditTransactionRecord.PREFIX, id), by, find)
    return CreditTransaction.of(line) if line else None


async def of_account(
    info: Info,
    account_id: UUID,
    currency: str,
    request: PageRequest,
    filter: CreditTransactionFilter | None,
) -> Connection[CreditTransaction]:
    """A page of an account's statement, read together with other accounts' pages."""
    chosen = filter.domain() if filter else None
    asked = lines.StatementLineList(account_id, currency, request, chosen)
    find = info.context.loaders.statement_pages.load
    page = await lines.page_of(asked, info.context.signed_in(), find)
    return Connection.of(page, CreditTransaction.of, lambda row: str(row.version))


@strawberry.type
class CreditStatement:
    """Opening balance, changes and closing balance of a period."""

    currency: CurrencyCode
    "The currency of every amount here."
    first_day: date
    "The first day, in the provider's time zone."
    last_day: date
    "The last day, inclusive."
    opening_balance: Money
    "The credit before the first line, including reserved credit and less any debt."
    closing_balance: Money
    "The credit after the last line: opening balance + added - spent."
    added: Money
    "The sum of all lines that add credit."
    spent: Money
    "The sum of all lines that take credit away, as a positive amount."
    transaction_count: int
    "The number of lines; `creditTransactions` lists them."
    statement: strawberry.Private[credit_statement.CreditStatement]

    @classmethod
    def of(cls, statement: credit_statement.CreditStatement) -> CreditStatement:
        """Show a statement."""
        currency = statement.currency
        return cls(
            currency=CurrencyCode(currency),
            first_day=statement.first_day,
            last_day=statement.last_day,
            opening_balance=Money.minor(statement.opening, currency),
            closing_balance=Money.minor(statement.closing, currency),
            added=Money.minor(statement.added, currency),
            spent=Money.minor(statement.spent, currency),
            transaction_count=statement.count,
            statement=statement,
        )

    @strawberry.field
    def pdf_url(self, info: Info, locale: Locale = None) -> URL:
        """A signed link to the PDF. It works without other credentials until it expires."""
        return self._url("pdf", info, locale)

    @strawberry.field
    def csv_url(self, info: Info, locale: Locale = None) -> URL:
        """A signed link to the CSV file, for spreadsheets. It works like `pdfUrl`."""
        return self._url("csv", info, locale)

    def _url(self, kind: str, info: Info, locale: str | None) -> URL:
        file = f"{public_id(Account.PREFIX, self.statement.account_id)}.{kind}"
        span = {"from": self.first_day.isoformat(), "to": self.last_day.isoformat()}
        language = info.context.locale_for(locale)
        link = info.context.document_url(file, language, currency=self.currency, **span)
        return URL(link)


@strawberry.type
class StatementQuery:
    """Reading the credit statement."""

    @strawberry.field
    @refused_at_top
    async def credit_statement(
        self,
        info: Info,
        from_: Annotated[
            date,
            strawberry.argument(
                name="from", description="The first day, in the provider's time zone."
            ),
        ],
        to: Annotated[date, strawberry.argument(description="The last day, inclusive.")],
        currency: OwnCurrency = None,
        account_id: AccountId = None,
    ) -> CreditStatement:
        """The credit statement for a period, with links to it as PDF and CSV."""
        return CreditStatement.of(
            await credit_statement.of_days(
                account_named(account_id), currency, from_, to, by=info.context.signed_in()
            )
        )

    @strawberry.field
    @refused_at_top
    async def credit_transactions(  # noqa: PLR0917 - the API's arguments
        self,
        info: Info,
        filter: Annotated[
            CreditTransactionFilter | None,
            strawberry.argument(description="Filters. Defaults to all lines."),
        ] = None,
        currency: OwnCurrency = None,
        account_id: AccountId = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[CreditTransaction]:
        """The credit statement in one currency, newest first."""
        page = await lines.page(
            account_named(account_id),
            currency,
            page_request(info, first, after, last, before),
            by=info.context.signed_in(),
            filter=filter.domain() if filter else None,
        )
        return Connection.of(page, CreditTransaction.of, lambda row: str(row.version))
