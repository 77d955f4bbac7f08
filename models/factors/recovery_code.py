"""Recovery codes: ten that work once each, for whoever has lost their other second factors."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from typing import TYPE_CHECKING, ClassVar, Final

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.errors import CodeRefused
from models.provider.provider import provider

if TYPE_CHECKING:
    from uuid import UUID

#: How many a user has.
COUNT: Final = 10
#: Crockford's base32, 80 bits in four groups: nobody guesses one, however often they try.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKS_LIKE: Final = str.maketrans("OIL", "011")
_CHARS: Final = 16
_GROUP_CHARS: Final = 4
_TYPED_CHARS_MAX: Final = 60


class RecoveryCode(Record):
    """One code of a user; `code_hash` is keyed."""

    PREFIX: ClassVar[str] = "rec"

    user_id = fields.UUIDField()
    code_hash = fields.CharField(max_length=64, unique=True)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "recovery_code"


async def renew(user_id: UUID) -> list[str]:
    """Ten new codes in place of the user's others, in a transaction. They are shown only now."""
    await remove(user_id)
    codes, moment = [_new() for _ in range(COUNT)], now()
    await sql.add(
        *(
            RecoveryCode(
                id=new_id(), created_at=moment, user_id=user_id, code_hash=_hash(user_id, code)
            )
            for code in codes
        )
    )
    return codes


async def remove(user_id: UUID) -> int:
    """Delete the user's, in a transaction; how many were unused."""
    unused = await RecoveryCode.filter(user_id=user_id, used_at=None).count()
    await RecoveryCode.filter(user_id=user_id).delete()
    return unused


def looks_like_one(typed: str) -> bool:
    """Whether it has the length of one; a code of an app is shorter."""
    return len(_letters(typed)) == _CHARS


async def use(user_id: UUID, typed: str, *field: str) -> None:
    """Use a code of that user, in a transaction. Raises CodeRefused at `field` (or `recovery_code`)
    where it is none or has been used.
    """
    statement = """
        UPDATE recovery_code SET used_at = $1
        WHERE user_id = $2 AND code_hash = $3 AND used_at IS NULL
    """
    if not await sql.execute(statement, now(), user_id, _hash(user_id, typed)):
        raise CodeRefused(*(field or ("recovery_code",)))


def _new() -> str:
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_CHARS))
    return "-".join(text[n : n + _GROUP_CHARS] for n in range(0, _CHARS, _GROUP_CHARS))


def _hash(user_id: UUID, typed: str) -> str:
    key = provider().key_for(b"recovery codes")
    return hmac.new(key, user_id.bytes + _letters(typed).encode(), "sha256").hexdigest()


def _letters(typed: str) -> str:
    """As it was made, however somebody types it."""
    normal = unicodedata.normalize("NFKC", typed[:_TYPED_CHARS_MAX]).upper().translate(_LOOKS_LIKE)
    return "".join(filter(_ALPHABET.__contains__, normal))
