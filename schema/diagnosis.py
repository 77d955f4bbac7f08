"""Why an invoice is not paid yet, in words."""

from __future__ import annotations

from datetime import datetime

import strawberry

from models.payments.diagnosis import Diagnosis, Stage
from schema.core import texts
from schema.core.context import Info
from schema.core.money import Locale
from schema.core.scalars import URL

strawberry.enum(Stage, name="PaymentStage")


@strawberry.type
class PaymentDiagnosis:
    """Why an invoice isn't paid or credited yet, and what happens next."""

    stage: Stage
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
            stage=Stage(found.stage),
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
