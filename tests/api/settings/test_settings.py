"""Settings: typed, complete, and refused in sentences that repeat no value."""

from __future__ import annotations

import json
import os
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.settings.settings import Settings, SettingsError, load_settings, table
from models.errors import CurrencyNotSupported
from models.money import Money

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def problems(**given: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(**{"secret_key": SECRET, **given})
    return "\n".join(refused.value.problems)


def test_a_secret_key_alone_is_enough(tmp_path: Path) -> None:
    settings = load_settings(secret_key=SECRET)
    assert settings.database_url == f"sqlite://{tmp_path}/account-credit.db"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.embedded_worker is True
    assert not settings.sandbox
    assert not settings.introspection


@pytest.mark.parametrize("secret", [None, "", "short", "changeme-changeme-changeme-changeme"])
def test_no_secret_key_or_a_weak_one_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, secret: str | None
) -> None:
    if secret is not None:
        monkeypatch.setenv("SECRET_KEY", secret)
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        load_settings()


def test_commands_that_need_no_secret_do_without() -> None:
    assert load_settings(secret=False).secret_key is None


def test_the_environment_is_read_and_what_is_empty_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, https://b.example:8443/")
    settings = load_settings()
    assert settings.public_url == "http://127.0.0.1:9000"
    assert settings.redis_url is None
    assert settings.allowed_origins == ["https://a.example", "https://b.example:8443"]


def test_demo_mode_makes_a_secret_once_and_keeps_it_to_itself(tmp_path: Path) -> None:
    first = load_settings(account_credit_demo=True)
    file = tmp_path / "account-credit.db-secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first.secret) >= 32
    assert load_settings(account_credit_demo=True).secret == first.secret
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_secret_that_is_given_is_used_in_demo_mode_too(tmp_path: Path) -> None:
    assert load_settings(account_credit_demo=True, secret_key=SECRET).secret == SECRET.encode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_secret_that_cannot_be_kept_is_said_plainly(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="can't be stored"):
        load_settings(account_credit_demo=True)


def test_demo_mode_offers_the_sandbox_and_bank_transfer() -> None:
    settings = load_settings(account_credit_demo=True)
    assert settings.sandbox
    assert set(settings.bank_accounts) == {"EUR", "JPY", "USD"}
    assert settings.introspection


@pytest.mark.parametrize(
    ("given", "required"),
    [
        ({}, True),
        ({"account_credit_demo": True}, False),
        ({"staff_second_factor": "optional"}, False),
        ({"account_credit_demo": True, "staff_second_factor": "required"}, True),
    ],
)
def test_staff_need_a_second_factor_but_for_the_demo_or_where_it_is_optional(
    given: dict[str, Any], *, required: bool
) -> None:
    settings = load_settings(secret_key=SECRET, **given)
    assert settings.provider({}).staff_second_factor is required


def test_what_is_given_wins_over_the_demo() -> None:
    seller = {"name": "Own Hosting"}
    settings = load_settings(account_credit_demo=True, seller=json.dumps(seller), introspection=0)
    assert settings.seller.name == "Own Hosting"
    assert settings.introspection is False


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///tmp/x/credit.db", "sqlite:///tmp/x/credit.db"),
        ("sqlite:////tmp/x/credit.db", "sqlite:///tmp/x/credit.db"),
        ("sqlite:///credit.db", "sqlite://{cwd}/credit.db"),
        ("sqlite://credit.db", "sqlite://{cwd}/credit.db"),
        ("sqlite://data/credit.db?busy_timeout=1", "sqlite://{cwd}/data/credit.db?busy_timeout=1"),
    ],
)
def test_sqlite_files_have_absolute_paths(url: str, path: str, tmp_path: Path) -> None:
    settings = load_settings(secret_key=SECRET, database_url=url)
    assert settings.database_url == path.format(cwd=tmp_path)


