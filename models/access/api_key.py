"""API keys: how partners' systems come in.

A key reads `ack_<prefix>_<secret>`. The prefix finds its row; of the secret, 256 random bits, only
the hash is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar, Final, TypeAlias
from uuid import UUID

import orjson
from tortoise import fields

from models.access import partner as partners
from models.access.budget import Budget
from models.access.identity import SCOPES, Actor, Role
from models.access.last_use import LastUse
from models.clock import now
from models.db import sql
from models.db.coalesced import Coalesced
from models.db.record import Changing, Record, new_id, parse_id
from models.db.transactions import transaction
from models.errors import Invalid, NotFound
from models.text import clean_text

#: How an API key begins; a session's token begins otherwise (models.access.session).
MARK: Final = "ack_"

#: So much of a scope that there is not is said again.
_NAMED_MAX: Final = 40

_PREFIX_BYTES: Final = 8
_SECRET_BYTES: Final = 32
_USED_AFTER: Final = timedelta(minutes=1)
#: How many networks a key may be used from.
NETWORKS_MAX: Final = 50

_FIND: Final = """
    SELECT k.prefix, k.id, k.user_id, k.secret_hash, k.scopes, k.all_accounts, k.expires_at,
           k.used_at, k.allowed_addresses, COALESCE(k.line_id, k.id) AS line_id, k.daily_budget,
           k.payment_budget, u.role
    FROM api_key k JOIN users u ON u.id = k.user_id
    WHERE k.prefix IN ({prefixes}) AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > $1) AND u.disabled_at IS NULL
"""
_RIGHTS: Final = """
    SELECT k.id, k.scopes, k.all_accounts FROM api_key k JOIN users u ON u.id = k.user_id
    WHERE k.id IN ({ids}) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $1)
      AND u.disabled_at IS NULL
"""
_REACHED: Final = """
    SELECT k.id AS api_key_id, c.account_id
    FROM api_key k JOIN key_account c ON c.api_key_id = COALESCE(k.line_id, k.id)
    WHERE k.id IN ({ids})
    UNION ALL
    SELECT k.id AS api_key_id, a.id AS account_id
    FROM api_key k JOIN account a ON a.partner_id = k.user_id
    WHERE k.id IN ({ids}) AND NOT EXISTS
          (SELECT 1 FROM key_account c WHERE c.api_key_id = COALESCE(k.line_id, k.id))
