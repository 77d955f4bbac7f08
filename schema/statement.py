"""The credit statement."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import strawberry

from models.accounts.account import Account
from models.credit import balance
from models.credit import statement as credit_statement
from models.db.record import parse_id, public_id
from models.ledger.chart import CreditTransaction as Line
from models.ledger.chart import LineKind
from schema.balance import AccountId, OwnCurrency
from schema.core import texts
from schema.core.context import Info
from schema.core.errors import refused_at_top
from schema.core.money import Locale, Money
from schema.core.nodes import Node, found_by
from schema.core.pages import After, Before, Connection, First, Last, page_request
from schema.core.permissions import account_meant, currency_meant
from schema.core.scalars import URL, CurrencyCode
from schema.invoice import Invoice
from schema.payment import Payment

strawberry.enum(LineKind, name="CreditTransactionKind")


@strawberry.type
class CreditTransaction(Node):
    """One line of the credit statement: all transfers of one change, together.

    Lines are only ever added.
    """

    kind: LineKind
    "What happened, as a code."
    amount: Money
    "Signed: a credit is positive, a debit is negative."
    balance_after: Money
    "The credit after this line, what is reserved included and debt taken off."
    version: int
    "The balance's version that this transaction made."
    refundable: bool
    "Whether the credit policy allows this credit to be refunded."
    created_at: datetime
    "When it happened."
    line: strawberry.Private[Line]

    @classmethod
    def of(cls, line: Line) -> CreditTransaction:
        """Show a line of the statement."""
        return cls(
            id=strawberry.ID(line.public_id),
            kind=LineKind(line.kind),
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
        """The invoice that it is about."""
        if self.line.invoice_id is None:
            return None
        info.context.signed_in().require_scope("invoices:read")
        record = await info.context.loaders.invoice.load(self.line.invoice_id)
        return Invoice.of(record) if record else None

    @strawberry.field
    @refused_at_top
    async def payment(self, info: Info) -> Payment | None:
        """The payment that it is about."""
        if self.line.payment_id is None:
            return None
        info.context.signed_in().require_scope("invoices:read")
        record = await info.context.loaders.payment.load(self.line.payment_id)
        return Payment.of(record) if record else None


@strawberry.input
class CreditTransactionFilter:
    """Filters for the credit statement. Omitted fields match everything."""

    kind: list[LineKind] | None = None
    "Only lines of these kinds."
    created_after: datetime | None = None
    "Only lines after this time."
    created_before: datetime | None = None
    "Only lines before this time."


@found_by(Line.PREFIX)
async def _credit_transaction_node(info: Info, id: str) -> CreditTransaction | None:
    actor = info.context.signed_in()
    actor.require_scope("credit:read")
    line_id = parse_id(Line.PREFIX, id)
    if line_id is None:
        return None
    line = await info.context.loaders.line.load(line_id)
    return CreditTransaction.of(line) if line and actor.sees(line.account_id) else None


@strawberry.type
class CreditStatement:
    """Opening balance, changes and closing balance over a span of days."""

    currency: CurrencyCode
    "The currency of every amount here."
    first_day: date
    "The first day, in the provider's time zone."
    last_day: date
    "The last day, inclusive."
    opening_balance: Money
    "The credit before the first line, what is reserved included and debt taken off."
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
        """Download it as PDF. Works without other credentials until it expires."""
        return self._url("pdf", info, locale)

    @strawberry.field
    def csv_url(self, info: Info, locale: Locale = None) -> URL:
        """Download it as CSV, for spreadsheets. Works like `pdfUrl`."""
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
        """The credit statement over a span of days, with links to it as PDF and CSV."""
        actor = info.context.signed_in()
        actor.require_scope("credit:read")
        meant = account_meant(actor, account_id)
        wanted = await currency_meant(info, meant, currency)
        return CreditStatement.of(await credit_statement.statement(meant, wanted, from_, to))

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
        actor = info.context.signed_in()
        actor.require_scope("credit:read")
        meant = account_meant(actor, account_id)
        request = page_request(info, first, after, last, before)
        wanted = filter or CreditTransactionFilter()
        page = await balance.statement(
            meant,
            await currency_meant(info, meant, currency),
            request,
            kinds=None if wanted.kind is None else [kind.value for kind in wanted.kind],
            after=wanted.created_after,
            before=wanted.created_before,
        )
        return Connection.of(page, CreditTransaction.of, lambda row: str(row.version))
