"""Terms: what paying comes to, and the quote that a preview gives of it."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final
from uuid import UUID

from models.errors import PriceChanged

_FORM: Final = "q1_"


@dataclass(frozen=True, slots=True)
class Terms:
    """What paying invoices comes to. Amounts are minor units of `currency`.

    Of what is `due`, `credit` pays first, `promotional` of it from grants; `amount` goes through
    `gateway`, which adds its `fee`; a payment for each invoice would have had `saved` more of fees.
    Without a gateway credit pays all.
    """

    invoices: Sequence[UUID]
    currency: str
    due: int
    credit: int
    promotional: int
    gateway: str | None = None
    amount: int = 0
    fee: int = 0
    saved: int = 0

    @property
    def charged(self) -> int:
        """What the client pays through the gateway."""
        return self.amount + self.fee

    @property
    def remaining(self) -> int:
        """What stays due."""
        return self.due - self.credit - self.amount

    @property
    def quote(self) -> str:
        """The same text for the same terms; it tells nothing, and proves nothing to anybody."""
        stated = repr((tuple(map(str, self.invoices)), astuple(self)[1:]))
        digest = hashlib.sha256(stated.encode()).digest()
        return _FORM + urlsafe_b64encode(digest[:18]).decode()

    def check(self, quote: str | None) -> None:
        """Raises PriceChanged at `quote` for one of other terms."""
        if quote is not None and quote != self.quote:
            raise PriceChanged("quote")
