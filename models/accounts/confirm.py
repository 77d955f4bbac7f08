"""Confirming an address: of a new account, or a new one of a user's."""

from __future__ import annotations

from models.access import one_use_token
from models.access.one_use_token import Purpose
from models.access.user import User
from models.accounts import new_email, sign_up


async def confirm_email(token: str) -> User | None:
    """Use the token that was sent to an address. The user where it has just opened their account,
    who is to be signed in.

    Raises TokenRefused at `token`, and EmailTaken where a changed address belongs to somebody else
    by now.
    """
    found = await one_use_token.read(token, Purpose.SIGN_UP, Purpose.CONFIRM_EMAIL)
    if found.purpose == Purpose.SIGN_UP:
        return await sign_up.confirm(found)
    await new_email.confirm(found)
    return None
