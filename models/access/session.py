"""Sessions: what signing in gives, until it runs out or is revoked.

A token is 256 random bits. Only its hash is stored and the row is found by that hash, so how long
a look-up takes tells nothing about the token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, TypeAlias
from uuid import UUID

from tortoise import fields

from models.access import device, member, rate_limit
from models.access import password as passwords
from models.access.budget import Budget
from models.access.identity import Actor, MemberRole, Role
from models.access.last_use import LastUse
from models.access.user import User, user_of_email
from models.clock import now
from models.db import sql
from models.db.coalesced import Coalesced
from models.db.record import Record, new_id
from models.db.transactions import transaction
from models.email import key_of
from models.errors import (
    Forbidden,
    InvalidCredentials,
    NotFound,
    StepUpRequired,
    Unauthenticated,
)
from models.mail.outgoing import MailKind, mail
from models.provider import retention
from models.provider.provider import provider

#: How a session's token begins; an API key's begins otherwise (models.access.api_key).
MARK: Final = "acs_"

#: Of one user that are shown.
SESSIONS_MAX: Final = 100

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
#: Whether the account has more people than the client it was opened for: they have no rows.
_SHARED: Final = """
    EXISTS (SELECT 1 FROM member o WHERE o.account_id = COALESCE(s.account_id, u.account_id))
"""
#: Who has no second factor yet.
_BARE: Final = """
    NOT EXISTS (SELECT 1 FROM totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM passkey p WHERE p.user_id = u.id)
"""
#: Nobody whom a key has handed over (`key_id`) stays when it is revoked, or its partner disabled.
KEY_HOLDS: Final = """
    NOT EXISTS (
        SELECT 1 FROM api_key k JOIN users p ON p.id = k.user_id
        WHERE k.id = {key_id} AND (k.revoked_at IS NOT NULL OR p.disabled_at IS NOT NULL)
    )
"""
_HOLDS: Final = (
    f"s.revoked_at IS NULL AND s.expires_at > $1 AND {KEY_HOLDS.format(key_id='s.key_id')}"
)
_FIND: Final = f"""
    SELECT s.token_hash, s.id, s.user_id, s.created_at, s.expires_at, s.seen_at, s.confirmed_at,
           s.factor_at, s.account_id AS switched_to_id, u.role, u.account_id, a.locale,
           m.role AS member_role, {_SHARED} AS shared, CASE WHEN {_BARE} THEN 1 ELSE 0 END AS bare,
           COALESCE(k.line_id, k.id) AS line_id, k.daily_budget, k.payment_budget
    FROM session s JOIN users u ON u.id = s.user_id LEFT JOIN api_key k ON k.id = s.key_id
    LEFT JOIN account a ON a.id = COALESCE(s.account_id, u.account_id) {_MEMBERSHIP}
    WHERE {{which}} AND u.disabled_at IS NULL AND {_HOLDS}
"""
_RIGHTS: Final = f"""
    SELECT s.id, s.account_id AS switched_to_id, u.role, u.account_id, m.role AS member_role,
           CASE WHEN {_BARE} THEN 1 ELSE 0 END AS bare
    FROM session s JOIN users u ON u.id = s.user_id {_MEMBERSHIP}
    WHERE s.id IN ({{ids}}) AND u.disabled_at IS NULL AND {_HOLDS}
"""

#: One that was begun by signing in, or was used since: of user `u`.
USED_SESSION: Final = "SELECT 1 FROM session s WHERE s.user_id = u.id AND s.seen_at >= s.created_at"
_SIGNED_IN_BEFORE: Final = f"""
    SELECT a.locale FROM users u LEFT JOIN account a ON a.id = $2
    WHERE u.id = $1 AND EXISTS ({USED_SESSION})
"""

_OWN: Final = f"""
    SELECT s.* FROM session s WHERE s.user_id = $2 {{which}} AND {_HOLDS}
    ORDER BY s.id DESC LIMIT $3
"""
_SWITCH: Final = """
    UPDATE session SET account_id = $1, rights_changed_at = $2 WHERE id = $3 AND revoked_at IS NULL
