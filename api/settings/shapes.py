"""The shapes of the settings that hold more than one value, and how they are read.

Every reader raises ValueError with the rest of a sentence that begins with the setting's name; none
repeats what was given, for it may hold a password.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from stdnum.eu import vat

from api.settings.logo import read_logo
from models import email as emails
from models.accounts.billing import EUROPEAN_UNION, country_code
from models.bank import account as bank_account
from models.bank.notation import with_bic
from models.errors import CurrencyNotSupported, Refusal
from models.gateway import BankAccountType
from models.money import Money
from models.provider.provider import Limits
from models.provider.seller import BankDetails, Seller, zone_named

SECRET_CHARACTERS_MIN = 32
_PLACEHOLDERS = re.compile(r"changeme|example|insecure|password|placeholder|yoursecret")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_OWN_PORTS = {"http": ":80", "https": ":443"}
# Names that are not ASCII are written as browsers send them: xn--….
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?", re.ASCII)
_SIGNING_BYTES_MIN = 16
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")


class Shape(BaseModel):
    """A JSON object of which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _decimal(value: object) -> Decimal:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError('must be a decimal number in quotes, such as "25.00"')
    try:
        return Decimal(value)
    except InvalidOperation:  # pragma: no cover - the expression above lets none through
        raise ValueError("must be a decimal number") from None


DecimalText = Annotated[Decimal, BeforeValidator(_decimal)]


class FundsLimit(Shape):
    """What may be deposited at once, how much credit an account may have, and below what it is low;
    in major units.
    """

    minimum_deposit: DecimalText
    maximum_deposit: DecimalText
    maximum_balance: DecimalText | None = None
    low_balance: DecimalText | None = None

    def limits(self, currency: str) -> Limits:
        """The same in minor units."""

        def money(amount: Decimal | None) -> Money | None:
            return None if amount is None else Money.parse(amount, currency)

        return Limits(
            minimum_deposit=Money.parse(self.minimum_deposit, currency),
            maximum_deposit=Money.parse(self.maximum_deposit, currency),
            maximum_balance=money(self.maximum_balance),
            low_balance=money(self.low_balance),
        )


class BankAccount(Shape):
    """The account that clients transfer to.

    Japan's have a branch (its code has three digits), a type (普通 is `ordinary`, 当座 `current`)
    and a holder in katakana. `statements_of` are numbers of other accounts whose statements are
    imported too: one that clients were told before, say.
    """

    beneficiary: str = Field(min_length=1)
    bank_name: str = Field(min_length=1)
    account_number: str = Field(min_length=1)
    bic: str | None = None
    branch_name: str | None = Field(default=None, min_length=1)
    branch_code: str | None = Field(default=None, pattern=r"^[0-9]{3}$")
    account_type: BankAccountType | None = None
    statements_of: list[str] = []

    @property
    def numbers(self) -> list[str]:
        """The accounts whose statements are imported, as `models.bank.account` reads them."""
        return [with_bic(self.account_number, self.bic), *self.statements_of]

    def details(self) -> BankDetails:
        """The same as documents print it."""
        return BankDetails(
            self.beneficiary,
            self.bank_name,
            self.account_number,
            self.bic,
            self.branch_name,
            self.branch_code,
            self.account_type,
        )


def distinct_accounts(accounts: dict[str, BankAccount]) -> dict[str, BankAccount]:
    """Refuses two numbers that could be the same account."""
    numbers = [number for account in accounts.values() for number in account.numbers]
    try:
        bank_account.own_keys(tuple(numbers))
    except bank_account.AccountUnclear:
        problem = "has two numbers that could be the same account: write both as IBAN or BIC/number"
        raise ValueError(problem) from None
    return accounts


class GatewayFee(Shape):
    """What a gateway adds: a percentage of the amount and a fixed part per currency."""

    percent: DecimalText = Decimal(0)
    fixed: dict[str, DecimalText] = {}