"""

#: Scopes, and the accounts that it reaches: None for all.
Rights: TypeAlias = tuple[frozenset[str], frozenset[UUID] | None]

_used: Final = LastUse("api_key", "used_at")


class ApiKey(Changing):
    """One key of a partner.

    `scopes` is a space-separated list, as in OAuth 2.0 (RFC 6749, section 3.3). `secret_hash` is
    the SHA-256 of the secret, in hexadecimal. Without `all_accounts` it reaches its KeyAccounts;
    where it has none, the accounts that are its partner's (`Account.partner_id`), now and later.
    `line_id` is the first of the keys that it replaces (models.access.rotation), None where it
    replaces none; budgets are minor units by currency.
    """

    PREFIX: ClassVar[str] = "key"

    user_id = fields.UUIDField(db_index=True)
    name = fields.CharField(max_length=200, default="")
    prefix = fields.CharField(max_length=32, unique=True)
    secret_hash = fields.CharField(max_length=64)
    scopes = fields.CharField(max_length=200)
    allowed_addresses: fields.Field[list[str] | None] = fields.JSONField(null=True)
    all_accounts = fields.BooleanField(default=False)
    line_id = fields.UUIDField(null=True)
    daily_budget: fields.Field[dict[str, int] | None] = fields.JSONField(null=True)
    payment_budget: fields.Field[dict[str, int] | None] = fields.JSONField(null=True)
    expires_at = fields.DatetimeField(null=True)
    used_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_key"

    @property
    def line(self) -> UUID:
        """The first of the keys that it replaces, or itself."""
        return self.line_id or self.id


class KeyAccount(Record):
    """An account that a restricted API key reaches, and those that replace it: it names the first
    of them.
    """

    api_key_id = fields.UUIDField()
    account_id = fields.UUIDField()

    class Meta:
        table = "key_account"
        unique_together = (("api_key_id", "account_id"),)


async def create_key(
    partner: str,
    scopes: Iterable[str],
    accounts: Iterable[UUID] | None = None,
    *,
    own: bool = False,
    **how: Any,  # noqa: ANN401 - as new_key has them
) -> tuple[ApiKey, str]:
    """Make a key for the partner of that name, who is added when new; the key and its token.

    The token is shown only now. `accounts` None is all of them, or with `own` those that the
    partner opens, now and later; `how` is as `new_key` has it. Raises Invalid at `scopes`,
    `accounts` or `partner`, and NotFound at `accounts`.
    """
    within = None if accounts is None else frozenset(accounts)
    if accounts is not None and not within:
        raise Invalid("accounts", problem="none")
    reaches_all = within is None and not own
    key, token = new_key(checked_scopes(scopes), all_accounts=reaches_all, **how)
    partner = clean_text(partner, "partner", maximum=200)
    await transaction(lambda: _add(key, partner, within or ()))
    return key, token


def new_key(
    scopes: Iterable[str],
    *,
    name: str = "",
    all_accounts: bool = False,
    allowed_addresses: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    daily_budget: dict[str, int] | None = None,
    payment_budget: dict[str, int] | None = None,
) -> tuple[ApiKey, str]:
    """A key to be added for some partner (`user_id`), and its token, which is nowhere else."""
    prefix, secret = secrets.token_hex(_PREFIX_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey(
        id=new_id(),
        created_at=now(),
        name=name,
        prefix=prefix,
        secret_hash=_hash(secret),
        scopes=" ".join(sorted(scopes)),
        all_accounts=all_accounts,
        allowed_addresses=None if allowed_addresses is None else list(allowed_addresses),
        expires_at=expires_at,
        daily_budget=daily_budget,
        payment_budget=payment_budget,
    )
    return key, f"{MARK}{prefix}_{secret}"


async def _add(key: ApiKey, partner: str, accounts: Iterable[UUID]) -> None:
    key.user_id = await partners.added(partner)
    await sql.add(key)
    await _confine(key, accounts)


async def _confine(key: ApiKey, accounts: Iterable[UUID]) -> None:
    ids = sorted(accounts)
    if not ids:
        return
    found = await sql.fetch(
        f"SELECT id FROM account WHERE id IN ({sql.placeholders(len(ids))})",
        *ids,
    )
    if len(found) < len(ids):
        raise NotFound("accounts")
    own = {"created_at": key.created_at, "api_key_id": key.id}
    await sql.add(*(KeyAccount(**own, account_id=one) for one in ids))


async def actor_of_key(token: str, address: str) -> Actor | None:
    """Who holds this key; None when it is unknown, wrong, expired or revoked, or comes from where
    it may not.
    """
    prefix, _, secret = token.removeprefix(MARK).partition("_")
    if not prefix.isalnum():
        return None
    moment = now()
    row = await _rows.find(prefix)
    if row is None or not compare_digest(row["secret_hash"], _hash(secret)):
        return None
    if row["allowed_addresses"] is not None and not _is_among(address, row["allowed_addresses"]):
        return None
    if row["used_at"] is None or row["used_at"] < moment - _USED_AFTER:
        _used.note(row["id"])
    return Actor(
        role=Role(row["role"]),
        user_id=row["user_id"],
        scopes=frozenset(row["scopes"].split()),
        accounts=None if row["all_accounts"] else await _accounts.find(row["id"]),
        key_id=row["id"],
        address=address,
        expires_at=row["expires_at"],
        line_id=row["line_id"],
        budget=Budget.of_row(row),
    )


def checked_networks(texts: Iterable[str]) -> list[str]:
    """Addresses and networks from which a key may come, as they are kept. Raises Invalid at
    `allowed_addresses`.
    """
    networks = list(dict.fromkeys(texts))
    if not networks:
        raise Invalid("allowed_addresses", problem="none")
    if len(networks) > NETWORKS_MAX:
        raise Invalid("allowed_addresses", problem="too_long")
    for number, text in enumerate(networks):
        try:
            networks[number] = str(ip_network(text.strip()))
        except ValueError:
            raise Invalid("allowed_addresses", str(number), problem="network") from None
    return networks


def _is_among(address: str, networks: str | Sequence[str]) -> bool:
    """Whether an address is in one of the networks, which are JSON where they were just read."""
    written = networks if isinstance(networks, str) else sql.json(list(networks))
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip.version == one.version and ip in one for one in _networks(written))


@lru_cache(maxsize=1024)
def _networks(written: str) -> tuple[IPv4Network | IPv6Network, ...]:
    texts: list[str] = orjson.loads(written)
    return tuple(map(ip_network, texts))


async def _rows_of(prefixes: Sequence[str]) -> dict[str, sql.Row]:
    places, given = sql.in_list(prefixes, 2)
    rows = await sql.fetch(_FIND.format(prefixes=places), now(), *given)
    return {row["prefix"]: row for row in rows}


_rows: Final = Coalesced(_rows_of)


async def _accounts_of(key_ids: Sequence[UUID]) -> dict[UUID, frozenset[UUID]]:
    places, given = sql.in_list(key_ids)
    rows = await sql.fetch(_REACHED.format(ids=places), *given)
    reached: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in rows:
        reached[row["api_key_id"]].append(row["account_id"])
    return {id: frozenset(reached[id]) for id in key_ids}


_accounts: Final = Coalesced(_accounts_of)


async def rights_of(ids: Sequence[UUID]) -> dict[UUID, Rights]:
    """What those of the keys give that still hold; two statements for each 500."""
    rows = await sql.fetch_in_parts(_RIGHTS, ids, now())
    reached: defaultdict[UUID, set[UUID]] = defaultdict(set)
    confined = [row["id"] for row in rows if not row["all_accounts"]]
    for row in await sql.fetch_in_parts(_REACHED, confined):
        reached[row["api_key_id"]].add(row["account_id"])
    return {
        row["id"]: (
            frozenset(row["scopes"].split()),
            None if row["all_accounts"] else frozenset(reached[row["id"]]),
        )
        for row in rows
    }


async def names_accounts(line_id: UUID) -> bool:
    """Whether the keys of that line reach accounts that were named, and no others."""
    statement = "SELECT 1 FROM key_account WHERE api_key_id = $1 LIMIT 1"
    return await sql.fetch_one(statement, line_id) is not None


def reaching(line_id: UUID, account_id: UUID) -> KeyAccount:
    """The row, to be added, by which the keys of a line reach an account that is named."""
    return KeyAccount(id=new_id(), created_at=now(), api_key_id=line_id, account_id=account_id)


async def revoke_key(key_id: UUID) -> bool:
    """End a key now, and those that it has replaced; whether it had not been revoked before."""
    return await transaction(lambda: end(key_id)) > 0


_END: Final = """
    UPDATE api_key SET revoked_at = $1 WHERE revoked_at IS NULL AND (id = $2 OR id IN (
        SELECT o.id FROM api_key k JOIN api_key o ON COALESCE(o.line_id, o.id) = k.line_id
        WHERE k.id = $2 AND o.id < k.id))
    RETURNING id
