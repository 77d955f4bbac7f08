from __future__ import annotations

from decimal import Decimal
from urllib.parse import unquote

import pytest

from api.gateways.bank_transfer import BankTransferGateway, epc_qr
from api.gateways.terms import Fee
from api.settings import load_settings
from api.settings_shapes import BankAccount
from models.base import now
from models.gateway import TransferInstructions
from models.money import Money
from tests.gateways.contract import *  # noqa: F403 - the suite
from tests.gateways.contract import REFERENCE, Case, order

GERMAN = BankAccount(
    beneficiary="Kaze Hosting GmbH",
    bank_name="Commerzbank",
    account_number="DE89 3704 0044 0532 0130 00",
    bic="COBADEFFXXX",
)
AMERICAN = BankAccount(beneficiary="Kaze", bank_name="First Bank", account_number="000123")


@pytest.fixture
def gateway() -> BankTransferGateway:
    return BankTransferGateway({"EUR": GERMAN, "USD": AMERICAN})


@pytest.fixture
def case(gateway: BankTransferGateway) -> Case:
    return Case(gateway, Money(2500, "EUR"))


async def test_the_instructions_are_those_of_the_currency(gateway: BankTransferGateway) -> None:
    started = await gateway.start(order(Money(2500, "USD")))
    assert started.action == TransferInstructions("Kaze", "First Bank", "000123")
    assert started.gateway_ref == REFERENCE
    assert started.expires_at is not None
    assert (started.expires_at - now()).days in {29, 30}


async def test_euros_come_with_a_code_to_scan(gateway: BankTransferGateway) -> None:
    started = await gateway.start(order(Money(2500, "EUR")))
    assert isinstance(started.action, TransferInstructions)
    assert started.action.qr_code is not None
    assert started.action.qr_code.startswith("data:image/svg+xml")


def test_the_code_is_a_drawing_without_script() -> None:
    code = epc_qr(GERMAN, Money(2500, "EUR"), REFERENCE)
    assert code is not None
    assert "<script" not in unquote(code)


@pytest.mark.parametrize(
    ("account", "amount"),
    [
        (GERMAN, Money(2500, "USD")),
        (AMERICAN, Money(2500, "EUR")),
        (GERMAN.model_copy(update={"account_number": "DE88370400440532013000"}), Money(1, "EUR")),
        (GERMAN.model_copy(update={"beneficiary": "x" * 71}), Money(2500, "EUR")),
        (GERMAN.model_copy(update={"bic": "SHORT"}), Money(2500, "EUR")),
        (GERMAN, Money(10**11 + 1, "EUR")),
    ],
)
def test_where_there_can_be_no_code_there_is_none(account: BankAccount, amount: Money) -> None:
    assert epc_qr(account, amount, REFERENCE) is None


def test_a_reference_of_no_standard_goes_in_as_text() -> None:
    assert epc_qr(GERMAN, Money(2500, "EUR"), "INV-2026-000042") is not None


def test_without_bank_accounts_there_is_no_bank_transfer() -> None:
    assert BankTransferGateway.from_settings(load_settings(secret=False)) is None


def test_the_accounts_and_the_fee_come_from_the_settings() -> None:
    settings = load_settings(
        secret=False,
        bank_accounts={"USD": AMERICAN},
        gateway_fees={"bank-transfer": {"percent": "1.5", "fixed": {"USD": "0.30"}}},
    )
    gateway = BankTransferGateway.from_settings(settings)
    assert gateway is not None
    assert gateway.currencies == {"USD"}
    assert gateway.fee(Money(1000, "USD")) == Money(45, "USD")


@pytest.mark.parametrize(("minor", "fee"), [(100, 3), (50, 2), (49, 1), (1, 0), (0, 0)])
def test_a_fee_is_rounded_commercially(minor: int, fee: int) -> None:
    assert Fee(percent=Decimal(3)).on(Money(minor, "USD")) == Money(fee, "USD")


def test_a_fixed_fee_that_the_currency_cannot_express_is_refused_at_the_start() -> None:
    settings = load_settings(
        secret=False, gateway_fees={"bank-transfer": {"fixed": {"JPY": "0.5"}}}
    )
    with pytest.raises(ValueError, match="GATEWAY_FEES has a fixed part that is no amount of JPY"):
        Fee.from_settings(settings, "bank-transfer")
