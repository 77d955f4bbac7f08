from __future__ import annotations

from decimal import Decimal
from urllib.parse import unquote

import pytest

from api.gateways.bank_transfer import BankTransferGateway, epc_qr
from api.gateways.fee import Fee
from api.settings.settings import load_settings
from api.settings.shapes import BankAccount
from models.bank.account import own_account, own_keys
from models.clock import now
from models.gateway import BankAccountType, TransferInstructions
from models.money import Money
from models.payments.payment import action_json
from tests.support.gateways.contract import *  # noqa: F403 - the suite
from tests.support.gateways.contract import REFERENCE, Case, order

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


async def test_what_a_transfer_within_japan_needs_is_told() -> None:
    account = BankAccount(
        beneficiary="カゼホスティング(カ",
        bank_name="風銀行",
        branch_name="中央支店",
        branch_code="001",
        account_type=BankAccountType.ORDINARY,
        account_number="1234567",
    )
    started = await BankTransferGateway({"JPY": account}).start(order(Money(2500, "JPY")))
    assert isinstance(started.action, TransferInstructions)
    told = (started.action.branch_name, started.action.branch_code, started.action.account_type)
    assert told == ("中央支店", "001", "ordinary")
    assert action_json(started.action) is not None


@pytest.mark.parametrize("wrong", [{"branch_code": "1"}, {"account_type": "savings"}])
def test_a_branch_or_type_that_japan_does_not_have_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"branch_code|account_type"):
        BankAccount.model_validate({**AMERICAN.model_dump(), **wrong})


def test_statements_of_other_accounts_may_be_imported_too() -> None:
    account = GERMAN.model_copy(update={"statements_of": ["nl91 abna 0417 1643 00"]})
    settings = load_settings(secret_key="0123456789abcdef" * 2, bank_accounts={"EUR": account})
    ours = settings.bank_account_numbers
    assert set(own_keys(tuple(ours)).values()) == {"DE89370400440532013000", "NL91ABNA0417164300"}
    assert own_account("ABNANL2A/417164300", ours) == "NL91ABNA0417164300"
    assert settings.provider({}).own_accounts == tuple(ours)


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
    with pytest.raises(
        ValueError, match="GATEWAY_FEES has a fixed part that isn't an amount in JPY"
    ):
        Fee.from_settings(settings, "bank-transfer")