"""

_seen: Final = LastUse("session", "seen_at")

#: `confirmed_at` of a session for which another portal vouches: its user has proved nothing here.
NOT_PROVEN: Final = datetime.fromtimestamp(0, UTC)
#: `seen_at` of a session that was begun for somebody who may never come.
NEVER_SEEN: Final = datetime.fromtimestamp(0, UTC)

#: A role, a client's account, what they may do with it, and whether they must enrol first.
Rights: TypeAlias = tuple[Role, UUID | None, MemberRole, bool]


class Session(Record):
    """Somebody signed in. `token_hash` is the SHA-256 of the token, in hexadecimal.

    `account_id` is the account that a client has switched to; None for the one they came with.
    `confirmed_at` is when they proved again who they are, `factor_at` when they did so with a
    second factor, and `rights_changed_at` when they switched, or got another role in their account.
    `key_id` is the API key that has handed its user over: it holds no longer than that, and spends
    of its budget.
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
    factor_at = fields.DatetimeField(null=True)
    rights_changed_at = fields.DatetimeField(null=True)
    key_id = fields.UUIDField(null=True)

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
    return await prove(user, person, password, "password", address=address, notes=notes)


async def prove(
    user: User | None, person: str, password: str, *field: str, address: str, notes: str
) -> User:
    """The user, if that is their password: `person` is the key of the address that was given.

    Raises InvalidCredentials at `field`, and RateLimited as `sign_in` does.
    """
    known = None if user is None else device.known(notes, user)
    limits = _by_device(person, known) if known else _by_place(person, rate_limit.network(address))
    for name, subject, limit in limits:
        await rate_limit.spend(name, subject, limit=limit, window_seconds=_GUESS_WINDOW_SECONDS)
    good, newer = await passwords.matches(password, user.password_hash if user else None)
    if user is None or not good:
        raise InvalidCredentials(*field)
    await rate_limit.give_back_all([(name, subject) for name, subject, _ in limits])
    if newer is not None:
        old = user.password_hash
        await transaction(
            lambda: User.filter(id=user.id, password_hash=old).update(password_hash=newer)
        )
        user.password_hash = newer
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
    address: str = "",
    user_agent: str = "",
    confirmed_at: datetime | None = None,
    with_factor: bool = False,
    first: Callable[[], Awaitable[None]] | None = None,
    notes: str | None = None,
) -> tuple[Actor, str]:
    """Open a session for a user who has proved who they are; the actor and the token.

    It is about `account_id`, or the account that the user came with, or the first they may use.
    `with_factor`: they have proved it with a second factor just now. `first` is done in the same
    transaction. With a browser's `notes` they are told by mail of a new one. Raises Unauthenticated
    when the user has been disabled meanwhile, or has another password than in `user`.
    """
    session, token = new_session(
        user.id, account_id=account_id, address=address, user_agent=user_agent
    )
    session.confirmed_at = confirmed_at
    session.factor_at = session.created_at if with_factor else None

    await transaction(lambda: _add(session, user, notes, first))
    return await _opened(token, address), token


async def _opened(token: str, address: str) -> Actor:
    actor = await actor_of_session(token, address)
    if actor is None:
        raise Unauthenticated
    return actor


def new_session(
    user_id: UUID,
    *,
    account_id: UUID | None = None,
    lifetime: timedelta | None = None,
    address: str = "",
    user_agent: str = "",
) -> tuple[Session, str]:
    """A session to be added (`sql.add`, `Journal.add`), and its token, which is nowhere else."""
    token = MARK + secrets.token_urlsafe(_TOKEN_BYTES)
    moment = now()
    session = Session(
        id=new_id(),
        created_at=moment,
        user_id=user_id,
        token_hash=_hash(token),
        expires_at=moment + (lifetime or provider().session_lifetime),
        seen_at=moment,
        account_id=account_id,
        user_agent=user_agent[:_USER_AGENT_CHARS_MAX],
        address=address[:_ADDRESS_CHARS_MAX],
    )
    return session, token


async def _add(
    session: Session, user: User, notes: str | None, first: Callable[[], Awaitable[None]] | None
) -> None:
    if first is not None:
        await first()
    # Who has just proved it with a password that is being changed is nobody any more.
    statement = f"SELECT password_hash FROM users WHERE id = $1{sql.for_update()}"
    row = await sql.fetch_one(statement, user.id)
    if row is None or row["password_hash"] != user.password_hash:
        raise Unauthenticated
    if session.account_id is None and user.account_id is None:
        session.account_id = await member.first_account(user.id)
    if notes is not None and device.known(notes, user) is None:
        await _tell_of_new_device(user, session)
    await sql.add(session)


async def _tell_of_new_device(user: User, session: Session) -> None:
    """By mail, unless it is the first sign-in of all: that device is new to nobody."""
    row = await sql.fetch_one(_SIGNED_IN_BEFORE, user.id, user.account_id or session.account_id)
    if row is None or user.email is None:
        return
    told = mail(
        MailKind.NEW_DEVICE,
        user.email,
        row["locale"] or "en",
        address=session.address,
        user_agent=session.user_agent,
    )
    await sql.add(told)


