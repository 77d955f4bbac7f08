"""Bank transfer: the client sends money to our account, and staff or a statement confirms it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stdnum import iban, iso11649

from api.gateways.base import OwnGateway
from api.gateways.fee import Fee
from models.clock import now
from models.gateway import (
    EventKind,
    GatewayDeclined,
    GatewayEvent,
    GatewayKind,
    MessageRefused,
    PaymentOrder,
    RefundOrder,
    Started,
    TransferInstructions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.settings.settings import Settings
    from api.settings.shapes import BankAccount
    from models.money import Money

OPEN_DAYS: Final = 30


class BankTransferGateway(OwnGateway):
    """Our accounts, one per currency. It hears nothing from the bank by itself."""

    code = "bank-transfer"
    kind = GatewayKind.BANK_TRANSFER
    refunds = False

    def __init__(self, accounts: Mapping[str, BankAccount], fee: Fee | None = None) -> None:
        super().__init__(fee or Fee())
        self.currencies = frozenset(accounts)
        self._accounts = accounts

    @classmethod
    def from_settings(cls, settings: Settings) -> BankTransferGateway | None:
        """None without BANK_ACCOUNTS."""
        if not settings.bank_accounts:
            return None
        return cls(settings.bank_accounts, Fee.from_settings(settings, cls.code))

    async def start(self, order: PaymentOrder) -> Started:
        """Say where to send the money, and under which reference."""
        account = self._accounts[order.amount.currency]
        instructions = TransferInstructions(
            beneficiary=account.beneficiary,
            bank_name=account.bank_name,
            account_number=account.account_number,
            bic=account.bic,
            qr_code=epc_qr(account, order.amount, order.reference),
            branch_name=account.branch_name,
            branch_code=account.branch_code,
            account_type=account.account_type,
        )
        return Started(order.reference, instructions, now() + timedelta(days=OPEN_DAYS))

    async def parse_message(self, headers: Mapping[str, str], body: bytes) -> list[GatewayEvent]:  # noqa: ARG002 - the port's
        """Banks send no messages here: MessageRefused."""
        raise MessageRefused("a bank transfer has no messages")

    async def fetch(self, order: PaymentOrder) -> list[GatewayEvent]:  # noqa: ARG002 - the port's
        """Nothing: the bank's statement says what came in."""
        return []

    async def cancel(self, order: PaymentOrder) -> list[GatewayEvent]:
        """Nobody needs to be told."""
        return [GatewayEvent(f"cancel:{order.id}", EventKind.CANCELED, order.id, occurred_at=now())]

    async def refund(self, order: RefundOrder) -> list[GatewayEvent]:  # noqa: ARG002 - the port's
        """Never called: people transfer money back, and the bank's statement says so."""
        raise GatewayDeclined("refunded_by_hand")


def epc_qr(account: BankAccount, amount: Money, reference: str) -> str | None:
    """An EPC QR code (EPC069-12) as an SVG data URL; None where there can be none.

    It exists for euros to an IBAN. A reference after ISO 11649 goes in as a structured one.
    """
    if amount.currency != "EUR" or not iban.is_valid(account.account_number):
        return None
    import segno.helpers  # noqa: PLC0415 - only instructions for euros need it

    kind = "reference" if iso11649.is_valid(reference) else "text"
    try:
        code = segno.helpers.make_epc_qr(
            name=account.beneficiary,
            iban=iban.compact(account.account_number),
            amount=amount.amount,
            bic=account.bic,
            **{kind: reference},
        )
    except ValueError:  # a name or an amount beyond what the code can carry
        return None
    # The quiet zone is light, so that it can be read from a dark page as well.
    return code.svg_data_uri(scale=4, light="white")
