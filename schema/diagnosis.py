"""Why an invoice is not paid yet, in words."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from models.payments.diagnosis import Diagnosis
from schema.core import texts
from schema.core.context import Info
from schema.core.money import Locale
from schema.core.scalars import URL


@strawberry.enum
class PaymentStage(Enum):
    """Where the payment stands."""

    NOT_STARTED = "NOT_STARTED"
    "No payment has been started."
    AWAITING_CLIENT = "AWAITING_CLIENT"
    "The client: `nextAction` of the payment says what."
    AWAITING_GATEWAY = "AWAITING_GATEWAY"
    "The gateway: its confirmation is on the way."
    AWAITING_BANK = "AWAITING_BANK"
    "The bank: the transfer has not been reported yet."
    FAILED = "FAILED"
    "The last payment failed; another may be tried."
    SETTLED = "SETTLED"
    "Nobody: it is paid."
    CLOSED = "CLOSED"
    "Nobody: it is void or refunded."


@strawberry.type
class PaymentDiagnosis:
    """Why an invoice isn't paid or credited yet, and what happens next."""

    stage: PaymentStage
    "Where the payment stands."
    last_heard_at: datetime | None
    "When the gateway last reported on it."
    next_check_at: datetime | None
    "When the gateway is checked next, unless it reports earlier."
    support_url: URL | None
    "The provider's support page for this invoice."
    found: strawberry.Private[Diagnosis]

    @classmethod
    def of(cls, found: Diagnosis) -> PaymentDiagnosis:
        """Show a diagnosis."""
        return cls(
            stage=PaymentStage(found.stage),
            last_heard_at=found.last_heard_at,
            next_check_at=found.next_check_at,
            support_url=URL(found.support_url) if found.support_url else None,
            found=found,
        )

    @strawberry.field
    def explanation(self, info: Info, locale: Locale = None) -> str:
        """An explanation for people, in one or two sentences."""
        key, language = f"diagnosis.{self.found.reason}", info.context.locale_for(locale)
        why = texts.failure(str(self.found.facts.get("failure", "")), language)
        return texts.say(key, language, why=why, **self.found.facts)
