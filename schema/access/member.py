"""Several people who use one account, and one person who uses several."""

from __future__ import annotations

import strawberry

from models.access.identity import MemberRole
from models.accounts import invitation, members
from models.accounts.invitation import InviteMember
from models.db.record import parse_id
from models.journal.command import run
from schema.access.session import DonePayload, Viewer, ViewerPayload
from schema.account import PREFIX as ACCOUNT
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.ids import account_named, id_of
from schema.member import PREFIX, Member


@strawberry.input
class InviteMemberInput:
    """Somebody to share an account with."""

    account_id: strawberry.ID | None = None
    "Defaults to the viewer's own."
    email: str
    "The e-mail address that the invitation is sent to."
    role: MemberRole
    "What they may do with the account."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.input
class ChangeMemberInput:
    """A member's new role."""

    member_id: strawberry.ID
    "The member to change."
    role: MemberRole
    "What they may do from now on."


@strawberry.input
class RemoveMemberInput:
    """The member to remove."""

    member_id: strawberry.ID
    "The member to remove."


@strawberry.input
class SwitchAccountInput:
    """The account to use."""

    account_id: strawberry.ID
    "One of `Viewer.accounts`."


@strawberry.type
class MemberPayload(Payload):
    """The result of `inviteMember` and `changeMember`."""

    member: Member | None = None
    "The member as they are now."


@strawberry.type
class MemberMutation:
    """Members of accounts."""

    @strawberry.mutation
    @refused_in_payload
    async def invite_member(self, info: Info, input: InviteMemberInput) -> MemberPayload:
        """Lets somebody use an account as soon as they come in, and tells them by mail. Whoever is
        new chooses a password by its link; others sign in and switch to the account. Answers the
        same for every address. Owners for their own account, staff for any. An invitation that
        wasn't followed can be repeated. Invitations are limited per account.
        """
        by = info.context.signed_in()
        asked = InviteMember(account_named(input.account_id), input.email, input.role)
        return MemberPayload(member=Member.of(await run(asked, by, input.idempotency_key)))

    @strawberry.mutation
    @refused_in_payload
    async def change_member(self, info: Info, input: ChangeMemberInput) -> MemberPayload:
        """Gives a member another role. An account keeps at least one owner who has signed in."""
        by = info.context.signed_in()
        members.require_manager(by)
        member_id = id_of(PREFIX, input.member_id, "member_id")
        return MemberPayload(
            member=Member.of(await members.change_member(member_id, input.role, by))
        )

    @strawberry.mutation
    @refused_in_payload
    async def remove_member(self, info: Info, input: RemoveMemberInput) -> DonePayload:
        """Ends a member's access to the account, and their sessions on it. An account keeps at
        least one owner who has signed in.
        """
        by = info.context.signed_in()
        members.require_manager(by)
        await members.remove_member(id_of(PREFIX, input.member_id, "member_id"), by)
        return DonePayload()

    @strawberry.mutation
    @refused_in_payload
    async def switch_account(self, info: Info, input: SwitchAccountInput) -> ViewerPayload:
        """Makes another of the viewer's accounts the one that this session is about; this follows
        an invitation. Subscriptions that the session has opened end: subscribe again.
        """
        context = info.context
        by = context.signed_in()
        account_id = parse_id(ACCOUNT, input.account_id)
        context.actor = await invitation.switch_account(account_id, by)
        return ViewerPayload(viewer=Viewer.of(context.actor))
