from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from api.gateways import GROUP, GatewayNotLoaded, load_gateways
from api.gateways.bank_transfer import BankTransferGateway
from api.gateways.sandbox.gateway import SandboxGateway
from api.settings.settings import Settings, load_settings

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


def broken(_settings: Settings) -> None:
    raise RuntimeError("no licence")


def nameless(_settings: Settings) -> object:
    return object()


class HalfDone:
    code = "half-done"
    kind = "CARD"

    @classmethod
    def from_settings(cls, _settings: Settings) -> HalfDone:
        return cls()


def absent(_settings: Settings) -> None:
    return None


def plugin(name: str, target: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{target}", GROUP)


def test_the_installed_gateways_are_found() -> None:
    gateways = load_gateways(load_settings(account_credit_demo=True, secret_key=SECRET))
    assert isinstance(gateways["sandbox"], SandboxGateway)
    assert isinstance(gateways["bank-transfer"], BankTransferGateway)


def test_the_sandbox_is_off_unless_it_is_asked_for() -> None:
    assert load_gateways(load_settings(secret_key=SECRET)) == {}
    on = load_gateways(load_settings(secret_key=SECRET, account_credit_sandbox=True))
    assert set(on) == {"sandbox"}


def test_a_gateway_that_is_not_configured_is_left_out() -> None:
    assert load_gateways(load_settings(secret=False), [plugin("absent", "absent")]) == {}


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("broken", "RuntimeError: no licence"),
        ("missing", "AttributeError"),
        ("nameless", "its code is not a short name"),
        ("HalfDone", "it has no currencies, refunds, name, minimum"),
    ],
)
def test_a_broken_plugin_is_named_in_one_sentence(target: str, problem: str) -> None:
    with pytest.raises(GatewayNotLoaded) as caught:
        load_gateways(load_settings(secret=False), [plugin("acme", target)])
    assert str(caught.value).startswith(f"The gateway acme ({__name__}:{target}) can't be used: ")
    assert problem in str(caught.value)


def test_two_gateways_of_one_code_are_refused() -> None:
    target = "api.gateways.sandbox:from_settings"
    twice = [EntryPoint("first", target, GROUP), EntryPoint("second", target, GROUP)]
    settings = load_settings(secret_key=SECRET, account_credit_sandbox=True)
    with pytest.raises(GatewayNotLoaded, match="another one has the code 'sandbox' already"):
        load_gateways(settings, twice)


def test_no_more_gateways_are_loaded_than_a_list_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.gateways.GATEWAYS_MAX", 1)
    target = "api.gateways.sandbox:from_settings"
    others = [
        EntryPoint("first", target, GROUP),
        EntryPoint("other", "api.gateways.bank_transfer:BankTransferGateway", GROUP),
    ]
    settings = load_settings(secret_key=SECRET, account_credit_demo=True)
    with pytest.raises(GatewayNotLoaded, match="there are 1 others already"):
        load_gateways(settings, others)
