"""Stripe's keys. Test and live mode never mix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class StripeKeys:
    """Keys of one mode. `webhook_secrets` are several while one replaces another."""

    secret: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    publishable: str = ""
    api_url: str = ""
    """Where a stand-in listens; empty for Stripe itself."""

    def __post_init__(self) -> None:
        if not self.webhook_secrets or not all(self.webhook_secrets):
            raise ValueError("STRIPE_WEBHOOK_SECRET is needed with STRIPE_SECRET_KEY")
        if self.publishable and is_live(self.publishable) != self.live:
            raise ValueError(
                "STRIPE_PUBLISHABLE_KEY and STRIPE_SECRET_KEY must both be for test mode, or "
                "both for live mode"
            )
        if self.api_url and self.live:
            raise ValueError(
                "STRIPE_API_URL is for tests only, and STRIPE_SECRET_KEY is a live key"
            )

    @property
    def live(self) -> bool:
        """Whether real money moves."""
        return is_live(self.secret)

    @classmethod
    def from_settings(cls, settings: Settings) -> StripeKeys | None:
        """None where Stripe is not configured. Raises ValueError, a sentence."""
        if settings.stripe_secret_key is None:
            if settings.stripe_publishable_key or settings.stripe_webhook_secret:
                raise ValueError("STRIPE_SECRET_KEY is needed with the other Stripe settings")
            return None
        if settings.stripe_form == "page" and not settings.stripe_publishable_key:
            raise ValueError("STRIPE_PUBLISHABLE_KEY is needed with STRIPE_FORM=page")
        secrets = settings.stripe_webhook_secret
        keys = cls(
            secret=settings.stripe_secret_key.get_secret_value(),
            webhook_secrets=tuple(secrets.get_secret_value().split()) if secrets else (),
            publishable=settings.stripe_publishable_key,
            api_url=settings.stripe_api_url,
        )
        if keys.live and settings.demo:
            raise ValueError(
                "STRIPE_SECRET_KEY can't be a live key in demo mode, which never takes real money"
            )
        return keys


def is_live(key: str) -> bool:
    """Whether `key` is of live mode: `sk_live_…`, `rk_live_…`, `pk_live_…`."""
    return key.split("_")[1:2] == ["live"]