def _time_zone(name: str) -> str:
    try:
        zone_named(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("must be an IANA time zone, such as Europe/Berlin") from None
    return name


def _country(code: str) -> str:
    try:
        return country_code(code)
    except Refusal:
        raise ValueError("must be an ISO 3166-1 country code, such as DE") from None


def _logo(path: str) -> str:
    if path:
        read_logo(path)
    return path


class SellerDetails(Shape):
    """Who issues the invoices, as they are printed."""

    name: str = Field(min_length=1, max_length=200)
    address: list[str] = Field(default=[], max_length=8)
    email: str = ""
    url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    registration: list[tuple[str, str]] = Field(default=[], max_length=8)
    brand: str = Field(default="", max_length=60)
    accent: str = Field(default="", pattern=r"^(#[0-9a-fA-F]{6})?$")
    logo: Annotated[str, AfterValidator(_logo)] = ""
    timezone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    postcode: str = Field(default="", max_length=20)
    city: str = Field(default="", max_length=80)
    country: Annotated[str, AfterValidator(_country)] = ""
    vat_id: str = Field(default="", max_length=30)
    exemption: str = Field(default="", max_length=500)
    notes: list[str] = Field(default=[], max_length=8)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.vat_id and self.country in EUROPEAN_UNION and not vat.is_valid(self.vat_id):
            raise ValueError("has an invalid EU vat_id")
        return self

    def seller(self, bank_accounts: Mapping[str, BankAccount]) -> Seller:
        """The same for the domain; the logo is read from its file now."""
        return Seller(
            name=self.name,
            address=tuple(self.address),
            email=self.email,
            url=self.url,
            registration=tuple(self.registration),
            brand=self.brand,
            accent=self.accent,
            logo=read_logo(self.logo) if self.logo else None,
            timezone=self.timezone,
            postcode=self.postcode,
            city=self.city,
            country=self.country,
            vat_id="".join(self.vat_id.split()),
            exemption=self.exemption,
            notes=tuple(self.notes),
            bank_accounts={code: bank.details() for code, bank in bank_accounts.items()},
        )


# ------------------------------------------------------------------------------- readers


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("isn't valid JSON") from None


def funds_limits(limits: dict[str, FundsLimit]) -> dict[str, FundsLimit]:
    """Currencies of ISO 4217, with amounts that they can have."""
    if not limits:
        raise ValueError("must name at least one currency")
    for code, limit in limits.items():
        _check_limit(code, limit)
    return limits


def _check_limit(code: str, limit: FundsLimit) -> None:
    try:
        limits = limit.limits(code)
    except CurrencyNotSupported:
        raise ValueError(f"names {code}, which isn't an ISO 4217 currency") from None
    except Refusal:
        raise ValueError(f"has an amount that isn't possible in {code}") from None
    if not limits.minimum_deposit or limits.maximum_deposit < limits.minimum_deposit:
        raise ValueError(f"{code} needs 0 < minimum_deposit <= maximum_deposit")


def _list(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part for part in re.split(r"[\s,]+", value) if part]


def origin(value: str) -> str:
    """`https://portal.example.com`: scheme, host and port, and nothing else.

    As browsers write it (RFC 6454, 6.2): small letters, and no port where it is the scheme's own.
    """
    parts = _split(value)
    host = parts.netloc.lower().removesuffix(_OWN_PORTS.get(parts.scheme, ":"))
    if parts.scheme not in _OWN_PORTS or not _HOST.fullmatch(host):
        raise ValueError("must be an origin, such as https://portal.example.com")
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        raise ValueError("must be an origin, with nothing after the host and port")
    return f"{parts.scheme}://{host}"


def same_machine(public_url: str) -> frozenset[str]:
    """The origin `public_url`, under each name that the browser's own machine has."""
    for name in _LOOPBACK:
        if public_url.startswith((f"http://{name}:", f"https://{name}:")):
            return frozenset(public_url.replace(name, other, 1) for other in _LOOPBACK)
    return frozenset({public_url})


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("isn't a valid URL") from None
    return parts


def _origins(values: list[str]) -> list[str]:
    return [origin(value) for value in values]


def _networks(values: list[str]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(value)) for value in values]
    except ValueError:
        raise ValueError("must be IP addresses or networks such as 10.0.0.0/8") from None


def secret_key(secret: SecretStr) -> SecretStr:
    """A key that is long enough, and none that came with an example."""
    value = secret.get_secret_value()
    if len(value.strip()) < SECRET_CHARACTERS_MIN:
        raise ValueError(f"must have at least {SECRET_CHARACTERS_MIN} characters")
    letters = re.sub(r"[^a-z]", "", value.lower())
    if _PLACEHOLDERS.search(letters):
        raise ValueError("must be random, for example from `openssl rand -base64 48`")
    return secret


def signing_secrets(secret: SecretStr) -> SecretStr:
    """One or more `whsec_…` secrets (Standard Webhooks), separated by spaces; the first signs."""
    each = secret.get_secret_value().split()
    if not each or any(_signing_bytes(one) < _SIGNING_BYTES_MIN for one in each):
        raise ValueError("must be whsec_ and base64 of at least 16 random bytes")
    return secret


def _signing_bytes(secret: str) -> int:
    try:
        return len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except binascii.Error:
        return 0


