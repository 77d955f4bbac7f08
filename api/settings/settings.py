"""Every knob once: typed, documented, read from environment variables of the same name.

The README's table is this file (`table()`). What is wrong at the start is one sentence per setting,
and no sentence repeats a value.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.pdf.frames import TEMPLATES
from api.settings.defaults import (
    DEMO_BANK_ACCOUNTS,
    DEMO_ORIGINS,
    DEMO_SELLER,
    FUNDS_LIMITS,
)
from api.settings.demo_secret import kept_secret
from api.settings.shapes import (
    BankAccounts,
    DatabaseUrl,
    DocumentStoreUrl,
    FundsLimits,
    GatewayFees,
    Networks,
    Origins,
    PayPalApiUrl,
    PublicUrl,
    RedisUrl,
    SecretKey,
    SellerDetails,
    SellerJson,
    SigningSecrets,
    StripeApiUrl,
    StripePublishableKey,
    StripeSecretKey,
    StripeWebhookSecrets,
    Templates,
    same_machine,
)
from models.provider.provider import CreditPolicy, House

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from models.gateway import Gateway

#: Where a client who is a business is owed an invoice as data (Germany since 2025, France 2026).
E_INVOICE_COUNTRIES = frozenset({"DE", "FR"})

# What pydantic says, as the rest of a sentence that begins with the setting's name.
_OUR_WORDS = {
    "Input should": "should",
    "String should": "should",
    "Field required": "is missing",
    "Extra inputs are not permitted": "is not known",
}


class SettingsProblem(Exception):
    """The program cannot start like this; one sentence per wrong setting."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """See the module. `load_settings()` makes them from the environment."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    database_url: DatabaseUrl = Field(
        "sqlite:///account-credit.db",
        repr=False,
        description="Where everything is kept: `sqlite:////absolute/path.db` or "
        "`postgres://user:password@host/name`. A bare file name is in the working directory.",
    )
    redis_url: RedisUrl | None = Field(
        None,
        repr=False,
        description="`redis://host:6379/0` carries live updates between processes. "
        "Needed as soon as more than one process serves.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(8000, ge=1, le=65535, description="The port to listen on.")
    public_url: PublicUrl = Field(
        "",
        validate_default=False,
        description="Where browsers reach the server, without a path. Links and cookies depend on "
        "it. Default: `http://127.0.0.1:PORT`.",
    )
    secret_key: SecretKey | None = Field(
        None,
        description="At least 32 random characters (`openssl rand -base64 48`). Voucher codes and "
        "download links depend on it, and every process needs the same. Required; demo mode makes "
        "one and keeps it beside the database.",
    )
    account_credit_demo: bool = Field(
        default=False,
        description="Demo mode: a made-up provider, demo sign-ins, the sandbox gateway. Never with "
        "real money.",
    )
    account_credit_sandbox: bool = Field(
        default=False,
        description="Offer the sandbox gateway, which pretends to take money. On in demo mode.",
    )
    sandbox_webhook_secret: SigningSecrets | None = Field(
        None,
        description="What signs the sandbox's messages (Standard Webhooks): `whsec_` and base64. "
        "Several, separated by spaces, while one replaces another. Default: made from SECRET_KEY.",
    )
    allowed_origins: Origins = Field(
        [],
        description="Origins of the portals that may call the API from a browser, and be returned "
        "to after a payment, separated by commas. PUBLIC_URL's own is always allowed.",
    )
    trusted_proxies: Networks = Field(
        [],
        description="Addresses or networks of reverse proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed, separated by commas.",
    )
    session_hours: int = Field(12, ge=1, le=720, description="How long a sign-in lasts.")
    pdf_link_minutes: int = Field(
        60, ge=1, le=10080, description="How long a link to a document works."
    )
    credit_policy_version: str = Field(
        "2026-01",
        min_length=1,
        max_length=64,
        description="The version of the credit policy that clients accept with a deposit.",
    )
    credit_policy_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Where the credit policy can be read. Default: `PUBLIC_URL/credit-policy`.",
    )
    refund_exceptions: bool = Field(
        default=True,
        description="Whether staff may give an unspent deposit back, with a reason, although "
        "deposits are in principle not refundable.",
    )
    funds_limits: FundsLimits = Field(
        FUNDS_LIMITS,
        description="JSON: per currency `minimum_deposit`, `maximum_deposit` and optionally "
        "`maximum_balance`, as decimals in quotes. It names the currencies that are supported. "
        "Default: thirty currencies with common limits.",
    )
    gateway_fees: GatewayFees = Field(
        {},
        description='JSON: what a gateway adds, such as `{"sandbox": {"percent": "2.9", "fixed": '
        '{"USD": "0.30"}}}`.',
    )
    stripe_secret_key: StripeSecretKey | None = Field(
        None,
        description="Offers cards through Stripe: `sk_test_…` or `sk_live_…`, or a restricted key "
        "(`rk_…`) that may write Checkout Sessions, PaymentIntents and Refunds, and read Charges "
        "and Disputes.",
    )
    stripe_webhook_secret: StripeWebhookSecrets | None = Field(
        None,
        description="What Stripe signs its messages with: the `whsec_…` of the endpoint "
        "`PUBLIC_URL/webhooks/card`. Several, separated by spaces, while one replaces another. "
        "Required with STRIPE_SECRET_KEY.",
    )
    stripe_publishable_key: StripePublishableKey = Field(
        "",
        validate_default=False,
        description="`pk_test_…` or `pk_live_…`, for the card form. Required with "
        "STRIPE_FORM=page.",
    )
    stripe_form: Literal["redirect", "page"] = Field(
        "redirect",
        description="Where clients enter their card: on Stripe's own page (`redirect`), or in a "
        "form of the portal (`page`). Payments that are open stay where they began.",
    )
    stripe_descriptor_suffix: str = Field(
        "",
        pattern=r"""^([^<>\\'"*]{0,19}[A-Za-z][^<>\\'"*]{0,19})?$""",
        max_length=20,
        description="What follows the provider's name on card statements, in Latin letters.",
    )
    stripe_api_url: StripeApiUrl = Field(
        "",
        validate_default=False,
        description="Where a stand-in for Stripe listens, for tests. Never with a live key.",
    )
    paypal_client_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Offers PayPal: the client id of your app in PayPal's developer dashboard. "
        "PAYPAL_CLIENT_SECRET and PAYPAL_WEBHOOK_ID are required with it.",
    )
    paypal_client_secret: SecretStr | None = Field(None, description="The app's secret.")
    paypal_webhook_id: str = Field(
        "",
        pattern=r"^[A-Za-z0-9]*$",
        max_length=50,
        description="The id of the app's webhook to `PUBLIC_URL/webhooks/paypal`. Messages are "
        "verified with it.",
    )
    paypal_mode: Literal["sandbox", "live"] = Field(
        "sandbox",
        description="Whether the app is of PayPal's sandbox or takes real money. Never `live` in "
        "demo mode.",
    )
    paypal_api_url: PayPalApiUrl = Field(
        "",
        validate_default=False,
        description="Where a stand-in for PayPal listens, for tests. Never with PAYPAL_MODE=live.",
    )
    bank_accounts: BankAccounts = Field(
        {},
        description="JSON: per currency `beneficiary`, `bank_name`, `account_number` and perhaps "
        "`bic`; in Japan `branch_name`, `branch_code` and `account_type` (`ordinary` or "
        "`current`). Bank transfer is offered in these currencies, and statements of these "
        "accounts are imported, also of those listed in `statements_of`. Demo mode has three.",
    )
    seller: SellerJson = Field(
        SellerDetails(name="Account Credit"),
        description="JSON: who issues the documents: `name`, `address` (a list of lines), `email`, "
        "`url`, `registration` (a list of pairs of label and number), `brand`, `accent` "
        "(`#1d4ed8`), `logo` (a PNG or SVG file), `timezone`, `postcode`, `city`, `country` "
        "(`DE`), `vat_id`, "
        "`exemption` (why 0 % is charged), `notes` (a list of texts).",
    )
    deposit_tax_note: str = Field(
        "",
        max_length=500,
        description="Why deposits carry no tax, as their invoices say it. Default: what holds in "
        "SELLER's country.",
    )
    e_invoices: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether ORDER invoices carry Factur-X (EN 16931); `auto` is where the law of "
        "SELLER's country asks for it: DE and FR. SELLER's `vat_id` and the client's country must "
        "be known.",
    )
    support_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="The support ticket page that a stuck payment points to; `{invoice}` in it is "
        "replaced by the invoice's number.",
    )
    invoice_due_days: int = Field(
        14, ge=0, le=365, description="Days until an invoice is due where nobody says otherwise."
    )
    payments_per_invoice_max: int = Field(
        50,
        ge=1,
        le=200,
        description="How often somebody may begin to pay one invoice. Money that comes in unasked "
        "is booked all the same.",
    )
    open_invoices_max: int = Field(
        1000,
        ge=1,
        description="Open invoices of one account. None is issued beyond, unless credit pays it at "
        "once.",
    )
    invoice_prefix: str = Field(
        "INV",
        pattern=r"^[A-Z][A-Z0-9]{0,7}$",
        description="What invoice numbers begin with: `INV-2026-000042`.",
    )
    credit_note_prefix: str = Field(
        "CN", pattern=r"^[A-Z][A-Z0-9]{0,7}$", description="What credit note numbers begin with."
    )
    introspection: bool | None = Field(
        None,
        description="Whether callers who are not signed in may read the schema and are helped with "
        "misspelt names. Default: in demo mode only.",
    )
    graphiql: bool | None = Field(
        None,
        description="Whether GraphiQL is at `/graphiql`, for trying the API in a browser. "
        "Default: in demo mode only.",
    )
    persisted_documents: Literal["off", "allow", "only"] = Field(
        "allow",
        description="`only` answers nothing but documents that `account-credit documents import` "
        "has registered, except for staff. `allow` answers those by their identifiers, and any "
        "other document. `off` knows no identifiers.",
    )
    embedded_worker: bool | None = Field(
        None,
        description="Whether `serve` also does the work of `worker`. Default: on SQLite, and in "
        "demo mode.",
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="A port of HOST where a `worker` process shows its metrics. Default: nowhere.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe line that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="How lines are written; `auto` is `console` on a terminal, else `json`."
    )
    body_kib_max: int = Field(
        1024, ge=64, le=16384, description="The largest request body, in KiB."
    )
    query_seconds: float = Field(10, gt=0, le=120, description="The longest that a query may take.")
    connections_max: int = Field(
        10_000, ge=10, description="Connections beyond this many, websockets included, get a 503."
    )
    subscriptions_max: int = Field(
        50, ge=1, le=1000, description="Live subscriptions on one websocket."
    )
    subscriptions_per_caller_max: int = Field(
        500, ge=1, description="Live subscriptions of one caller in one process."
    )
    strangers_per_address_max: int = Field(
        256,
        ge=1,
        description="Websockets of one address (IPv6: one /64) that nobody has signed in on, in "
        "one process. They are closed after a minute without an operation. Behind a proxy set "
        "TRUSTED_PROXIES, or all clients have one address.",
    )
    sockets_per_caller_max: int = Field(
        500, ge=1, description="Websockets of one caller who has signed in, in one process."
    )
    pdf_seconds: float = Field(
        20,
        gt=0,
        le=300,
        description="The longest that a PDF may take; 12 times that with more than 200 lines.",
    )
    pdf_processes: int = Field(
        2, ge=1, le=64, description="How many processes make PDFs, of about 145 MiB each."
    )
    pdf_ahead: bool = Field(
        default=True,
        description="Whether those start with the server, and documents of what was paid are made "
        "before anybody asks. Off, the first download waits some seconds.",
    )
    document_store: DocumentStoreUrl | None = Field(
        None,
        description="Where made PDFs are kept: a folder, or `s3://bucket/prefix` (credentials, "
        "region and endpoint in AWS's own variables). Default: on SQLite a folder beside the "
        "database, else memory alone.",
    )
    document_store_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="Kept PDFs that are older are deleted, and made again when somebody asks.",
    )
    document_store_mib: int = Field(
        1024,
        ge=1,
        description="The most MiB of PDFs that are kept: the oldest make room for new ones.",
    )
    document_templates: Templates = Field(
        "", description="A folder with a copy of `pdf_templates` to use instead of it."
    )

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        self.public_url = self.public_url or f"http://127.0.0.1:{self.port}"
        self.credit_policy_url = self.credit_policy_url or f"{self.public_url}/credit-policy"
        if self.introspection is None:
            self.introspection = self.account_credit_demo
        if self.graphiql is None:
            self.graphiql = self.account_credit_demo
        if self.embedded_worker is None:
            self.embedded_worker = self.on_sqlite or self.account_credit_demo
        if self.account_credit_demo:
            self._be_demo()
        return self

    def _be_demo(self) -> None:
        self.account_credit_sandbox = True
        given = self.model_fields_set
        if "seller" not in given:
            self.seller = DEMO_SELLER
        if "bank_accounts" not in given:
            self.bank_accounts = DEMO_BANK_ACCOUNTS
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
        """SECRET_KEY. Raises SettingsProblem when there is none."""
        if self.secret_key is None:
            raise SettingsProblem(
                "SECRET_KEY is needed: at least 32 random characters, "
                "such as `openssl rand -base64 48` makes."
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
        key = hmac.digest(self.secret, b"sandbox webhooks", hashlib.sha256)
        return [f"whsec_{b64encode(key).decode()}"]

    @property
    def issues_e_invoices(self) -> bool:
        """Whether ORDER invoices carry their data (EN 16931)."""
        if self.e_invoices == "auto":
            return self.seller.country in E_INVOICE_COUNTRIES
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

    def house(self, gateways: Mapping[str, Gateway]) -> House:
        """The provider's decisions, for the domain."""
        return House(
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
            payments_per_invoice=self.payments_per_invoice_max,
            open_invoices=self.open_invoices_max,
            invoice_prefix=self.invoice_prefix,
            credit_note_prefix=self.credit_note_prefix,
        )


# ------------------------------------------------------------------------------- loading


def load_settings(*, secret: bool = True, **overrides: Any) -> Settings:  # noqa: ANN401 - any setting
    """The settings of this process, from its environment and `overrides`.

    Without `secret` SECRET_KEY may be missing: some commands have no use for it. Raises
    SettingsProblem.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise SettingsProblem(*map(_sentence, problems)) from None
    if secret and settings.demo and settings.secret_key is None:
        settings.secret_key = SecretStr(_kept_secret(settings))
    if secret:
        _ = settings.secret
    return settings


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
        problem = f"The demo's secret cannot be kept in {path}: {error.strerror}."
        raise SettingsProblem(problem) from None


# ------------------------------------------------------------------------------- documentation


def table() -> str:
    """The settings as a Markdown table: what the README shows."""
    rows = ["| Setting | Default | What it is |", "| --- | --- | --- |"]
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
