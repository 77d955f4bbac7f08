"""Members: the people who use an account, and what each may do."""

from __future__ import annotations

import strawberry

from models.access.identity import MemberRole
from models.access.member import Member as MemberRecord
from models.accounts import members
from models.accounts.members import AccountMember
from models.db.record import parse_id
from schema.core.context import Info
from schema.core.nodes import Node, found_by

strawberry.enum(MemberRole)

PREFIX = MemberRecord.PREFIX


@strawberry.type
class Member(Node):
    """Somebody who uses an account."""

    email: str
    "The e-mail address that they sign in with, or that was invited."
    name: str
    "Their name; empty until they have given one. Of who was invited, the address."
    role: MemberRole
    "What they may do with the account."
    invited: bool
    "Whether they were invited and haven't come in yet."

    @classmethod
    def of(cls, member: AccountMember) -> Member:
        """Show a member."""
        return cls(
            id=strawberry.ID(member.public_id),
            email=member.email,
            name=member.name,
            role=member.role,
            invited=member.is_invited,
        )


@found_by(PREFIX)
async def _member_node(info: Info, id: str) -> Member | None:
    found = await members.visible(parse_id(PREFIX, id), info.context.signed_in())
    return Member.of(found) if found else None
