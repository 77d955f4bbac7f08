"""Signing in and out, and who is signed in."""

from __future__ import annotations

import strawberry

from models.access import device, session
from models.access.identity import Actor, Role
from models.access.second_factor import SecondFactor, held_by
from models.accounts import sign_in
from models.accounts.sign_in import FactorAsked, SignedIn
from schema.access.challenge import SignInChallenge
from schema.account import Account
from schema.core.context import Context, Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.ids import existing_account

strawberry.enum(Role)


@strawberry.type
class Viewer:
    """Who is signed in."""

    role: Role
    "The caller's role."
    scopes: list[str]
    "The scopes of a partner's API key, sorted: `invoices:write`. Empty for clients and staff."
    actor: strawberry.Private[Actor]

    @classmethod
    def of(cls, actor: Actor) -> Viewer:
        """Show an actor."""
        return cls(role=actor.role, scopes=sorted(actor.scopes), actor=actor)

    @strawberry.field
    async def account(self, info: Info) -> Account | None:
        """The client's own account; null for partners and staff."""
        if self.actor.account_id is None:
            return None
        return Account.of(await existing_account(info, self.actor.account_id))

    @strawberry.field
    async def second_factors(self) -> list[SecondFactor]:
        """What the caller can be asked for besides their password; empty where nothing is."""
        return await held_by(self.actor.user_id)


@strawberry.type
class SessionQuery:
    """Who asks."""

    @strawberry.field
    def viewer(self, info: Info) -> Viewer | None:
        """Who is signed in; null if nobody is."""
        actor = info.context.actor
        return Viewer.of(actor) if actor else None


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
    """Who is signed in, as they are now."""

    viewer: Viewer | None = None
    "Who is signed in."


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
