"""What our own adapters have in common; a plug-in may use it or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.core import texts

if TYPE_CHECKING:
    from api.gateways.fee import Fee
    from models.money import Money


class OwnGateway:
    """A gateway with its name in the catalogues, its fee in GATEWAY_FEES, and no limits."""

    code: str

    def __init__(self, fee: Fee) -> None:
        self._fee = fee

    def name(self, locale: str) -> str:
        """The name in the drop-down, from the catalogue of `locale` (BCP 47)."""
        return texts.gateway(self.code, locale)

    def minimum(self, currency: str) -> Money | None:  # noqa: ARG002 - the port's
        """None: any amount."""
        return None

    def maximum(self, currency: str) -> Money | None:  # noqa: ARG002 - the port's
        """None: any amount."""
        return None

    def fee(self, amount: Money) -> Money:
        """GATEWAY_FEES, or nothing."""
        return self._fee.on(amount)
