"""Defaults that are too long for the line that they belong to."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Final

from api.settings.shapes import BankAccount, FundsLimit, SellerDetails
from models.gateway import BankAccountType

# Minimum deposit, maximum deposit and maximum balance: about 5, 10,000 and 50,000 US dollars.
_COMMON: Final = {
    "AED": "20 40000 200000",
    "AUD": "5 15000 75000",
    "BHD": "2 4000 20000",
    "BRL": "25 50000 250000",
    "CAD": "5 15000 75000",
    "CHF": "5 10000 50000",
    "CNY": "30 70000 350000",
    "CZK": "100 250000 1250000",
    "DKK": "30 70000 350000",
    "EUR": "5 10000 50000",
    "GBP": "5 10000 50000",
    "HKD": "40 80000 400000",
    "HUF": "1500 4000000 20000000",
    "IDR": "75000 150000000 750000000",
    "ILS": "20 40000 200000",
    "INR": "400 800000 4000000",
    "JPY": "500 1000000 5000000",
    "KRW": "5000 10000000 50000000",
    "KWD": "1.500 3000 15000",
    "MXN": "100 200000 1000000",
    "NOK": "50 100000 500000",
    "NZD": "5 15000 75000",
    "PLN": "20 40000 200000",
    "SEK": "50 100000 500000",
    "SGD": "5 15000 75000",
    "THB": "150 350000 1750000",
    "TRY": "200 400000 2000000",
    "TWD": "150 300000 1500000",
    "USD": "5 10000 50000",
    "VND": "100000 250000000 1250000000",
    "ZAR": "100 200000 1000000",
}


def _limit(amounts: str) -> FundsLimit:
    least, most, balance = map(Decimal, amounts.split())
    return FundsLimit.model_construct(
        minimum_deposit=least, maximum_deposit=most, maximum_balance=balance
    )


FUNDS_LIMITS: Final = {code: _limit(amounts) for code, amounts in _COMMON.items()}


@cache
def demo_seller() -> SellerDetails:
    """Who issues the demo's documents."""
    return SellerDetails(
        name="Kaze Hosting K.K.",
        brand="Kaze Hosting",
        address=["1-2-3 Minato, Chuo-ku", "Tokyo 104-0043", "Japan"],
        email="billing@kaze.example",
        url="https://kaze.example",
        registration=[("Registration no.", "T1234567890123")],
        timezone="Asia/Tokyo",
        country="JP",
    )


@cache
def demo_bank_accounts() -> dict[str, BankAccount]:
    """The demo's bank accounts. The IBAN is the one that Germany's banks print as their example."""
    return {
        "EUR": BankAccount(
            beneficiary="Kaze Hosting K.K.",
            bank_name="Commerzbank",
            account_number="DE89370400440532013000",
            bic="COBADEFFXXX",
        ),
        "JPY": BankAccount(
            beneficiary="カゼホスティング カブシキガイシャ",
            bank_name="風銀行",
            branch_name="中央支店",
            branch_code="001",
            account_type=BankAccountType.ORDINARY,
            account_number="1234567",
        ),
        "USD": BankAccount(
            beneficiary="Kaze Hosting K.K.",
            bank_name="First Example Bank",
            account_number="000123456789",
            bic="EXAMUS33XXX",
        ),
    }


# Where the development servers of React and Vue portals listen.
DEMO_ORIGINS: Final = ["http://localhost:3000", "http://localhost:5173"]
