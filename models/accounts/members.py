"""Members of accounts: who they are, what they may do, and how that changes.

An account keeps an owner who can sign in. All changes of one account's members are made under its
row's lock, so that two owners who remove each other at once do not both succeed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from models.access.identity import Actor, MemberRole, Role
from models.access.member import MEMBERS_MAX, Member
from models.access.session import USED_SESSION
from models.clock import now
from models.db import sql
from models.db.record import public_id
from models.db.transactions import transaction
from models.errors import Forbidden, NotAllowed, NotFound
from models.factors.proof import require_proof
from models.journal import audit_log

# A session that another portal was given for its client, and that nobody has used, is none.
_NEVER_IN: Final = f"""
    (u.password_hash IS NULL AND NOT EXISTS ({USED_SESSION})
     AND NOT EXISTS (SELECT 1 FROM external_identity e WHERE e.user_id = u.id))
"""
_FIND: Final = f"""
    SELECT m.id, m.account_id, m.role, u.id AS user_id, u.email, u.name,
           m.account_id = u.account_id AND {_NEVER_IN} AS invited
    FROM member m JOIN users u ON u.id = m.user_id
    WHERE {{row}} AND u.disabled_at IS NULL
    UNION ALL
    SELECT u.id, u.account_id, 'OWNER' AS role, u.id AS user_id, u.email, u.name,
           {_NEVER_IN} AS invited
    FROM users u
    WHERE {{user}} AND u.role = 'CLIENT' AND u.account_id IS NOT NULL AND u.disabled_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM member o
                      WHERE o.user_id = u.id AND o.account_id = u.account_id)
    UNION ALL
    SELECT i.id, i.account_id, i.role, NULL AS user_id, i.email, i.email AS name, TRUE AS invited
    FROM invitation i WHERE {{invitation}}
    ORDER BY id
"""
_BY_ACCOUNTS: Final = _FIND.format(
    row="m.account_id IN ({ids})",
    user="u.account_id IN ({ids})",
    invitation="i.account_id IN ({ids})",
)
_BY_ID: Final = _FIND.format(row="m.id = $1", user="u.id = $1", invitation="i.id = $1")

_MARK: Final = "UPDATE session SET rights_changed_at = $1 WHERE user_id = $2 AND revoked_at IS NULL"
_END: Final = """
    UPDATE session SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL
      AND COALESCE(account_id, (SELECT u.account_id FROM users u WHERE u.id = user_id)) = $3
"""


@dataclass(frozen=True, slots=True)
class AccountMember:
    """A user of an account. `is_invited`: they have not come in yet; who is there by an invitation
    only is nobody (`user_id`), and known by the address that it was written to.
    """

    id: UUID
    account_id: UUID
    user_id: UUID | None
    email: str
    name: str
    role: MemberRole
    is_invited: bool

    @property
    def public_id(self) -> str:
        """The id that the API shows."""
        return public_id(Member.PREFIX, self.id)

    @property
    def is_owner(self) -> bool:
        """Whether they may do everything."""
        return self.role is MemberRole.OWNER


def _member(row: sql.Row) -> AccountMember:
    return AccountMember(
        id=row["id"],
        account_id=row["account_id"],
        user_id=row["user_id"],
        email=row["email"] or "",
        name=row["name"],
        role=MemberRole(row["role"]),
        is_invited=bool(row["invited"]),
    )


async def members_of(account_ids: Sequence[UUID]) -> dict[UUID, list[AccountMember]]:
    """The members of each account, in the order in which they joined; one statement for 500."""
    found: defaultdict[UUID, list[AccountMember]] = defaultdict(list)
    for row in await sql.fetch_in_parts(_BY_ACCOUNTS, account_ids):
        found[row["account_id"]].append(_member(row))
    return {id: members[:MEMBERS_MAX] for id, members in found.items()}


async def seen_of(
    account_id: UUID, by: Actor, find: Callable[[UUID], Awaitable[Sequence[AccountMember]]]
) -> Sequence[AccountMember]:
    """What `find` reads of an account's members. Raises Forbidden, and NotFound at `account_id`."""
    by.require_scope("accounts:read")
    if not by.sees(account_id):
        raise NotFound("account_id")
    return await find(account_id)


async def visible(member_id: UUID | None, by: Actor) -> AccountMember | None:
    """The member of an account that `by` may see. Raises Forbidden."""
    by.require_scope("accounts:read")
    return None if member_id is None else await _found(member_id, by)


