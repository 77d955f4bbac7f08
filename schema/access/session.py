"""Signing in and out, who is signed in, and where."""

from __future__ import annotations

from datetime import datetime

import strawberry

from models.access import device, session
from models.access.identity import Actor, MemberRole, Role
from models.access.user import User
from models.accounts import account as accounts
from models.accounts import sign_in
from models.accounts.sign_in import FactorAsked, SignedIn
from models.db.record import parse_id
from models.factors.second_factor import SecondFactor, held_by
from schema.access.challenge import SignInChallenge
from schema.account import Account
from schema.core.context import Context, Info
from schema.core.errors import Payload, refused_at_top, refused_in_payload
from schema.core.ids import existing_account, id_of
from schema.core.nodes import Node, found_by

strawberry.enum(Role)


@strawberry.type
class Viewer:
    """Who is signed in."""

    role: Role
    "The caller's role."
    scopes: list[str]
    "The scopes of a partner's API key, sorted: `invoices:write`. Empty for clients and staff."
    actor: strawberry.Private[Actor]

    member_role: MemberRole | None
    "What a client may do with their account; null for partners and staff."

    @classmethod
    def of(cls, actor: Actor) -> Viewer:
        """Show an actor."""
        return cls(
            role=actor.role,
            scopes=sorted(actor.scopes),
            member_role=None if actor.account_id is None else actor.member_role,
            actor=actor,
        )

    @strawberry.field
    async def account(self, info: Info) -> Account | None:
        """The client's account that this session is about (see `switchAccount`); null for partners
        and staff.
        """
        if self.actor.account_id is None:
            return None
        return Account.of(await existing_account(info, self.actor.account_id))

    @strawberry.field
    async def accounts(self) -> list[Account]:
        """The accounts that a client may use: their own first, those that they are invited to last,
        at most 100. Of those that the session isn't about, credit and invoices can be read after
        `switchAccount`. Empty for partners and staff.
        """
        return [Account.of(one) for one in await accounts.of_user(self.actor)]

    @strawberry.field
    async def email(self, info: Info) -> str | None:
        """The e-mail address that they sign in with; null for partners."""
        user = await info.context.loaders.user.load(self.actor.user_id)
        return user.email if user else None

    @strawberry.field
    async def name(self, info: Info) -> str | None:
        """Their name; null where they have given none."""
        user = await info.context.loaders.user.load(self.actor.user_id)
        return (user.name or None) if user else None

    @strawberry.field
    async def second_factors(self) -> list[SecondFactor]:
        """What the caller can be asked for besides their password; empty where nothing is."""
        return await held_by(self.actor.user_id)


@strawberry.type
class Session(Node):
    """Somebody is signed in, in one browser or app."""

    created_at: datetime
    "When they signed in."
    last_seen_at: datetime
    "When it was used last, to the minute."
    expires_at: datetime
    "When it ends by itself."
    address: str
    "The IP address that they signed in from."
    user_agent: str
    "The browser or app, as it names itself."
    current: bool
    "Whether it is the session of this request."

    @classmethod
    def of(cls, record: session.Session, by: Actor) -> Session:
        """Show a session."""
        return cls(
            id=strawberry.ID(record.public_id),
            created_at=record.created_at,
            last_seen_at=max(record.created_at, record.seen_at),
            expires_at=record.expires_at,
            address=record.address,
            user_agent=record.user_agent,
            current=record.id == by.session_id,
        )


@found_by(session.Session.PREFIX)
async def _session_node(info: Info, id: str) -> Session | None:
    by = info.context.signed_in()
    found = await session.own_session(parse_id(session.Session.PREFIX, id), by)
    return Session.of(found, by) if found else None


@strawberry.type
class SessionQuery:
    """Who asks."""

    @strawberry.field
    def viewer(self, info: Info) -> Viewer | None:
        """Who is signed in; null if nobody is."""
        actor = info.context.actor
        return Viewer.of(actor) if actor else None

    @strawberry.field
    @refused_at_top
    async def sessions(self, info: Info) -> list[Session]:
        """The viewer's own sessions, newest first: the last 100."""
        by = info.context.signed_in(to_enrol=True)
        return [Session.of(record, by) for record in await session.sessions_of(by)]


@strawberry.input
class SignInInput:
    """A client's or a staff member's credentials."""

    email: str
    "The e-mail address; case doesn't matter."
    password: str
    "The password, as chosen."


@strawberry.type
class SignInPayload(Payload):
    """The result of signing in."""

    viewer: Viewer | None = None
    "Who is signed in now."
    challenge: SignInChallenge | None = None
    "Where a second factor is asked for; `token` and `viewer` are null then."
    token: str | None = None
    """For clients without cookies: send it as `Authorization: Bearer …`.

    Browsers also get an HttpOnly cookie, and needn't store the token.
    """


@strawberry.type
class ViewerPayload(Payload):
    """Who is signed in, after a change."""

    viewer: Viewer | None = None
    "Who is signed in now; null if nobody is."


async def begun(context: Context, outcome: SignedIn | FactorAsked) -> SignInPayload:
    """What somebody gets who has proved their password, or a token that stands for it: a session
    with its cookies, or the question for their second factor.
    """
    if isinstance(outcome, FactorAsked):
        return SignInPayload(challenge=SignInChallenge.of(outcome))
    context.actor = outcome.actor
    context.set_session_cookie(outcome.token)
    notes = await device.noted(context.device_notes, outcome.actor.user_id)
    context.set_device_cookie(notes)
    return SignInPayload(viewer=Viewer.of(outcome.actor), token=outcome.token)


@strawberry.type
class SignOutPayload(Payload):
    """The result of `signOut`."""


@strawberry.input
class EndSessionInput:
    """The session to end."""

    session_id: strawberry.ID
    "One of `sessions`."


@strawberry.type
class DonePayload(Payload):
    """The result of a mutation that makes nothing: done, where there are no `userErrors`."""


async def sign_in_proven(context: Context, user: User) -> SignInPayload:
    """Signs in a user who has proved who they are otherwise than by a password, or asks for their
    second factor.
    """
    outcome = await sign_in.finish(
        user, address=context.address, user_agent=context.user_agent, notes=context.device_notes
    )
    return await begun(context, outcome)


@strawberry.type
class SessionMutation:
    """Signing in and out."""

    @strawberry.mutation
    @refused_in_payload
    async def sign_in(self, info: Info, input: SignInInput) -> SignInPayload:
        """Signs in and opens a session, or asks for a second factor (`challenge`). Attempts are
        limited per e-mail address and per caller; a browser that has signed in before (it has a
        cookie) has a limit of its own.
        """
        context = info.context
        outcome = await sign_in.sign_in(
            input.email,
            input.password,
            address=context.address,
            user_agent=context.user_agent,
            notes=context.device_notes,
        )
        return await begun(context, outcome)

    @strawberry.mutation
    @refused_in_payload
    async def sign_out(self, info: Info) -> SignOutPayload:
        """Ends the session and clears the cookie. API keys keep working."""
        context = info.context
        if context.actor is not None:
            await session.sign_out(context.actor)
        context.actor = None
        context.clear_session_cookie()
        return SignOutPayload()

    @strawberry.mutation
    @refused_in_payload
    async def end_session(self, info: Info, input: EndSessionInput) -> DonePayload:
        """Ends one of the viewer's own sessions, with all that it has open."""
        context = info.context
        by = context.signed_in(to_enrol=True)
        session_id = id_of(session.Session.PREFIX, input.session_id, "session_id")
        await session.end_session(session_id, by)
        if session_id == by.session_id:
            context.actor = None
            context.clear_session_cookie()
        return DonePayload()
