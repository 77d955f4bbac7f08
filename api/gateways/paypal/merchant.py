"""The credentials at PayPal: one app of one account, in PayPal's sandbox or live."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from api.settings.settings import Settings

_API_URLS: Final = {
    "sandbox": "https://api-m.sandbox.paypal.com",
    "live": "https://api-m.paypal.com",
}
# Where the certificates that sign webhooks are; the old names (`api.`) are still the usual ones.
_CERT_ORIGINS: Final = {
    "sandbox": ("https://api.sandbox.paypal.com", "https://api-m.sandbox.paypal.com"),
    "live": ("https://api.paypal.com", "https://api-m.paypal.com"),
}


@dataclass(frozen=True, slots=True)
class Merchant:
    """The app's credentials, and where PayPal is for it.

    `cert_origins` are the only places that a certificate is fetched from.
    """

    client_id: str
    client_secret: str = field(repr=False)
    webhook_id: str
    api_url: str
    cert_origins: tuple[str, ...]

    @classmethod
    def from_settings(cls, settings: Settings) -> Merchant | None:
        """None where no PAYPAL_ setting names an app. Raises ValueError, a sentence."""
        secret = settings.paypal_client_secret
        given = {
            "PAYPAL_CLIENT_ID": settings.paypal_client_id,
            "PAYPAL_CLIENT_SECRET": secret.get_secret_value() if secret else "",
            "PAYPAL_WEBHOOK_ID": settings.paypal_webhook_id,
        }
        if not any(given.values()):
            return None
        _require_sound(settings, [name for name, value in given.items() if not value])
        mode, stand_in = settings.paypal_mode, settings.paypal_api_url
        return cls(
            client_id=given["PAYPAL_CLIENT_ID"],
            client_secret=given["PAYPAL_CLIENT_SECRET"],
            webhook_id=given["PAYPAL_WEBHOOK_ID"],
            api_url=stand_in or _API_URLS[mode],
            cert_origins=(stand_in,) if stand_in else _CERT_ORIGINS[mode],
        )


def _require_sound(settings: Settings, missing: list[str]) -> None:
    if missing:
        raise ValueError(f"PayPal also needs {' and '.join(missing)}")
    if settings.paypal_mode == "live" and settings.demo:
        raise ValueError("PAYPAL_MODE can't be live in demo mode, which never takes real money")
    if settings.paypal_mode == "live" and settings.paypal_api_url:
        raise ValueError("PAYPAL_API_URL is for tests only, and PAYPAL_MODE is live")
