from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.gateways import GatewayNotLoaded, load_gateways
from api.settings.settings import SettingsError, load_settings

SECRET = "0123456789abcdef0123456789abcdef"
ROOT = Path(__file__).parents[4]
GOOD: dict[str, Any] = {
    "stripe_secret_key": "sk_test_51abc",
    "stripe_webhook_secret": "whsec_4f1c0a7b9d2e5836",
    "stripe_publishable_key": "pk_test_51abc",
}


def loaded(**given: Any) -> set[str]:
    return set(load_gateways(load_settings(secret_key=SECRET, **given)))


def test_without_a_key_there_are_no_cards() -> None:
    assert "card" not in loaded()


@pytest.mark.parametrize("key", ["sk_test_51abc", "rk_test_51abc"])
@pytest.mark.parametrize("form", ["redirect", "page"])
def test_with_its_keys_cards_are_offered(key: str, form: str) -> None:
    given = GOOD | {"stripe_secret_key": key, "stripe_form": form}
    gateways = load_gateways(load_settings(secret_key=SECRET, **given))
    assert gateways["card"].currencies >= {"USD", "EUR", "JPY"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"stripe_webhook_secret": None}, "STRIPE_WEBHOOK_SECRET is needed"),
        ({"stripe_secret_key": None}, "STRIPE_SECRET_KEY is needed"),
        ({"stripe_form": "page", "stripe_publishable_key": ""}, "STRIPE_PUBLISHABLE_KEY is needed"),
        ({"stripe_publishable_key": "pk_live_1"}, "must both be for test mode"),
        ({"stripe_secret_key": "sk_live_1"}, "must both be for test mode"),
        (
            {
                "stripe_secret_key": "rk_live_1",
                "stripe_publishable_key": "pk_live_1",
                "stripe_api_url": "http://127.0.0.1:9000",
            },
            "STRIPE_API_URL is for tests",
        ),
        (
            {
                "stripe_secret_key": "sk_live_1",
                "stripe_publishable_key": "pk_live_1",
                "account_credit_demo": True,
            },
            "demo mode, which never takes real money",
        ),
    ],
)
def test_modes_and_halves_never_mix(change: dict[str, object], problem: str) -> None:
    given = {key: value for key, value in (GOOD | change).items() if value not in (None, "")}
    with pytest.raises(GatewayNotLoaded, match=problem) as caught:
        loaded(**given)
    assert not any(str(value) in str(caught.value) for value in GOOD.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stripe_secret_key", "pk_test_51abc"),
        ("stripe_secret_key", "whsec_4f1c0a7b9d2e5836"),
        ("stripe_secret_key", "sk_51abc"),
        ("stripe_publishable_key", "sk_test_51abc"),
        ("stripe_webhook_secret", "sk_test_51abc"),
        ("stripe_webhook_secret", "whsec_4f1c0a7b9d2e5836 secret"),
        ("stripe_webhook_secret", " "),
        ("stripe_form", "popup"),
        ("stripe_descriptor_suffix", "12345"),
        ("stripe_descriptor_suffix", "A<B"),
        ("stripe_descriptor_suffix", "A" * 21),
        ("stripe_api_url", "127.0.0.1:9000"),
    ],
)
def test_a_wrong_setting_is_one_sentence_without_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(secret_key=SECRET, **(GOOD | {name: value}))
    [problem] = caught.value.problems
    assert problem.startswith(f"{name.upper()} ")
    assert value.strip() == "" or value not in problem


def test_who_does_not_use_stripe_does_not_load_its_sdk() -> None:
    program = (
        "import sys; from api.gateways import load_gateways;"
        " from api.settings.settings import load_settings;"
        f" load_gateways(load_settings(secret_key='{SECRET}')); print('stripe' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
