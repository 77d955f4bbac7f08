"""Notices: that an endpoint was disabled.

Partners have no address of their own, so it is the provider who is written to, and passes it on;
the endpoint itself says why (`disabledReason`), and so does the log.
"""

from __future__ import annotations

from typing import Final

import structlog

from models.access import partner
from models.db import sql
from models.mail.outgoing import MailKind, mail
from models.partners.endpoint import DisabledReason, WebhookEndpoint
from models.provider.provider import provider

#: What nobody needs to be told: they have done it themselves.
_KNOWN: Final = frozenset({DisabledReason.REQUESTED, DisabledReason.KEY_ENDED})
_URL_CHARS_MAX: Final = 200

log = structlog.get_logger(__name__)


async def tell_owner(endpoint: WebhookEndpoint, reason: DisabledReason) -> None:
    """An endpoint was disabled, in this transaction."""
    log.warning("webhook_endpoint_disabled", endpoint=endpoint.public_id, reason=reason.value)
    address = provider().seller.email
    if reason in _KNOWN or not address:
        return
    names = await partner.names_of([endpoint.user_id])
    letter = mail(
        _MAILS[reason],
        address,
        "en",
        partner=names[endpoint.user_id],
        url=endpoint.url[:_URL_CHARS_MAX],
        endpoint=endpoint.public_id,
    )
    await sql.add(letter)


_MAILS: Final = {
    DisabledReason.FAILING: MailKind.WEBHOOK_FAILING,
    DisabledReason.GONE: MailKind.WEBHOOK_GONE,
}
