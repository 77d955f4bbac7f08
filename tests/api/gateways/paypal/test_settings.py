"""PayPal is configured whole or not at all, and test and live never mix."""

from __future__ import annotations

from typing import Any, Final

import pytest

from api.gateways import GatewayNotLoaded, load_gateways
from api.gateways.paypal.gateway import PayPalGateway
from api.gateways.paypal.merchant import Merchant
from api.settings.settings import Settings, SettingsError, load_settings
from models.money import Money

SECRET: Final = "0123456789abcdef0123456789abcdef"
APP: Final[dict[str, Any]] = {
    "paypal_client_id": "AClientId",
    "paypal_client_secret": "hunter2",
    "paypal_webhook_id": "4JH86294D6297924G",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def merchant(**given: Any) -> Merchant | None:
    return Merchant.from_settings(load_settings(secret_key=SECRET, **given))


def test_without_settings_there_is_no_paypal() -> None:
    assert merchant() is None
    assert "paypal" not in load_gateways(load_settings(secret_key=SECRET))


def test_with_its_settings_it_is_found_like_any_other() -> None:
    fees = '{"paypal": {"percent": "3.4", "fixed": {"USD": "0.30"}}}'
    found = load_gateways(load_settings(secret_key=SECRET, gateway_fees=fees, **APP))
    assert isinstance(found["paypal"], PayPalGateway)
    assert found["paypal"].fee(Money(10_000, "USD")) == Money(370, "USD")


@pytest.mark.parametrize(
    ("missing", "names"),
    [
        (["paypal_client_id"], "PAYPAL_CLIENT_ID"),
        (["paypal_client_secret"], "PAYPAL_CLIENT_SECRET"),
        (["paypal_webhook_id"], "PAYPAL_WEBHOOK_ID"),
        (["paypal_client_secret", "paypal_webhook_id"], "PAYPAL_CLIENT_SECRET and PAYPAL_WEBHOOK"),
    ],
)
def test_half_of_them_refuse_to_start_and_say_what_is_missing(
    missing: list[str], names: str
) -> None:
    given = {name: value for name, value in APP.items() if name not in missing}
    with pytest.raises(GatewayNotLoaded, match=names) as refused:
        load_gateways(load_settings(secret_key=SECRET, **given))
    assert "hunter2" not in str(refused.value)


def test_the_sandbox_is_the_default_and_live_is_said() -> None:
    sandbox, live = merchant(**APP), merchant(**APP, paypal_mode="live")
    assert sandbox is not None
    assert live is not None
    assert (sandbox.api_url, live.api_url) == (
        "https://api-m.sandbox.paypal.com",
        "https://api-m.paypal.com",
    )
    assert not set(sandbox.cert_origins) & set(live.cert_origins)
    assert "hunter2" not in repr(sandbox)


def test_live_is_refused_in_demo_mode_and_with_a_stand_in() -> None:
    with pytest.raises(ValueError, match="demo mode, which never takes real money"):
        merchant(**APP, paypal_mode="live", account_credit_demo=True)
    with pytest.raises(ValueError, match="PAYPAL_API_URL is for tests only"):
        merchant(**APP, paypal_mode="live", paypal_api_url="http://127.0.0.1:9000")


def test_a_stand_in_has_its_own_certificates() -> None:
    given = merchant(**APP, paypal_api_url="http://127.0.0.1:9000")
    assert given is not None
    assert given.cert_origins == (given.api_url,) == ("http://127.0.0.1:9000",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("paypal_client_id", "hunter2!"),
        ("paypal_webhook_id", "hunter2/.."),
        ("paypal_mode", "hunter2"),
        ("paypal_api_url", "https://hunter2@paypal.example"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(name: str, value: str) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=name.upper()) as refused:
        load_settings(secret_key=SECRET, **given)
    assert "hunter2" not in str(refused.value)