async def _found(member_id: UUID, by: Actor) -> AccountMember | None:
    row = await sql.fetch_one(_BY_ID, member_id)
    return _member(row) if row is not None and by.sees(row["account_id"]) else None


async def is_owned_by(account_id: UUID, user_id: UUID) -> bool:
    """Whether the user is an owner of the account."""
    there = (await members_of([account_id])).get(account_id, [])
    return any(one.user_id == user_id and one.is_owner for one in there)


def require_manager(by: Actor) -> None:
    """Raises Forbidden for all but owners and staff, and StepUpRequired (`proof.require_proof`)."""
    if by.role is Role.PARTNER:
        raise Forbidden("client")
    by.require_member(MemberRole.OWNER)
    require_proof(by)


async def lock(account_id: UUID) -> None:
    """Have the account's members to oneself until the transaction ends."""
    await sql.fetch(f"SELECT id FROM account WHERE id = $1{sql.for_update()}", account_id)


async def change_member(member_id: UUID, role: MemberRole, by: Actor) -> AccountMember:
    """Give a member another role; what they have open is closed where it was opened with another.

    Raises Forbidden, StepUpRequired, NotFound at `member_id`, NotAllowed for the last owner.
    """
    require_manager(by)

    async def change() -> AccountMember:
        target, others = await _locked(member_id, by)
        if target.role is role:
            return target
        if role is not MemberRole.OWNER:
            check_owned(target, others, "role")
        await set_role(target, role)
        subject, facts = public_id("acc", target.account_id), {"role": role.value}
        entry = audit_log.entry(by, "member.change", subject, member=target.public_id, **facts)
        await sql.add(entry)
        return replace(target, role=role)

    return await transaction(change)


async def remove_member(member_id: UUID, by: Actor) -> None:
    """Let a member use the account no more: their sessions on it end. As `change_member`."""
    require_manager(by)

    async def remove() -> None:
        target, others = await _locked(member_id, by)
        check_owned(target, others, "member_id")
        await _end(target)
        subject = public_id("acc", target.account_id)
        facts = {} if target.user_id is None else {"user": target.user_id.hex}
        entry = audit_log.entry(by, "member.remove", subject, member=target.public_id, **facts)
        await sql.add(entry)

    await transaction(remove)


async def _end(target: AccountMember) -> None:
    if target.user_id is None:
        await sql.execute("DELETE FROM invitation WHERE id = $1", target.id)
        return
    await sql.execute(_END, now(), target.user_id, target.account_id)
    own = (target.user_id, target.account_id)
    await sql.execute("DELETE FROM member WHERE user_id = $1 AND account_id = $2", *own)
    # Where they came with the account no row says that they are in it.
    await sql.execute("UPDATE users SET account_id = NULL WHERE id = $1 AND account_id = $2", *own)


async def _locked(member_id: UUID, by: Actor) -> tuple[AccountMember, list[AccountMember]]:
    """The member and the others of the account, under its lock. Raises NotFound."""
    found = await _found(member_id, by)
    if found is None:
        raise NotFound("member_id")
    await lock(found.account_id)
    members = (await members_of([found.account_id])).get(found.account_id, [])
    target = next((one for one in members if one.id == member_id), None)
    if target is None:
        raise NotFound("member_id")
    # Whoever asks may have lost their role while waiting for the lock.
    asking = next((one for one in members if one.user_id == by.user_id), None)
    if by.role is Role.CLIENT and (asking is None or not asking.is_owner):
        raise Forbidden(MemberRole.OWNER)
    return target, [one for one in members if one is not target]


def check_owned(target: AccountMember, others: Sequence[AccountMember], *field: str) -> None:
    """Raises NotAllowed where the account would have no owner who can sign in without this one."""
    if target.is_owner and not any(
        one.is_owner and (target.is_invited or not one.is_invited) for one in others
    ):
        raise NotAllowed(*field, why="last_owner")


async def set_role(target: AccountMember, role: MemberRole) -> None:
    """Write it down, inside a transaction; the first row of whoever came with the account."""
    if target.user_id is None:
        statement = "UPDATE invitation SET role = $1 WHERE id = $2"
        await sql.execute(statement, role.value, target.id)
        return
    row = {"id": target.id, "created_at": now(), "account_id": target.account_id}
    await sql.insert(
        "member", [row | {"user_id": target.user_id, "role": role.value}], ignore_conflicts=True
    )
    await sql.execute("UPDATE member SET role = $1 WHERE id = $2", role.value, target.id)
    await sql.execute(_MARK, now(), target.user_id)
