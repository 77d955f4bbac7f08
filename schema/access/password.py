"""Passwords and e-mail addresses of whoever signs in."""

from __future__ import annotations

import strawberry

from models.accounts import confirm, new_email, new_password
from schema.access.session import DonePayload, SignInPayload, Viewer, ViewerPayload, sign_in_proven
from schema.core.context import Info
from schema.core.errors import refused_in_payload


@strawberry.input
class RequestPasswordResetInput:
    """Who has forgotten their password."""

    email: str
    "The e-mail address to send the link to."


@strawberry.input
class SetPasswordInput:
    """A password to sign in with from now on."""

    token: str
    "The token of the link in the e-mail."
    password: str
    "10 to 200 characters, in any script; not easily guessed."


@strawberry.input
class ChangePasswordInput:
    """The password to use from now on."""

    current_password: str
    "The password until now."
    new_password: str
    "10 to 200 characters, in any script; not easily guessed."


@strawberry.input
class ChangeEmailInput:
    """The e-mail address to use from now on."""

    email: str
    "The new e-mail address; a link is sent there."
    password: str
    "The caller's password."


@strawberry.input
class ConfirmEmailInput:
    """An address that is confirmed."""

    token: str
    "The token of the link in the e-mail."


@strawberry.type
class PasswordMutation:
    """Setting and changing what one signs in with."""

    @strawberry.mutation
    @refused_in_payload
    async def request_password_reset(
        self, info: Info, input: RequestPasswordResetInput
    ) -> DonePayload:
        """Sends an e-mail with a link to set a new password. Answers the same for every address,
        whether somebody has it or not. Limited per address and caller.
        """
        context = info.context
        await new_password.request_reset(
            input.email, locale=context.locale, address=context.address
        )
        return DonePayload()

    @strawberry.mutation
    @refused_in_payload
    async def set_password(self, info: Info, input: SetPasswordInput) -> SignInPayload:
        """Sets a password with the token of an invitation or a reset, ends older sessions, and
        signs in. WEAK_PASSWORD doesn't use the token up.
        """
        user = await new_password.set_password(input.token, input.password)
        return await sign_in_proven(info.context, user)

    @strawberry.mutation
    @refused_in_payload
    async def change_password(self, info: Info, input: ChangePasswordInput) -> DonePayload:
        """Changes the caller's password and ends their other sessions; an e-mail says so. Attempts
        are limited as those to sign in.
        """
        context = info.context
        await new_password.change_password(
            input.current_password,
            input.new_password,
            context.signed_in(),
            notes=context.device_notes,
        )
        return DonePayload()

    @strawberry.mutation
    @refused_in_payload
    async def change_email(self, info: Info, input: ChangeEmailInput) -> DonePayload:
        """Sends a link to a new e-mail address, which is used once `confirmEmail` was called with
        its token. The old address is told then.
        """
        context = info.context
        await new_email.change_email(
            input.email, input.password, context.signed_in(), notes=context.device_notes
        )
        return DonePayload()

    @strawberry.mutation
    @refused_in_payload
    async def confirm_email(self, info: Info, input: ConfirmEmailInput) -> ViewerPayload:
        """Confirms an e-mail address: a new one of a user's, or that of a sign-up, whose account is
        opened and signed in to.
        """
        user = await confirm.confirm_email(input.token)
        if user is not None:
            entered = await sign_in_proven(info.context, user)
            return ViewerPayload(viewer=entered.viewer)
        actor = info.context.actor
        return ViewerPayload(viewer=Viewer.of(actor) if actor else None)
