"""Passkeys (WebAuthn, level 2): made and used by a browser's own API, for PUBLIC_URL's host.

`webauthn` is imported where it is used: it takes long, and most processes never see a passkey.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from tortoise import fields

from models.clock import now
from models.db import sql
from models.db.record import Record, new_id
from models.errors import CodeRefused
from models.provider.provider import origin_of, provider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from models.access.user import User
    from models.factors.challenge import SignInChallenge

#: Of one user.
COUNT_MAX: Final = 20

_CREDENTIAL_CHARS_MAX: Final = 20_000
_OPTIONS_MILLISECONDS: Final = 5 * 60 * 1000

_USE: Final = """
    UPDATE passkey SET sign_count = $1, used_at = $2 WHERE id = $3 AND sign_count = $4
"""


class Passkey(Record):
    """A passkey of a user; `credential_id` and `public_key` are base64url."""

    PREFIX: ClassVar[str] = "psk"

    user_id = fields.UUIDField()
    name = fields.CharField(max_length=100)
    credential_id = fields.CharField(max_length=1400, unique=True)
    public_key = fields.TextField()
    sign_count = fields.BigIntField(default=0)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "passkey"


async def of_user(user_id: UUID) -> list[Passkey]:
    """The user's passkeys, oldest first."""
    return await Passkey.filter(user_id=user_id).order_by("id")


def options_to_make(user: User, known: Sequence[Passkey], challenge: SignInChallenge) -> str:
    """What `navigator.credentials.create` takes, as JSON: another passkey than the `known` ones."""
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415 - as above
    from webauthn.helpers.structs import (  # noqa: PLC0415 - as above
        AuthenticatorSelectionCriteria,
        UserVerificationRequirement,
    )

    name = user.email or user.public_id
    options = generate_registration_options(
        rp_id=rp_id(),
        rp_name=provider().seller.name,
        user_id=user.id.bytes,
        user_name=name,
        user_display_name=user.name or name,
        challenge=_bytes(challenge.passkey_challenge),
        timeout=_OPTIONS_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_described(known),
    )
    return options_to_json(options)


def options_to_use(known: Sequence[Passkey], challenge: SignInChallenge) -> str:
    """What `navigator.credentials.get` takes, as JSON: one of the `known` passkeys."""
    from webauthn import (  # noqa: PLC0415 - as above
        generate_authentication_options,
        options_to_json,
    )

    options = generate_authentication_options(
        rp_id=rp_id(),
        challenge=_bytes(challenge.passkey_challenge),
        timeout=_OPTIONS_MILLISECONDS,
        allow_credentials=_described(known),
    )
    return options_to_json(options)


def made(credential: str, challenge: SignInChallenge, name: str) -> Passkey:
    """The passkey that a browser has made for the challenge, to be added. Raises CodeRefused at
    `credential`.
    """
    from webauthn import verify_registration_response  # noqa: PLC0415 - as above
    from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415 - as above

    try:
        verified = verify_registration_response(
            credential=_checked(credential),
            expected_challenge=_bytes(challenge.passkey_challenge),
            expected_rp_id=rp_id(),
            expected_origin=_origins(),
        )
    except Exception as error:  # whatever a stranger's JSON makes of the parsers
        raise CodeRefused("credential") from error
    return Passkey(
        id=new_id(),
        created_at=now(),
        user_id=challenge.user_id,
        name=name,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=bytes_to_base64url(verified.credential_public_key),
        sign_count=verified.sign_count,
    )


def verified_count(
    credential: str, challenge: SignInChallenge, known: Sequence[Passkey]
) -> tuple[Passkey, int]:
    """Which of the `known` passkeys has signed the challenge, and how often it has been used by
    its own count. Raises CodeRefused at `passkey`; a count that has not grown is a copy's.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 - as above

    try:
        given = _checked(credential)
        passkey = next(one for one in known if one.credential_id == given["id"])
        verified = verify_authentication_response(
            credential=given,
            expected_challenge=_bytes(challenge.passkey_challenge),
            expected_rp_id=rp_id(),
            expected_origin=_origins(),
            credential_public_key=_bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
        )
    except Exception as error:  # as above
        raise CodeRefused("passkey") from error
    return passkey, verified.new_sign_count


async def use(passkey: Passkey, sign_count: int) -> None:
    """Note that it was used, in a transaction. Raises CodeRefused at `passkey` where another use
    was first.
    """
    if not await sql.execute(_USE, sign_count, now(), passkey.id, passkey.sign_count):
        raise CodeRefused("passkey")


def challenge_in(credential: str) -> str:
    """The challenge that a browser says it has answered, in base64url; empty where it says none."""
    try:
        told = json.loads(_bytes(_checked(credential)["response"]["clientDataJSON"]))["challenge"]
    except Exception:  # noqa: BLE001 - as above
        return ""
    return told if isinstance(told, str) and told.isascii() else ""


def rp_id() -> str:
    """Whose passkeys they are: PUBLIC_URL's host. An IP address can have none, so on the browser's
    own machine it is `localhost`.
    """
    host = urlsplit(provider().public_url).hostname or ""
    return "localhost" if host in {"127.0.0.1", "::1"} else host


def _origins() -> list[str]:
    return sorted(provider().return_origins | {origin_of(provider().public_url)})


def _checked(credential: str) -> dict[str, Any]:
    if len(credential) > _CREDENTIAL_CHARS_MAX:
        raise ValueError
    told: dict[str, Any] = json.loads(credential)
    return told


def _described(known: Sequence[Passkey]) -> list[Any]:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor  # noqa: PLC0415 - as above

    return [PublicKeyCredentialDescriptor(id=_bytes(one.credential_id)) for one in known]


def _bytes(base64url: str) -> bytes:
    return urlsafe_b64decode(base64url + "=" * (-len(base64url) % 4))