async def actor_of_session(token: str, address: str) -> Actor | None:
    """Who holds this token; None when it is unknown, expired or revoked, or the user disabled."""
    row = await _rows.find(_hash(token))
    actor = None if row is None else _actor(row, address)
    if row is not None and actor is not None and row["seen_at"] < now() - _SEEN_AFTER:
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
        proven_at=_proven_at(row),
        shared=bool(row["shared"]),
        must_enrol=must_enrol,
        budget=Budget.of_row(row),
    )


def _proven_at(row: sql.Row) -> datetime | None:
    """When they last proved who they are: who has a second factor, with that. A password alone is
    no proof then, however new the session is.
    """
    if row["confirmed_at"] == NOT_PROVEN or row["bare"]:
        return row["confirmed_at"] or row["created_at"]  # type: ignore[no-any-return]
    return row["factor_at"]  # type: ignore[no-any-return]


def _rights(row: sql.Row) -> Rights | None:
    """What a session gives; None where its user is no member any more of what it switched to."""
    role, own, switched_to = Role(row["role"]), row["account_id"], row["switched_to_id"]
    must_enrol = role is Role.STAFF and bool(row["bare"]) and provider().staff_second_factor
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


def is_handed_over(actor: Actor) -> bool:
    """Whether somebody else vouches for the caller, who has proved nothing here: an existing portal
    or a trusted issuer. What is their user's beyond that one account is out of their sight.
    """
    return actor.vouched_as is not None or actor.proven_at == NOT_PROVEN


def _sees(by: Actor, session_id: UUID) -> bool:
    """Whether that session of their own user is in sight."""
    return session_id == by.session_id or not is_handed_over(by)


async def sessions_of(by: Actor) -> list[Session]:
    """The sessions of `by` that still hold, newest first: the last `SESSIONS_MAX`. Who is handed
    over sees no other than this one.
    """
    if is_handed_over(by):
        own = await own_session(by.session_id, by)
        return [own] if own else []
    return await sql.records(Session, _OWN.format(which=""), now(), by.user_id, SESSIONS_MAX)


async def own_session(session_id: UUID | None, by: Actor) -> Session | None:
    """One of them; None for anything else."""
    if session_id is None or not _sees(by, session_id):
        return None
    statement = _OWN.format(which="AND s.id = $4")
    found = await sql.records(Session, statement, now(), by.user_id, 1, session_id)
    return found[0] if found else None


async def end_session(session_id: UUID, by: Actor) -> None:
    """End one of the sessions of `by`, if it has not ended yet. Raises NotFound at `session_id`:
    who is handed over ends none but this one.
    """
    found = await Session.get_or_none(id=session_id)
    if found is None or found.user_id != by.user_id or not _sees(by, session_id):
        raise NotFound("session_id")
    await revoke_session(session_id)


async def switch_account(
    account_id: UUID | None, by: Actor, first: Callable[[], Awaitable[None]] | None = None
) -> Actor:
    """Make the session of `by` one about another account of theirs; who they are there. `first` is
    done in the same transaction.

    Raises Forbidden for whoever has no session as a client, NotFound at `account_id`, and
    StepUpRequired for who was handed over and has not proved who they are: whoever vouches for them
    reaches the one account.
    """
    session_id = by.session_id
    if by.role is not Role.CLIENT or session_id is None:
        raise Forbidden("client")
    if is_handed_over(by):
        raise StepUpRequired

    async def switch() -> None:
        if first is not None:
            await first()
        if account_id not in await member.accounts_of(by.user_id):
            raise NotFound("account_id")
        if account_id != by.account_id:
            await sql.execute(_SWITCH, account_id, now(), session_id)

    await transaction(switch)
    return await as_it_is(by)


async def end_all(user_id: UUID, but: UUID | None = None) -> None:
    """End a user's sessions, in a transaction; all but one where one is named."""
    others = "user_id = $1 AND revoked_at IS NULL AND id <> $2"
    statement = f"UPDATE session SET revoked_at = $3 WHERE {others}"
    await sql.execute(statement, user_id, but or UUID(int=0), now())


async def forget() -> int:
    """Delete the sessions that ran out longer than `retention.SESSIONS` ago; how many."""
    before = now() - retention.SESSIONS
    return await transaction(lambda: Session.filter(expires_at__lt=before).delete())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