def stripe_secret_key(secret: SecretStr) -> SecretStr:
    """A secret or restricted key of Stripe."""
    if not re.fullmatch(r"[sr]k_(test|live)_\w+", secret.get_secret_value(), re.ASCII):
        raise ValueError("must begin with sk_test_, sk_live_, rk_test_ or rk_live_")
    return secret


def stripe_publishable_key(value: str) -> str:
    """A key of Stripe that browsers may know."""
    if not re.fullmatch(r"pk_(test|live)_\w+", value, re.ASCII):
        raise ValueError("must begin with pk_test_ or pk_live_")
    return value


def stripe_webhook_secrets(secret: SecretStr) -> SecretStr:
    """One or more `whsec_…` secrets of Stripe, separated by spaces."""
    each = secret.get_secret_value().split()
    if not each or not all(re.fullmatch(r"whsec_\w{16,}", one, re.ASCII) for one in each):
        raise ValueError(
            "must be the signing secret of the endpoint in Stripe's dashboard: whsec_…"
        )
    return secret


def database_url(value: str) -> str:
    """`sqlite:///absolute/path.db` or `postgres://…`.

    A bare file name, as in `sqlite:///account-credit.db`, is in the working directory.
    """
    if value.startswith(("postgres://", "postgresql://")):
        return value
    if not value.startswith("sqlite://"):
        raise ValueError("must begin with sqlite:// or postgres://")
    path, question, options = value.removeprefix("sqlite://").partition("?")
    if not path.strip("/") or ":memory:" in path:
        raise ValueError("must name a file, such as sqlite:////var/lib/account-credit.db")
    bare = path.lstrip("/")
    absolute = f"/{bare}" if path.startswith("/") and "/" in bare else str(Path(bare).absolute())
    return f"sqlite://{absolute}{question}{options}"


def document_store(value: str) -> str:
    """`s3://bucket/prefix`, or a folder."""
    if value.startswith("s3://"):
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/\S*)?", value):
            raise ValueError("must name a bucket, such as s3://bucket/prefix")
        return value
    if "://" in value:
        raise ValueError("must be a folder, or begin with s3://")
    return str(Path(value).absolute())


def templates(value: str) -> str:
    """A folder with the templates in it."""
    if value and not (Path(value) / "layout.html").is_file():
        raise ValueError("must be a copy of the folder pdf_templates")
    return value


def redis_url(value: str) -> str:
    """`redis://…`, `rediss://…` (TLS) or `unix://…`."""
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return value


def smtp_url(value: str) -> str:
    """`smtp://…` or `smtps://…`: a host, and where it wants one a user with a password."""
    parts = _split(value)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("must begin with smtp:// or smtps:// and name a host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must have nothing after the host and port")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("must name a user and a password, or neither")
    return value


def mail_from(value: str) -> str:
    """One address, with a name before it or not."""
    _, address = parseaddr(value)
    if emails.written(address) is None or not value.isprintable():
        raise ValueError("must be an e-mail address, such as Example <billing@example.com>")
    return value


Json = BeforeValidator(_json)
SmtpUrl = Annotated[str, AfterValidator(smtp_url)]
MailFrom = Annotated[str, AfterValidator(mail_from)]
SecretKey = Annotated[SecretStr, AfterValidator(secret_key)]
SigningSecrets = Annotated[SecretStr, AfterValidator(signing_secrets)]
StripeSecretKey = Annotated[SecretStr, AfterValidator(stripe_secret_key)]
StripePublishableKey = Annotated[str, AfterValidator(stripe_publishable_key)]
StripeWebhookSecrets = Annotated[SecretStr, AfterValidator(stripe_webhook_secrets)]
StripeApiUrl = Annotated[str, AfterValidator(origin)]
DatabaseUrl = Annotated[str, AfterValidator(database_url)]
DocumentStoreUrl = Annotated[str, AfterValidator(document_store)]
Templates = Annotated[str, AfterValidator(templates)]
RedisUrl = Annotated[str, AfterValidator(redis_url)]
PublicUrl = Annotated[str, AfterValidator(origin)]
PayPalApiUrl = Annotated[str, AfterValidator(origin)]
FundsLimits = Annotated[dict[str, FundsLimit], Json, AfterValidator(funds_limits)]
GatewayFees = Annotated[dict[str, GatewayFee], Json]
BankAccounts = Annotated[dict[str, BankAccount], Json, AfterValidator(distinct_accounts)]
SellerJson = Annotated[SellerDetails, Json]
Origins = Annotated[list[str], BeforeValidator(_list), AfterValidator(_origins)]
Networks = Annotated[list[str], BeforeValidator(_list), AfterValidator(_networks)]
