"""Signing up."""

from __future__ import annotations

import strawberry

from models.accounts.sign_up import SignUp, sign_up
from schema.access.session import Viewer
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload
from schema.core.scalars import CurrencyCode


@strawberry.input
class SignUpInput:
    """An account to open for oneself."""

    email: str
    "The e-mail address to sign in with; a link is sent there."
    password: str
    "10 to 200 characters, in any script; not easily guessed."
    name: str
    "The name, as invoices are addressed to it."
    currency: CurrencyCode
    "The account's default currency."
    locale: str | None = None
    "A BCP 47 language tag. Defaults to the language of the request."
    idempotency_key: str
    "1 to 255 printable ASCII characters: a new key per click, the same key for its retries."


@strawberry.type
class SignUpPayload(Payload):
    """The result of `signUp`: the same whether the address is known or not."""

    viewer: Viewer | None = None
    "Null: the address has to be confirmed first."
    token: str | None = None
    "Null: the address has to be confirmed first."


@strawberry.type
class SignUpMutation:
    """Opening an account for oneself."""

    @strawberry.mutation
    @refused_in_payload
    async def sign_up(self, info: Info, input: SignUpInput) -> SignUpPayload:
        """Sends a link that opens an account and signs in, by `confirmEmail`. Where the provider
        allows it (SIGN_UP_CLOSED otherwise); limited per address and caller.
        """
        context = info.context
        asked = SignUp(
            email=input.email,
            password=input.password,
            name=input.name,
            currency=input.currency,
            locale=input.locale,
        )
        await sign_up(asked, input.idempotency_key, locale=context.locale, address=context.address)
        return SignUpPayload()
