"""Sessions: what signing in gives, until it runs out or is revoked.

A token is 256 random bits. Only its hash is stored and the row is found by that hash, so how long
a look-up takes tells nothing about the token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final, TypeAlias
from uuid import UUID

from tortoise import fields

from models.access import device, rate_limit
from models.access import password as passwords
from models.access.identity import Actor, MemberRole, Role
from models.access.last_use import LastUse
from models.access.user import User, user_of_email
from models.clock import now
from models.db import sql
from models.db.coalesced import Coalesced
from models.db.record import Record
from models.db.transactions import transaction
from models.email import key_of
from models.errors import InvalidCredentials, Unauthenticated
from models.provider import retention
from models.provider.provider import provider

#: How a session's token begins; an API key's begins otherwise (models.access.api_key).
MARK: Final = "acs_"

_TOKEN_BYTES: Final = 32
_USER_AGENT_CHARS_MAX: Final = 400
_ADDRESS_CHARS_MAX: Final = 64
_SEEN_AFTER: Final = timedelta(minutes=1)
_GUESS_WINDOW_SECONDS: Final = 15 * 60
_GUESSES_PER_EMAIL: Final = 10
_GUESSES_PER_ADDRESS: Final = 60
#: With a browser that the user has signed in with before (models.access.device), and with all.
_GUESSES_PER_DEVICE: Final = 10
_GUESSES_BY_DEVICES: Final = 30

#: The account that a session is about, and what its user may do there: theirs, if no row says else.
_MEMBERSHIP: Final = """
    LEFT JOIN member m ON m.user_id = u.id AND m.account_id = COALESCE(s.account_id, u.account_id)
"""
#: Staff who have no second factor yet.
_BARE: Final = """
    u.role = 'STAFF'
    AND NOT EXISTS (SELECT 1 FROM totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM passkey p WHERE p.user_id = u.id)
"""
_FIND: Final = f"""
    SELECT s.token_hash, s.id, s.user_id, s.created_at, s.expires_at, s.seen_at, s.confirmed_at,
           s.account_id AS switched_to, u.role, u.account_id, a.locale, m.role AS member_role,
           CASE WHEN {_BARE} THEN 1 ELSE 0 END AS bare
    FROM session s JOIN users u ON u.id = s.user_id
    LEFT JOIN account a ON a.id = COALESCE(s.account_id, u.account_id) {_MEMBERSHIP}
    WHERE {{which}} AND s.revoked_at IS NULL AND s.expires_at > $1
      AND u.disabled_at IS NULL
"""
_RIGHTS: Final = f"""
    SELECT s.id, s.account_id AS switched_to, u.role, u.account_id, m.role AS member_role,
           CASE WHEN {_BARE} THEN 1 ELSE 0 END AS bare
    FROM session s JOIN users u ON u.id = s.user_id {_MEMBERSHIP}
    WHERE s.id IN ({{ids}}) AND s.revoked_at IS NULL AND s.expires_at > $1 AND u.disabled_at IS NULL
