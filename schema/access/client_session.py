"""Handing over: clients of an existing portal, signed in by its server."""

from __future__ import annotations

from datetime import datetime

import strawberry

from models.accounts.hand_over import CreateClientSession
from models.journal.command import run
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.ids import account_named
from schema.core.scalars import URL


@strawberry.input
class CreateClientSessionInput:
    """The client to hand over: `accountId` or `externalId`."""

    account_id: strawberry.ID | None = None
    "The client's account."
    external_id: str | None = None
    "The client's ID at the partner, as in `Account.externalId`."
    partner: str | None = None
    "For staff: the partner whose external ID it is."
    expires_in_seconds: int = 300
    "How long `token` is valid, in seconds: at most 900. The URL is always valid for 60 seconds."
    return_url: URL | None = None
    """Where the URL sends the browser. Its origin must be allowed (`ALLOWED_ORIGINS`). Defaults to
    the portal.
    """
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class CreateClientSessionPayload(Payload):
    """The result of `createClientSession`. Both secrets are shown once: when the same key is sent
    again, they are null.
    """

    url: URL | None = None
    """Redirect the client's browser here within 60 seconds: it works once, signs the browser in and
    goes on to `returnUrl`.
    """
    token: str | None = None
    "For a page's own script: send it as `Authorization: Bearer …` until `expiresAt`."
    expires_at: datetime | None = None
    "When `token` expires."


@strawberry.type
class ClientSessionMutation:
    """Handing clients over."""

    @strawberry.mutation
    @refused_in_payload
    async def create_client_session(
        self, info: Info, input: CreateClientSessionInput
    ) -> CreateClientSessionPayload:
        """Partners (scope `sessions:create`) and staff: signs in a client whom an existing portal
        has signed in.
        """
        handed = await run(
            CreateClientSession(
                account_id=account_named(input.account_id),
                external_id=input.external_id,
                partner=input.partner,
                expires_in_seconds=input.expires_in_seconds,
                return_url=input.return_url,
            ),
            info.context.signed_in(),
            input.idempotency_key,
        )
        url = None if handed.url is None else URL(handed.url)
        return CreateClientSessionPayload(url=url, token=handed.token, expires_at=handed.expires_at)
