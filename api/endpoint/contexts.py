"""The context of resolvers, made from a connection: the caller, and helpers of the edge."""

from __future__ import annotations

from collections.abc import Awaitable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from api.endpoint.auth import (
    DeviceCookie,
    Header,
    SessionCookie,
    actor_of,
    actor_of_bearer,
)
from api.endpoint.endpoint import Contexts
from api.endpoint.http import Connection
from api.endpoint.revocations import Revocations
from api.endpoint.websocket import credential_of
from models.access.credential import reaches
from models.access.identity import Actor
from models.db.caller import set_caller
from models.errors import Unauthenticated
from models.partners.host import Resolve
from schema.core.context import Context, DocumentUrl
from schema.core.watch import Watchers

if TYPE_CHECKING:
    from api.issuers.issuers import Issuers


@dataclass(kw_only=True)
class EdgeContext(Context):
    """A context, and the headers that its operation adds to the answer."""

    maker: ContextMaker
    headers: list[Header] = field(default_factory=list)

    def set_device_cookie(self, notes: str) -> None:
        """See Context."""
        self.headers.append(self.maker.device_cookie.put(notes))

    def set_session_cookie(self, token: str) -> None:
        """See Context."""
        self.headers.append(self.maker.cookie.put(token))

    def clear_session_cookie(self) -> None:
        """See Context."""
        self.headers.append(self.maker.cookie.clear())


@dataclass(frozen=True)
class ContextMaker:
    """Makes the contexts of one application."""

    cookie: SessionCookie
    device_cookie: DeviceCookie
    watchers: Watchers
    document_url: DocumentUrl
    revocations: Revocations
    resolve: Resolve
    issuers: Issuers | None = None

    def contexts(self) -> Contexts[EdgeContext]:
        """For the GraphQL endpoint."""
        return Contexts(
            make=self.make,
            authenticate_ws=self.authenticate_ws,
            fresh=fresh,
            forget=EdgeContext.forget,
            same_caller=lambda was, now: same_caller(was.actor, now.actor),
            watch=lambda context, ended: self.revocations.call_when_revoked(context.actor, ended),
            viewer=viewer,
            caller=lambda context: context.actor.principal if context.actor else context.address,
            signed_in=lambda context: context.actor is not None,
            trusted=lambda context: _is_trusted(context.actor),
            response_headers=lambda context: context.headers,
        )

    async def make(self, connection: Connection) -> EdgeContext:
        """The context of a request, or of a websocket before connection_init."""
        actor = _known(await _admitted(actor_of(connection, self.cookie, self.issuers)))
        return EdgeContext(
            maker=self,
            actor=actor,
            watchers=self.watchers,
            document_url=self.document_url,
            resolve=self.resolve,
            address=connection.address,
            accept_language=connection.headers.accept_language,
            user_agent=connection.headers.user_agent,
            device_notes=self.device_cookie.value_of(connection),
        )

    async def authenticate_ws(
        self, context: EdgeContext, payload: Mapping[str, Any]
    ) -> EdgeContext:
        """The context of the websocket's operations: the credential of the payload, if any."""
        token = credential_of(payload)
        if token is None:
            return context
        signed_in = fresh(context)
        actor = actor_of_bearer(token, context.address, self.issuers)
        signed_in.actor = _known(await _admitted(actor))
        return signed_in


def viewer(context: EdgeContext) -> Hashable:
    """Callers with the same viewer read the same of everything: one user, with the same rights and
    in the same language.
    """
    actor = context.actor
    known = actor and replace(
        actor,
        session_id=None,
        key_id=None,
        address="",
        expires_at=None,
        proven_at=None,
        vouched_as=None,
    )
    return known, context.locale


def fresh(context: EdgeContext) -> EdgeContext:
    """A copy for one operation."""
    copy = context.fresh()
    assert isinstance(copy, EdgeContext)
    return copy


def same_caller(was: Actor | None, now: Actor | None) -> bool:
    """Whether it is the same caller with the same rights still."""
    if was is None or now is None:
        return was is now
    return _rights(was) == _rights(now) and reaches(now.accounts, was.accounts)


def _rights(actor: Actor) -> tuple[object, ...]:
    return (
        actor.user_id,
        actor.role,
        actor.account_id,
        actor.member_role,
        actor.scopes,
    )


def _is_trusted(actor: Actor | None) -> bool:
    return actor is not None and actor.is_staff and not actor.must_enrol


def _known(actor: Actor | None) -> Actor | None:
    """From here on what this task does is done for them."""
    if actor is not None:
        set_caller(actor.caller)
    return actor


async def _admitted(actor: Awaitable[Actor | None]) -> Actor | None:
    try:
        return await actor
    except Unauthenticated:
        raise _unauthenticated() from None


def _unauthenticated() -> GraphQLError:
    return GraphQLError("Sign in first.", extensions={"code": "UNAUTHENTICATED"})