def test_on_postgresql_the_worker_is_a_process_of_its_own() -> None:
    url = "postgres://user:hunter22hunter22@db.example/credit"
    settings = load_settings(secret_key=SECRET, database_url=url)
    assert settings.embedded_worker is False
    assert settings.database_name == "db.example/credit"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "mysql://root:hunter2@db/x"),
        ("database_url", "sqlite://:memory:"),
        ("redis_url", "http://hunter2@redis"),
        ("port", "eight hunter2"),
        ("port", 70_000),
        ("public_url", "https://hunter2@credit.example"),
        ("public_url", "https://credit.example/path?hunter2"),
        ("allowed_origins", "*"),
        ("allowed_origins", "null"),
        ("allowed_origins", "https://ok.example,ftp://hunter2"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "hunter2"),
        ("sandbox_webhook_secret", "hunter2"),
        ("sandbox_webhook_secret", "whsec_aHVudGVyMg=="),
        ("funds_limits", "{hunter2"),
        ("funds_limits", "{}"),
        ("funds_limits", '{"USD": {"minimum_deposit": 5, "maximum_deposit": 10}}'),
        ("funds_limits", '{"USD": {"minimum_deposit": "0.001", "maximum_deposit": "10"}}'),
        ("funds_limits", '{"USD": {"minimum_deposit": "20", "maximum_deposit": "10"}}'),
        ("funds_limits", '{"QQQ": {"minimum_deposit": "1", "maximum_deposit": "10"}}'),
        ("funds_limits", '{"USD": {"minimum_deposit": "1", "maximum_deposit": "NaN"}}'),
        ("bank_accounts", '{"EUR": {"beneficiary": "hunter2"}}'),
        ("seller", '["hunter2"]'),
        ("log_level", "hunter2"),
        ("session_hours", 0),
        ("invoice_prefix", "inv-hunter2"),
        ("credit_policy_url", "javascript:hunter2"),
        ("secret_key", "hunter2"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(name: str, value: object) -> None:
    said = problems(**{name: value})
    assert said.startswith(name.upper())
    assert said.endswith(".")
    assert "hunter2" not in said


def test_every_wrong_setting_has_its_own_sentence() -> None:
    said = problems(port=0, log_format="xml", session_hours=-1)
    assert sorted(line.split()[0] for line in said.splitlines()) == [
        "LOG_FORMAT",
        "PORT",
        "SESSION_HOURS",
    ]


def test_the_house_has_the_limits_in_minor_units() -> None:
    settings = load_settings(secret_key=SECRET, funds_limits=limits(JPY=("500", "100000")))
    wired = settings.provider({})
    assert wired.limits_of("JPY").minimum_deposit == Money(500, "JPY")
    assert wired.limits_of("JPY").maximum_balance is None
    with pytest.raises(CurrencyNotSupported):
        wired.limits_of("USD")


def test_currencies_of_no_two_and_three_decimals_are_supported_by_default() -> None:
    wired = load_settings(secret_key=SECRET).provider({})
    assert wired.limits_of("KWD").minimum_deposit == Money(1500, "KWD")
    assert wired.limits_of("USD").minimum_deposit.amount == Decimal("5.00")
    assert wired.limits_of("JPY").minimum_deposit == Money(500, "JPY")


def test_the_servers_own_origin_is_always_allowed() -> None:
    settings = load_settings(secret_key=SECRET, public_url="https://credit.example")
    assert settings.origins == {"https://credit.example"}
    assert settings.secure_cookies


def test_on_the_browsers_own_machine_all_its_names_are_the_same() -> None:
    settings = load_settings(secret_key=SECRET, port=8123)
    assert "http://localhost:8123" in settings.origins
    assert "http://127.0.0.1:8123" in settings.origins
    assert not settings.secure_cookies


def test_a_plain_address_elsewhere_still_has_secure_cookies() -> None:
    settings = load_settings(secret_key=SECRET, public_url="http://credit.example")
    assert settings.secure_cookies


def test_the_sandboxs_secret_comes_from_the_key_or_from_its_own_setting() -> None:
    one, two = load_settings(secret_key=SECRET), load_settings(secret_key=SECRET[::-1])
    assert one.sandbox_secrets != two.sandbox_secrets
    given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    settings = load_settings(secret_key=SECRET, sandbox_webhook_secret=given)
    assert settings.sandbox_secrets == given.split()


def test_printing_the_settings_shows_no_secret() -> None:
    settings = load_settings(
        secret_key=SECRET,
        sandbox_webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        database_url="postgres://user:hunter2@db/credit",
    )
    assert "hunter2" not in repr(settings)
    assert SECRET not in repr(settings)
    assert "MfKQ9r8" not in str(settings)


def test_every_setting_is_described_in_the_table() -> None:
    rows = table().splitlines()[2:]
    assert len(rows) == len(Settings.model_fields)
    for name, row in zip(Settings.model_fields, rows, strict=True):
        assert row.startswith(f"| `{name.upper()}` |")
        assert not row.endswith("|  |")


def test_the_readme_shows_the_table() -> None:
    readme = Path(__file__).parents[3] / "api" / "README.md"
    assert table() in readme.read_text(encoding="utf-8")


def limits(**amounts: tuple[str, str]) -> str:
    return json.dumps(
        {
            code: {"minimum_deposit": least, "maximum_deposit": most}
            for code, (least, most) in amounts.items()
        }
    )


# ------------------------------------------------------------------------------- documents


def seller(**given: Any) -> str:
    return json.dumps({"name": "Kaze", **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"timezone": "../../etc/passwd"}, "time zone"),
        ({"country": "XX"}, "ISO 3166-1"),
        ({"country": "DE", "vat_id": "DE1"}, "vat_id"),
        ({"accent": "red"}, "accent"),
        ({"logo": "/nowhere/logo.svg"}, "can't be read"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"notes": ["a"] * 9}, "notes"),
        ({"colour": "#fff"}, "colour"),
    ],
)
def test_a_seller_that_cannot_be_printed_is_refused(given: dict[str, Any], said: str) -> None:
    told = problems(seller=seller(**given))
    assert said in told
    assert "SELLER" in told


