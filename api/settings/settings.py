"""The settings: typed, documented, read from environment variables of the same name.

The README's table is this file (`table()`). What is wrong at the start is one sentence per setting,
and no sentence repeats a value.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from api.pdf.frames import TEMPLATES
from api.settings.defaults import (
    DEMO_ORIGINS,
    FUNDS_LIMITS,
    demo_bank_accounts,
    demo_seller,
)
from api.settings.demo_secret import kept_secret
from api.settings.identity import IdentityProviders
from api.settings.issuers import TrustedIssuers
from api.settings.shapes import (
    BankAccounts,
    DatabaseUrl,
    DocumentStoreUrl,
    FundsLimits,
    GatewayFees,
    MailFrom,
    Networks,
    Origins,
    PayPalApiUrl,
    PublicUrl,
    RedisUrl,
    SecretKey,
    SellerDetails,
    SellerJson,
    SigningSecrets,
    SmtpUrl,
    StripeApiUrl,
    StripePublishableKey,
    StripeSecretKey,
    StripeWebhookSecrets,
    Templates,
    same_machine,
)
from models.provider.provider import CreditPolicy, Provider, SignUpMode, derived_key
from models.provider.seller import owes_e_invoices

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from models.gateway import Gateway

# What pydantic says, as the rest of a sentence that begins with the setting's name.
_OUR_WORDS = {
    "Input should": "should",
    "String should": "should",
    "Field required": "is missing",
    "Extra inputs are not permitted": "isn't known",
}


#: How Stripe asks for a card: on its own page, or in a form of the portal's.
StripeForm: TypeAlias = Literal["redirect", "page"]
#: Whether clients may name registered documents, and whether they may send any other.
PersistedDocuments: TypeAlias = Literal["off", "allow", "only"]
#: Whether staff must have a second factor.
StaffSecondFactor: TypeAlias = Literal["required", "optional"]


class SettingsError(Exception):
    """The program cannot start like this; one sentence per wrong setting."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseModel):
    """See the module. `load_settings()` makes them from the environment."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, validate_default=True)

    database_url: DatabaseUrl = Field(
        "sqlite:///account-credit.db",
        repr=False,
        description="The database: `sqlite:////absolute/path.db` or "
        "`postgres://user:password@host/name`. `sqlite:///name.db` is relative to the working "
        "directory.",
    )
    redis_url: RedisUrl | None = Field(
        None,
        repr=False,
        description="`redis://host:6379/0` carries live updates between processes. Needed when "
        "more than one process serves.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="The port to listen on.")
    public_url: PublicUrl = Field(
        "",
        validate_default=False,
        description="The server's public URL, without a path. Links and cookies depend on it. "
        "Default: `http://127.0.0.1:PORT`.",
    )
    secret_key: SecretKey | None = Field(
        None,
        description="At least 32 random characters (`openssl rand -base64 48`), the same for every "
        "process. Voucher codes and download links depend on it. Required; demo mode "
        "generates one and stores it beside the database.",
    )
    account_credit_demo: bool = Field(
        default=False,
        description="Demo mode: a sample provider, demo sign-ins and the sandbox gateway. Never "
        "with real money.",
    )
    account_credit_sandbox: bool = Field(
        default=False,
        description="Offer the sandbox gateway, which simulates payments. On in demo mode.",
    )
    sandbox_webhook_secret: SigningSecrets | None = Field(
        None,
        description="The secret that signs the sandbox's webhooks (Standard Webhooks): `whsec_` "
        "and base64. To rotate it, list several, separated by spaces. Default: derived from "
        "SECRET_KEY.",
    )
    allowed_origins: Origins = Field(
        [],
        description="Origins, separated by commas, from which browsers may call the API and to "
        "which they may return after a payment. PUBLIC_URL's own origin is always allowed; in demo "
        "mode the default is ports 3000 and 5173 of this machine.",
    )
    trusted_issuers: TrustedIssuers = Field(
        [],
        description="JSON: a list of issuers whose JWTs sign clients in, with `issuer`, `jwks` "
        '(`https://…` or `file:///…`), `audience`, `algorithms` (`["RS256"]`), '
        "`external_id_claim` (`sub`), `partner` (whose external IDs they are), `create_accounts` "
        "(`false`; `true` opens an account with the claims `email` and `name`) and `currency` (of "
        "these accounts; USD). One that is removed signs nobody in.",
    )
    trusted_proxies: Networks = Field(
        [],
        description="Addresses or networks, separated by commas, of reverse proxies whose "
        "X-Forwarded-For and X-Forwarded-Proto headers are trusted.",
    )
    smtp_url: SmtpUrl | None = Field(
        None,
        repr=False,
        description="The server that mail is sent through: `smtps://user:password@host:465` (TLS), "
        "or `smtp://user:password@host:587`, which uses STARTTLS and goes unencrypted only to this "
        "machine. Without it no mail is sent; demo mode shows mail at `/mailbox`.",
    )
    mail_from: MailFrom = Field(
        "",
        validate_default=False,
        description="The sender of mail: `billing@example.com` or `Example <billing@example.com>`. "
        "Default: SELLER's `brand` or `name`, and `email`.",
    )
    sign_up: SignUpMode | None = Field(
        None,
        description="Who may open an account by themselves: `off`, `invited` (addresses of "
        "accounts that were opened without a password) or `open`. Default: `off`; in demo mode "
        "`open`.",
    )
    session_hours: int = Field(12, ge=1, le=720, description="How long a session lasts, in hours.")
    oidc_providers: IdentityProviders = Field(
        [],
        description="JSON: a list of OpenID Connect providers that people can sign in with: "
        "`name` (part of the callback URL `PUBLIC_URL/oidc/NAME/callback`), `label` (on the "
        "button), `issuer`, `client_id`, optionally `client_secret`, `scopes` and `people` "
        "(`clients`, `staff` or `all`). Users are known by their verified e-mail address the first "
        "time, and by the provider's ID from then on.",
    )
    staff_second_factor: StaffSecondFactor | None = Field(
        None,
        description="`required`: staff can do nothing but set up a second factor until they have "
        "one; `optional`: it is up to them. Default: `required`, in demo mode `optional`.",
    )
    pdf_link_minutes: int = Field(
        60, ge=1, le=10080, description="How long a link to a document is valid, in minutes."
    )
    credit_policy_version: str = Field(
        "2026-01",
        min_length=1,
        max_length=64,
        description="The version of the credit policy that clients accept when they add funds.",
    )
    credit_policy_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="The URL of the credit policy. Default: `PUBLIC_URL/credit-policy`.",
    )
    refund_exceptions: bool = Field(
        default=True,
        description="Whether staff may refund an unspent deposit, with a reason, although "
        "deposits are in principle not refundable.",
    )
    funds_limits: FundsLimits = Field(
        FUNDS_LIMITS,
        description="JSON: for each currency `minimum_deposit`, `maximum_deposit` and optionally "
        "`maximum_balance` and `low_balance` (below it partners get the event `credit.low`), as "
        "quoted decimals. Only the currencies listed here are "
        "supported. Default: about thirty currencies with common limits.",
    )
    gateway_fees: GatewayFees = Field(
        {},
        description='JSON: the fees that gateways charge, such as `{"sandbox": {"percent": "2.9", '
        '"fixed": {"USD": "0.30"}}}`.',
    )
    stripe_secret_key: StripeSecretKey | None = Field(
        None,
        description="Enables cards through Stripe: `sk_test_…` or `sk_live_…`, or a restricted key "
        "(`rk_…`) that can write Checkout Sessions, PaymentIntents and Refunds, and read "
        "Charges and Disputes.",
    )
    stripe_webhook_secret: StripeWebhookSecrets | None = Field(
        None,
        description="The signing secret (`whsec_…`) of the webhook endpoint "
        "`PUBLIC_URL/webhooks/card`. To rotate it, list several, separated by spaces. Required "
        "with STRIPE_SECRET_KEY.",
    )
    stripe_publishable_key: StripePublishableKey = Field(
        "",
        validate_default=False,
        description="`pk_test_…` or `pk_live_…`, for the card form. Required with "
        "STRIPE_FORM=page.",
    )
    stripe_form: StripeForm = Field(
        "redirect",
        description="Where clients enter their card: on Stripe's page (`redirect`) or in a form "
        "in the portal (`page`). Open payments stay where they were started.",
    )
    stripe_descriptor_suffix: str = Field(
        "",
        pattern=r"""^([^<>\\'"*]{0,19}[A-Za-z][^<>\\'"*]{0,19})?$""",
        max_length=20,
        description="The suffix after the provider's name on card statements, in Latin letters.",
    )
    stripe_api_url: StripeApiUrl = Field(
        "",
        validate_default=False,
        description="The URL of a stand-in for Stripe, for tests. Never with a live key.",
    )
    paypal_client_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Enables PayPal: the client ID of your app in PayPal's developer dashboard. "
        "Also needs PAYPAL_CLIENT_SECRET and PAYPAL_WEBHOOK_ID.",
    )
    paypal_client_secret: SecretStr | None = Field(None, description="The app's client secret.")
    paypal_webhook_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9]*$",
        max_length=50,
        description="The ID of the app's webhook for `PUBLIC_URL/webhooks/paypal`, used to verify "
        "its messages.",
    )
    paypal_mode: Literal["sandbox", "live"] = Field(
        "sandbox",
        description="Whether the app belongs to PayPal's sandbox or takes real money. Never "
        "`live` in demo mode.",
    )
    paypal_api_url: PayPalApiUrl = Field(
        "",
        validate_default=False,
        description="The URL of a stand-in for PayPal, for tests. Never with PAYPAL_MODE=live.",
    )
    bank_accounts: BankAccounts = Field(
        {},
        description="JSON: for each currency `beneficiary`, `bank_name`, `account_number` and "
        "optionally `bic`; in Japan also `branch_name`, `branch_code` and `account_type` "
        "(`ordinary` or `current`). Bank transfer is offered in these currencies, and statements "
        "can be imported for these accounts and those listed in `statements_of`. Demo mode has "
        "three.",
    )
    seller: SellerJson = Field(
        SellerDetails(name="Account Credit"),
        description="JSON: the issuer of the documents: `name`, `address` (a list of lines), "
        "`email`, `url`, `registration` (a list of [label, number] pairs), `brand`, `accent` "
        "(`#1d4ed8`), `logo` (a PNG or SVG file), `timezone`, `postcode`, `city`, `country` "
        "(`DE`), `vat_id`, `exemption` (the reason for 0 % tax), `notes` (a list of texts).",
    )
    deposit_tax_note: str = Field(
        "",
        max_length=500,
        description="The note on deposit invoices about why no tax is charged. Default: the rule "
        "in SELLER's country.",
    )
    e_invoices: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether ORDER invoices contain Factur-X (EN 16931); `auto`: if the law in "
        "SELLER's country requires it (DE and FR). Needs SELLER's `vat_id` and the client's "
        "country.",
    )
    support_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="The support page to link to when a payment is stuck; `{invoice}` is replaced "
        "with the invoice number.",
    )
    invoice_due_days: int = Field(
        14, ge=0, le=365, description="The default payment term of invoices, in days."
    )
    payments_per_invoice_max: int = Field(
        50,
        ge=1,
        le=200,
        description="The maximum number of payments started per invoice. Money that is received "
        "is always booked.",
    )
    open_invoices_max: int = Field(
        1000,
        ge=1,
        description="The maximum number of open invoices per account. Beyond it, invoices are "
        "only issued if credit pays them at once.",
    )
    hold_days_max: int = Field(
        31,
        ge=1,
        le=365,
        description="How long partners may reserve credit at a time, in days.",
    )
    invoice_prefix: str = Field(
        "INV",
        pattern=r"^[A-Z][A-Z0-9]{0,7}$",
        description="The prefix of invoice numbers: `INV-2026-000042`.",
    )
    credit_note_prefix: str = Field(
        "CN", pattern=r"^[A-Z][A-Z0-9]{0,7}$", description="The prefix of credit note numbers."
    )
    webhook_endpoints_max: int = Field(
        20, ge=1, le=50, description="The maximum number of webhook endpoints per partner."
    )
    introspection: bool | None = Field(
        None,
        description="Whether callers who aren't signed in can introspect the schema and get "
        "suggestions for misspelled names. Default: only in demo mode.",
    )
    graphiql: bool | None = Field(
        None,
        description="Whether GraphiQL is served at `/graphiql`, for trying the API in a browser. "
        "Default: only in demo mode.",
    )
    persisted_documents: PersistedDocuments = Field(
        "allow",
        description="`only`: nothing but documents registered with `account-credit documents "
        "import`, except for staff. `allow`: registered documents by ID, and any other document. "
        "`off`: no document IDs.",
    )
    embedded_worker: bool | None = Field(
        None,
        description="Whether `serve` also runs the worker. Default: on SQLite, and in demo mode.",
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="The port on HOST where a `worker` process serves its metrics. Default: none.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The minimum severity that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="The format of log lines; `auto` is `console` on a terminal and `json` "
        "otherwise.",
    )
    body_kib_max: int = Field(
        1024, ge=64, le=16384, description="The maximum size of a request body, in KiB."
    )
    query_seconds: float = Field(
        10, gt=0, le=120, description="The maximum duration of a query, in seconds."
    )
    web_concurrency: int = Field(
        1,
        ge=1,
        le=64,
        description="The number of processes that `serve` answers requests with: one for each core "
        "to use. More than one need PostgreSQL and REDIS_URL; limits on connections and "
        "subscriptions are per process.",
    )
    connections_max: int = Field(
        10_000,
        ge=10,
        description="The maximum number of connections, including websockets; any more get a 503.",
    )
    subscriptions_max: int = Field(
        50, ge=1, le=1000, description="The maximum number of live subscriptions per websocket."
    )
    subscriptions_per_caller_max: int = Field(
        500, ge=1, description="The maximum number of live subscriptions per caller and process."
    )
    strangers_per_address_max: int = Field(
        256,
        ge=1,
        description="The maximum number of websockets without a sign-in, per IP address (IPv6: "
        "per /64) and process. They are closed after a minute without an operation. Behind a "
        "proxy, set TRUSTED_PROXIES; otherwise all clients share one address.",
    )
    sockets_per_caller_max: int = Field(
        500, ge=1, description="The maximum number of websockets per signed-in caller and process."
    )
    pdf_seconds: float = Field(
        20,
        gt=0,
        le=300,
        description="The time limit for rendering a PDF, in seconds; 12 times as much for more "
        "than 200 lines.",
    )
    pdf_processes: int = Field(
        2, ge=1, le=64, description="The number of processes that render PDFs, about 145 MiB each."
    )
    pdf_ahead: bool = Field(
        default=True,
        description="Whether these processes start with the server and PDFs of paid invoices are "
        "rendered in advance. Otherwise the first download takes a few seconds.",
    )
    document_store: DocumentStoreUrl | None = Field(
        None,
        description="Where rendered PDFs are stored: a folder, or `s3://bucket/prefix` "
        "(credentials, region and endpoint in AWS's own variables). Default: on SQLite a folder "
        "beside the database, otherwise only in memory.",
    )
    document_store_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="How long PDFs are stored, in days. They are rendered again when requested.",
    )
    document_store_mib: int = Field(
        1024,
        ge=1,
        description="The maximum total size of stored PDFs, in MiB; the oldest are deleted first.",
    )
    document_templates: Templates = Field(
        "", description="A folder with a modified copy of `pdf_templates` to use instead."
    )

    events_kept_days: int = Field(
        90,
        ge=7,
        le=3_650,
        description="How long events are kept, in days: for so long a partner that was away can "
        "read what it missed.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        self.public_url = self.public_url or f"http://127.0.0.1:{self.port}"
        self.credit_policy_url = self.credit_policy_url or f"{self.public_url}/credit-policy"
        if self.introspection is None:
            self.introspection = self.account_credit_demo
        if self.graphiql is None:
            self.graphiql = self.account_credit_demo
        if self.sign_up is None:
            self.sign_up = "open" if self.account_credit_demo else "off"
        if self.staff_second_factor is None:
            self.staff_second_factor = "optional" if self.account_credit_demo else "required"
        if self.embedded_worker is None:
            self.embedded_worker = self.on_sqlite or self.account_credit_demo
        if self.account_credit_demo:
            self._be_demo()
        self._check_issuers()
        return self

    def _check_issuers(self) -> None:
        for one in self.trusted_issuers:
            if one.jwks.startswith("http:") and not self.account_credit_demo:
                raise SettingsError("TRUSTED_ISSUERS (jwks) must be https://… or file:///….")
            if one.currency is not None and one.currency not in self.funds_limits:
                raise SettingsError("TRUSTED_ISSUERS (currency) must be one of FUNDS_LIMITS.")

    def _be_demo(self) -> None:
        self.account_credit_sandbox = True
        given = self.model_fields_set
        if "seller" not in given:
            self.seller = demo_seller()
        if "bank_accounts" not in given:
            self.bank_accounts = demo_bank_accounts()
        if "allowed_origins" not in given:
            self.allowed_origins = DEMO_ORIGINS

    # --------------------------------------------------------------------------- what follows

    @property
    def demo(self) -> bool:
        """Whether everything here is made up."""
        return self.account_credit_demo

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox gateway is offered."""
        return self.account_credit_sandbox

    @property
    def on_sqlite(self) -> bool:
        """Whether the database is one file and this the machine that has it."""
        return self.database_url.startswith("sqlite:")

    @property
    def database_name(self) -> str:
        """The database for people's eyes: no password in it."""
        parts = urlsplit(self.database_url)
        return parts.path if self.on_sqlite else f"{parts.hostname or 'localhost'}{parts.path}"

    @property
    def secret(self) -> bytes:
        """SECRET_KEY. Raises SettingsError when there is none."""
        if self.secret_key is None:
            raise SettingsError(
                "SECRET_KEY is needed: at least 32 random characters, for example from "
                "`openssl rand -base64 48`."
            )
        return self.secret_key.get_secret_value().encode()

    @property
    def secret_path(self) -> Path:
        """Where demo mode keeps the key that it makes: beside the database."""
        beside = self.database_name if self.on_sqlite else "account-credit.db"
        return Path(f"{beside}-secret").absolute()

    @property
    def sandbox_secrets(self) -> list[str]:
        """What signs the sandbox's messages, `whsec_…`; the first signs, all verify."""
        if self.sandbox_webhook_secret is not None:
            return self.sandbox_webhook_secret.get_secret_value().split()
        key = derived_key(self.secret, b"sandbox webhooks")
        return [f"whsec_{b64encode(key).decode()}"]

    @property
    def issues_e_invoices(self) -> bool:
        """Whether ORDER invoices carry their data (EN 16931)."""
        if self.e_invoices == "auto":
            return owes_e_invoices(self.seller.country)
        return self.e_invoices == "always"

    @property
    def documents_kept_at(self) -> str | None:
        """DOCUMENT_STORE, or the folder beside SQLite's file; None where memory is all."""
        if self.document_store is None and self.on_sqlite:
            return f"{self.database_name}-documents"
        return self.document_store

    @property
    def templates(self) -> Path:
        """Where the documents' templates are."""
        return Path(self.document_templates).absolute() if self.document_templates else TEMPLATES

    @property
    def sender(self) -> str:
        """Who mail is from. Raises SettingsError where it is sent and nobody is named."""
        if sender := self.mail_from or self.seller.email:
            return sender
        raise SettingsError("SMTP_URL needs MAIL_FROM, such as Example <billing@example.com>.")

    @property
    def warnings(self) -> list[str]:
        """What works, but hardly as it was meant: sentences for who starts a server or a worker."""
        if self.smtp_url is not None or self.demo:
            return []
        what = "nobody gets invitations, new passwords or notices"
        return [f"No mail is sent, as SMTP_URL isn't set: {what}. Set SMTP_URL and MAIL_FROM."]

    def require_processes(self) -> None:
        """Raises SettingsError where WEB_CONCURRENCY processes cannot serve together."""
        if self.web_concurrency == 1:
            return
        problems = []
        if self.on_sqlite:
            problems.append(
                "More than one process needs PostgreSQL: SQLite has one writer at a time. "
                "Set DATABASE_URL, or serve with --workers 1 (WEB_CONCURRENCY)."
            )
        if self.redis_url is None:
            problems.append(
                "More than one process needs Redis, which carries live updates between them. "
                "Set REDIS_URL, or serve with --workers 1 (WEB_CONCURRENCY)."
            )
        if problems:
            raise SettingsError(*problems)

    @property
    def origins(self) -> frozenset[str]:
        """The origins that browsers may call from and be returned to."""
        return frozenset(self.allowed_origins) | same_machine(self.public_url)

    @property
    def bank_account_numbers(self) -> list[str]:
        """The accounts whose statements may be imported, as `models.bank.account` reads them."""
        return [number for account in self.bank_accounts.values() for number in account.numbers]

    @property
    def bank_branches(self) -> dict[str, tuple[str, str | None]]:
        """The branch's code and the type of the accounts that have a branch, by their number."""
        return {
            number: (account.branch_code, account.account_type)
            for account in self.bank_accounts.values()
            if account.branch_code is not None
            for number in account.numbers[:1]
        }

    @property
    def secure_cookies(self) -> bool:
        """Cookies go over TLS alone, except to a server on the browser's own machine."""
        parts = urlsplit(self.public_url)
        return parts.scheme == "https" or parts.hostname not in {"127.0.0.1", "localhost", "::1"}

    def provider(self, gateways: Mapping[str, Gateway]) -> Provider:
        """The provider's decisions, for the domain."""
        return Provider(
            secret=self.secret,
            policy=CreditPolicy(
                self.credit_policy_version,
                self.credit_policy_url,
                refund_exceptions=self.refund_exceptions,
            ),
            limits={code: limit.limits(code) for code, limit in self.funds_limits.items()},
            gateways=gateways,
            seller=self.seller.seller(self.bank_accounts),
            own_accounts=tuple(self.bank_account_numbers),
            deposit_tax=self.deposit_tax_note,
            e_invoices=self.issues_e_invoices,
            public_url=self.public_url,
            return_origins=self.origins,
            support_url=self.support_url,
            invoice_due=timedelta(days=self.invoice_due_days),
            session_lifetime=timedelta(hours=self.session_hours),
            events_kept=timedelta(days=self.events_kept_days),
            staff_second_factor=self.staff_second_factor == "required",
            payments_per_invoice=self.payments_per_invoice_max,
            open_invoices=self.open_invoices_max,
            longest_hold=timedelta(days=self.hold_days_max),
            webhook_endpoints=self.webhook_endpoints_max,
            webhooks_to_loopback=self.demo,
            invoice_prefix=self.invoice_prefix,
            credit_note_prefix=self.credit_note_prefix,
            sign_up=self.sign_up or "off",
        )


# ------------------------------------------------------------------------------- loading


def load_settings(*, secret: bool = True, **overrides: Any) -> Settings:  # noqa: ANN401 - any setting
    """The settings of this process, from its environment and `overrides`.

    Without `secret` SECRET_KEY may be missing: some commands have no use for it. Raises
    SettingsError.
    """
    try:
        settings = Settings(**(_environment() | overrides))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise SettingsError(*map(_sentence, problems)) from None
    if secret and settings.demo and settings.secret_key is None:
        settings.secret_key = SecretStr(_kept_secret(settings))
    if secret:
        _ = settings.secret
    return settings


def _environment() -> dict[str, str]:
    """What the environment says of our settings; a variable that is empty says nothing."""
    given = {name.lower(): value for name, value in os.environ.items() if value}
    return {name: given[name] for name in Settings.model_fields if name in given}


def _sentence(problem: ErrorDetails) -> str:
    name, *path = (str(part) for part in problem["loc"])
    where = f" ({'.'.join(path)})" if path else ""
    said = problem["msg"].removeprefix("Value error, ")
    for theirs, ours in _OUR_WORDS.items():
        said = said.replace(theirs, ours)
    return f"{name.upper()}{where} {said}."


def _kept_secret(settings: Settings) -> str:
    path = settings.secret_path
    try:
        return kept_secret(path)
    except OSError as error:
        problem = f"The demo's secret can't be stored in {path}: {error.strerror}."
        raise SettingsError(problem) from None


# ------------------------------------------------------------------------------- documentation


def table() -> str:
    """The settings as a Markdown table: what the README shows."""
    rows = ["| Setting | Default | Description |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = _shown(field.default)
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if default in (None, "", {}, []) or isinstance(default, SellerDetails | dict):
        return ""
    if isinstance(default, bool):
        return f"`{int(default)}`"
    return f"`{default}`"
