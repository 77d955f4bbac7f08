"""The second step of signing in, as it is asked for."""

from __future__ import annotations

from datetime import datetime

import strawberry

from models.accounts.sign_in import FactorAsked
from models.factors.second_factor import SecondFactor

strawberry.enum(SecondFactor)


@strawberry.type
class SignInChallenge:
    """A second factor that is asked for. It takes one right answer, and at most five tries."""

    token: str
    "For `completeSignIn`. It works in no other way."
    methods: list[SecondFactor]
    "What may be given: any one of these."
    passkey_options: str | None
    """JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`, which makes of it what
    `navigator.credentials.get` takes; null without PASSKEY.
    """
    expires_at: datetime
    "Until when; after that, sign in again."

    @classmethod
    def of(cls, asked: FactorAsked) -> SignInChallenge:
        """Show what is asked for."""
        return cls(
            token=asked.token,
            methods=asked.methods,
            passkey_options=asked.passkey_options,
            expires_at=asked.expires_at,
        )