"""

_seen: Final = LastUse("session", "seen_at")

#: A role, a client's account, what they may do with it, and whether they must enrol first.
Rights: TypeAlias = tuple[Role, UUID | None, MemberRole, bool]


class Session(Record):
    """Somebody signed in. `token_hash` is the SHA-256 of the token, in hexadecimal.

    `account_id` is the account that a client has switched to; None for the one they came with.
    `confirmed_at` is when they proved again who they are.
    """

    PREFIX: ClassVar[str] = "ses"

    user_id = fields.UUIDField(db_index=True)
    token_hash = fields.CharField(max_length=64, unique=True)
    expires_at = fields.DatetimeField(db_index=True)
    seen_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)
    account_id = fields.UUIDField(null=True)
    user_agent = fields.CharField(max_length=400, db_default="")
    address = fields.CharField(max_length=64, db_default="")
    confirmed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "session"


async def user_of_credentials(email: str, password: str, *, address: str, notes: str = "") -> User:
    """Whose credentials these are. What follows is `models.accounts.sign_in`'s.

    Unknown, wrong and disabled are one refusal at one cost: raises InvalidCredentials at
    `password`. Raises RateLimited when an e-mail or an address has been guessed at too often; not
    for a browser whose `notes` show that the user has signed in with it, which has its own limit.
    """
    person = key_of(email) or ""
    user = await user_of_email(person) if person else None
    known = None if user is None else device.known(notes, user)
    limits = _by_device(person, known) if known else _by_place(person, rate_limit.network(address))
    for name, subject, limit in limits:
        await rate_limit.spend(name, subject, limit=limit, window_seconds=_GUESS_WINDOW_SECONDS)
    good, newer = await passwords.matches(password, user.password_hash if user else None)
    if user is None or not good:
        raise InvalidCredentials("password")
    await rate_limit.give_back_all([(name, subject) for name, subject, _ in limits])
    if newer is not None:
        await transaction(lambda: User.filter(id=user.id).update(password_hash=newer))
    return user


def _by_place(person: str, place: str) -> list[tuple[str, str, int]]:
    # The address first: one that is shut out cannot shut out the people whose e-mails it tries.
    limits = [("sign_in.email", person, _GUESSES_PER_EMAIL)]
    return [("sign_in.address", place, _GUESSES_PER_ADDRESS), *limits] if place else limits


def _by_device(person: str, device_id: str) -> list[tuple[str, str, int]]:
    # Stolen notes are tried from many places, and several of them one after the other.
    return [
        ("sign_in.device", device_id, _GUESSES_PER_DEVICE),
        ("sign_in.devices", person, _GUESSES_BY_DEVICES),
    ]


async def open_session(
    user: User,
    *,
    account_id: UUID | None = None,
    lifetime: timedelta | None = None,
    address: str = "",
    user_agent: str = "",
    confirmed_at: datetime | None = None,
    first: Callable[[], Awaitable[None]] | None = None,
) -> tuple[Actor, str]:
    """Open a session for a user who has proved who they are; the actor and the token.

    It is about `account_id`, or the account that the user came with. `first` is done in the same
    transaction. Raises Unauthenticated when the user has been disabled meanwhile.
    """
    token = MARK + secrets.token_urlsafe(_TOKEN_BYTES)
    session = _new(user, token, lifetime or provider().session_lifetime, address, user_agent)
    session.account_id, session.confirmed_at = account_id, confirmed_at

    async def add() -> None:
        if first is not None:
            await first()
        await sql.add(session)

    await transaction(add)
    actor = await actor_of_session(token, address)
    if actor is None:
        raise Unauthenticated
    return actor, token


def _new(user: User, token: str, lifetime: timedelta, address: str, user_agent: str) -> Session:
    moment = now()
    return Session(
        user_id=user.id,
        token_hash=_hash(token),
        expires_at=moment + lifetime,
        seen_at=moment,
        user_agent=user_agent[:_USER_AGENT_CHARS_MAX],
        address=address[:_ADDRESS_CHARS_MAX],
    )


async def actor_of_session(token: str, address: str) -> Actor | None:
    """Who holds this token; None when it is unknown, expired or revoked, or the user disabled."""
    moment = now()
    row = await _rows.find(_hash(token))
    actor = None if row is None else _actor(row, address)
    if row is not None and actor is not None and row["seen_at"] < moment - _SEEN_AFTER:
        _seen.note(row["id"])
    return actor


async def as_it_is(actor: Actor) -> Actor:
    """The actor of the same session, as it stands now; itself where it has none. Raises
    Unauthenticated when the session has ended.
    """
    if actor.session_id is None:
        return actor
    row = await sql.fetch_one(_FIND.format(which="s.id = $2"), now(), actor.session_id)
    present = None if row is None else _actor(row, actor.address)
    if present is None:
        raise Unauthenticated
    return present


def _actor(row: sql.Row, address: str) -> Actor | None:
    rights = _rights(row)
    if rights is None:
        return None
    role, account_id, member_role, must_enrol = rights
    return Actor(
        role=role,
        user_id=row["user_id"],
        account_id=account_id,
        session_id=row["id"],
        address=address,
        expires_at=row["expires_at"],
        locale=row["locale"] or "",
        member_role=member_role,
        proven_at=row["confirmed_at"] or row["created_at"],
        must_enrol=must_enrol,
    )


def _rights(row: sql.Row) -> Rights | None:
    """What a session gives; None where its user is no member any more of what it switched to."""
    role, own, switched_to = Role(row["role"]), row["account_id"], row["switched_to"]
    must_enrol = bool(row["bare"]) and provider().staff_second_factor
    if row["member_role"] is not None:
        return role, switched_to or own, MemberRole(row["member_role"]), must_enrol
    return (role, own, MemberRole.OWNER, must_enrol) if switched_to in {None, own} else None


async def _rows_of(hashes: Sequence[str]) -> dict[str, sql.Row]:
    places, given = sql.in_list(hashes, 2)
    rows = await sql.fetch(_FIND.format(which=f"s.token_hash IN ({places})"), now(), *given)
    return {row["token_hash"]: row for row in rows}


_rows: Final = Coalesced(_rows_of)


async def rights_of(ids: Sequence[UUID]) -> dict[UUID, Rights]:
    """What those of the sessions give that still hold; a statement for each 500."""
    rows = await sql.fetch_in_parts(_RIGHTS, ids, now())
    given = {row["id"]: _rights(row) for row in rows}
    return {id: rights for id, rights in given.items() if rights is not None}


async def sign_out(actor: Actor) -> None:
    """End the actor's session. An API key has none, and keeps working."""
    if actor.session_id is not None:
        await revoke_session(actor.session_id)


async def revoke_session(session_id: UUID) -> None:
    """End a session now; does nothing when it has ended."""
    moment = now()
    await transaction(
        lambda: Session.filter(id=session_id, revoked_at=None).update(revoked_at=moment)
    )


async def forget() -> int:
    """Delete the sessions that ran out longer than `retention.SESSIONS` ago; how many."""
    before = now() - retention.SESSIONS
    return await transaction(lambda: Session.filter(expires_at__lt=before).delete())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