"""


async def end(key_id: UUID) -> bool:
    """As `revoke_key`, inside a transaction."""
    return key_id in {row["id"] for row in await sql.fetch(_END, now(), key_id)}


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, its partner's name, and the accounts that it reaches: None for all."""

    key: ApiKey
    partner: str
    accounts: list[UUID] | None


async def list_keys() -> list[ListedKey]:
    """Every key that was ever made, by partner, oldest first."""
    rows = await sql.fetch("SELECT id, name FROM users WHERE role = 'PARTNER'")
    names = {row["id"]: row["name"] for row in rows}
    reached: defaultdict[UUID, list[UUID]] = defaultdict(list)
    keys = await ApiKey.all().order_by("id")
    confined = [key.id for key in keys if not key.all_accounts]
    for row in await sql.fetch_in_parts(_REACHED, confined):
        reached[row["api_key_id"]].append(row["account_id"])
    listed = [
        ListedKey(key, names[key.user_id], None if key.all_accounts else sorted(reached[key.id]))
        for key in keys
    ]
    return sorted(listed, key=lambda one: one.partner)


async def find_key(text: str) -> ApiKey | None:
    """The key with this id (`key_…`) or prefix (`ack_…`, of the whole token as well)."""
    key_id = parse_id(ApiKey.PREFIX, text)
    if key_id is not None:
        return await ApiKey.get_or_none(id=key_id)
    return await ApiKey.get_or_none(prefix=text.removeprefix(MARK).partition("_")[0])


def checked_scopes(scopes: Iterable[str]) -> list[str]:
    """Those scopes, sorted. Raises Invalid at `scopes` for none, and at the number of what is none
    of them.
    """
    wanted = list(scopes)
    if not wanted:
        raise Invalid("scopes", problem="none")
    for number, one in enumerate(wanted):
        if one not in SCOPES:
            choices, named = ", ".join(SCOPES), one[:_NAMED_MAX]
            raise Invalid("scopes", str(number), problem="scope", named=named, choices=choices)
    return sorted(set(wanted))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
