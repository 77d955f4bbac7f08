"""A gateway that simulates payments, with pages for the payer and the provider's staff.

Nothing here imports what it needs before it is known that the sandbox is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.gateways.fee import Fee

if TYPE_CHECKING:
    from api.gateways.sandbox.gateway import SandboxGateway
    from api.settings.settings import Settings


def from_settings(settings: Settings) -> SandboxGateway | None:
    """The gateway; None unless ACCOUNT_CREDIT_SANDBOX or demo mode is on."""
    if not settings.sandbox:
        return None
    from api.gateways.sandbox.gateway import SandboxGateway  # noqa: PLC0415 - see the module

    return SandboxGateway(
        settings.public_url,
        settings.sandbox_secrets,
        frozenset(settings.funds_limits),
        Fee.from_settings(settings, SandboxGateway.code),
    )