def test_the_logo_is_read_at_the_start(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>")
    settings = load_settings(secret_key=SECRET, seller=seller(logo=str(logo), vat_id="CHE-1"))
    picture = settings.provider({}).seller.logo
    assert picture is not None
    assert picture.content == logo.read_bytes()
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'><script/></svg>")
    assert "shapes and text" in problems(seller=seller(logo=str(logo)))


@pytest.mark.parametrize(
    ("wish", "country", "issued"),
    [
        ("auto", "DE", True),
        ("auto", "FR", True),
        ("auto", "JP", False),
        ("always", "AT", True),
        ("never", "DE", False),
    ],
)
def test_structured_invoices_follow_the_sellers_country(
    wish: str, country: str, *, issued: bool
) -> None:
    settings = load_settings(secret_key=SECRET, e_invoices=wish, seller=seller(country=country))
    assert settings.provider({}).e_invoices is issued


def test_documents_are_kept_beside_sqlite_or_where_it_is_said(tmp_path: Path) -> None:
    beside = load_settings(secret_key=SECRET)
    assert beside.documents_kept_at == f"{tmp_path}/account-credit.db-documents"
    postgres = load_settings(secret_key=SECRET, database_url="postgres://a@b/c")
    assert postgres.documents_kept_at is None
    bucket = load_settings(secret_key=SECRET, document_store="s3://bucket/prefix")
    assert bucket.documents_kept_at == "s3://bucket/prefix"
    assert "folder" in problems(document_store="gs://bucket")
    assert "bucket" in problems(document_store="s3://")


def test_templates_are_a_copy_of_ours(tmp_path: Path) -> None:
    assert load_settings(secret_key=SECRET).templates.name == "pdf_templates"
    assert "pdf_templates" in problems(document_templates=str(tmp_path))


def test_a_server_without_a_way_to_send_mail_says_so_when_it_starts() -> None:
    (warning,) = load_settings(secret_key=SECRET).warnings
    assert "SMTP_URL" in warning
    assert load_settings(secret_key=SECRET, smtp_url="smtp://127.0.0.1").warnings == []
    assert load_settings(secret_key=SECRET, account_credit_demo=True).warnings == []
