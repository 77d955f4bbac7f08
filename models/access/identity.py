"""Who asks: the actor of a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from uuid import UUID

from models.errors import Forbidden, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from models.access.budget import Budget

#: What an API key can be given; see `Actor.require_scope`.
SCOPES: Final = (
    "accounts:read",
    "accounts:write",
    "audit:read",
    "credit:hold",
    "credit:read",
    "funds:write",
    "invoices:read",
    "invoices:write",
    "sessions:create",
    "vouchers:redeem",
    "webhooks:manage",
)

#: Scopes of what clients see of their own account.
_OF_CLIENTS: Final = frozenset({"accounts:read", "credit:read", "invoices:read"})

_IMPLIED_BY: Final = {"accounts:read": "accounts:write", "invoices:read": "invoices:write"}


class Role(StrEnum):
    """The role of a caller."""

    CLIENT = "CLIENT"
    "A client of the provider, limited to their own account."
    PARTNER = "PARTNER"
    "A partner's system with an API key, limited to the accounts and scopes of that key."
    STAFF = "STAFF"
    "A member of the provider's staff, with access to everything. Every change is logged."


class MemberRole(StrEnum):
    """What a member may do with the account."""

    OWNER = "OWNER"
    "Everything, including settings and members."
    BILLING = "BILLING"
    "Add funds, pay invoices, redeem vouchers, and see everything."
    VIEWER = "VIEWER"
    "See everything, and change nothing."

    def covers(self, least: MemberRole) -> bool:
        """Whether this role may do what `least` may."""
        return _RISING.index(self) >= _RISING.index(least)


_RISING: Final = (MemberRole.VIEWER, MemberRole.BILLING, MemberRole.OWNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks, and what they may reach.

    `account_id` is a client's own account. `accounts` are the accounts of a partner's API key,
    None for all of them; without either nothing is in sight. `address` is where the request came
    from, `expires_at` when its session or key runs out, and `locale` a client's own setting, empty
    for others. `member_role` is what a client may do with their account, and `proven_at` when a
    session last proved who it is: when it began, or by `confirmIdentity`; for who has a second
    factor, with that, and None where it never did. Who `must_enrol` may do
    nothing but set up a second factor. `shared` is whether the account has members beside the
    client it was opened for: then it is logged who did what. `vouched_as` is how a trusted issuer
    calls a client who holds its token: a partner's name and their external id. `line_id` is the
    first of the keys that `key_id` replaces, or itself, and `budget` what its commands may spend,
    and those of a client whom a key has handed over: None is any amount.
    """

    role: Role
    user_id: UUID
    account_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    accounts: frozenset[UUID] | None = frozenset()
    session_id: UUID | None = None
    key_id: UUID | None = None
    address: str = ""
    expires_at: datetime | None = None
    locale: str = ""
    member_role: MemberRole = MemberRole.OWNER
    proven_at: datetime | None = None
    shared: bool = False
    vouched_as: tuple[str, str] | None = None
    must_enrol: bool = False
    line_id: UUID | None = None
    budget: Budget | None = None

    @property
    def principal(self) -> str:
        """Whose idempotency keys these are: the user, whatever session or API key they use."""
        return self.user_id.hex

    @property
    def caller(self) -> str:
        """Whose turn it is (models.db.caller): the account's, whichever of its users asks."""
        return f"account {self.account_id.hex}" if self.account_id else f"user {self.principal}"

    @property
    def is_staff(self) -> bool:
        """Whether this is somebody of the provider's own."""
        return self.role is Role.STAFF

    def sees(self, account_id: UUID) -> bool:
        """Whether that account is in sight. What is not is answered like what does not exist."""
        if self.role is Role.STAFF:
            return True
        if self.role is Role.CLIENT:
            return account_id == self.account_id
        return self.accounts is None or account_id in self.accounts

    def own_account(self) -> UUID:
        """The client's own account; raises Forbidden for partners and staff, who have none."""
        if self.role is not Role.CLIENT or self.account_id is None:
            raise Forbidden("client")
        return self.account_id

    def account_meant(self, account_id: UUID | None) -> UUID:
        """The account that is named, or a client's own where none is.

        Raises NotFound at `account_id` for one that is out of sight, Invalid where partners and
        staff name none.
        """
        meant = account_id or self.account_id
        if meant is None:
            raise Invalid("account_id", problem="account_id_missing")
        if not self.sees(meant):
            raise NotFound("account_id")
        return meant

    def require_staff(self) -> None:
        """Raises Forbidden for clients and partners."""
        if self.role is not Role.STAFF:
            raise Forbidden("staff")

    def require_member(self, least: MemberRole) -> None:
        """Raises Forbidden for a client who is less than that in the account; what others may do,
        their scopes and roles say.

        ========================================= ====== ======= =====
        what                                      VIEWER BILLING OWNER
        ========================================= ====== ======= =====
        read; what is the user's own              yes    yes     yes
        add funds, pay, cancel, recheck, redeem   no     yes     yes
        settings, members                         no     no      yes
        ========================================= ====== ======= =====
        """
        if self.role is Role.CLIENT and not self.member_role.covers(least):
            raise Forbidden(least)

    def require_scope(self, scope: str) -> None:
        """Raises Forbidden unless the actor may do what `scope` names, on accounts it `sees`.

        =============== ======= ===================================== =====
        scope           client  partner's key                         staff
        =============== ======= ===================================== =====
        accounts:read   yes     with the scope, or accounts:write     yes
        accounts:write  no      with the scope                        yes
        audit:read      no      with the scope                        yes
        credit:hold     no      with the scope                        yes
        credit:read     yes     with the scope                        yes
        funds:write     no      with the scope                        yes
        invoices:read   yes     with the scope, or invoices:write     yes
        invoices:write  no      with the scope                        yes
        sessions:create no      with the scope                        yes
        vouchers:redeem no      with the scope                        yes
        webhooks:manage no      with the scope                        yes
        =============== ======= ===================================== =====

        What clients do with their own account, their place in it says: `require_member`.
        """
        if not self.may(scope):
            raise Forbidden(scope)

    def may(self, scope: str) -> bool:
        """Whether the actor may do what `scope` names: see `require_scope`."""
        assert scope in SCOPES, scope
        if self.role is Role.STAFF:
            return True
        if self.role is Role.CLIENT:
            return scope in _OF_CLIENTS
        return scope in self.scopes or _IMPLIED_BY.get(scope) in self.scopes


class Owned(Protocol):
    """A record of one account."""

    @property
    def account_id(self) -> UUID:
        """Whose it is."""


R = TypeVar("R", bound=Owned)


async def seen(
    scope: str, id: UUID | None, by: Actor, read: Callable[[UUID], Awaitable[R | None]]
) -> R | None:
    """The record that `read` finds, if it is there and `by` may see it; None names none.

    Raises Forbidden without the scope, whether it is there or not.
    """
    by.require_scope(scope)
    record = None if id is None else await read(id)
    return record if record is not None and by.sees(record.account_id) else None
